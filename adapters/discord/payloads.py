"""What Discord's gateway sends, checked at the door: before discord.py reads it, and for every frame once.

discord.py takes the shape of events for granted. What is odd in one costs it the connection, an IDENTIFY of the
thousand a day, or, where it is the sequence number, its heartbeats: it stays connected, and hears nothing.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

DISPATCH, HELLO = 0, 10
MESSAGES = frozenset({"MESSAGE_CREATE", "MESSAGE_UPDATE"})
SESSIONS = frozenset({"READY", "RESUMED"})
"""Events without which there is no session: an odd one is the end of the connection."""

BEAT_SHORTEST, BEAT_USUAL, BEAT_LONGEST = 100.0, 41_250.0, 60_000.0
"""Milliseconds between heartbeats: what Discord names is 41,250. What is outside of this is taken for a mistake."""

JUMP = 1_000_000
"""By how much a sequence number may be above the one before; it counts events of one session."""


class OddFrame(ValueError):
    """A frame that is none of Discord's; says where it is odd, and nothing of what stands there."""


def _id(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.isdecimal() or not text.isascii() or len(text) > 20:
        raise ValueError("not an id")
    return text


Id = Annotated[str, BeforeValidator(_id)]


class _Typed(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Person(_Typed):
    id: Id
    username: str | None = None
    global_name: str | None = None
    bot: bool | None = None
    member: _Member | None = None


class _Member(_Typed):
    nick: str | None = None
    roles: list[Id] | None = None


class _File(_Typed):
    id: Id
    filename: str
    size: int
    content_type: str | None = None


class _Reference(_Typed):
    message_id: Id | None = None
    channel_id: Id | None = None
    guild_id: Id | None = None


class _Message(_Typed):
    """The fields of a message that the bot reads. An update may lack any but the ids."""

    id: Id
    channel_id: Id
    guild_id: Id | None = None
    author: _Person | None = None
    member: _Member | None = None
    content: str | None = None
    type: int | None = None
    timestamp: str | None = None
    edited_timestamp: str | None = None
    mention_everyone: bool | None = None
    mentions: list[_Person] | None = None
    mention_roles: list[Id] | None = None
    attachments: list[_File] | None = None
    embeds: list[dict[str, Any]] | None = None
    message_reference: _Reference | None = None
    webhook_id: Id | None = None


class _Written(_Message):
    """A new message, which lacks nothing."""

    author: _Person
    content: str
    timestamp: str
    mentions: list[_Person]
    mention_roles: list[Id]
    attachments: list[_File]
    embeds: list[dict[str, Any]]
    type: int = Field()


def checked(frame: object, sequence: int | None) -> dict[str, Any]:
    """Return a frame that discord.py can read.

    Args:
        frame: the decoded JSON.
        sequence: the number of the last event; None before the first.

    A sequence number that cannot be one is left out, and a heartbeat interval replaced: neither is worth a connection.

    Raises OddFrame for everything else.
    """
    if not isinstance(frame, dict) or type(frame.get("op")) is not int:
        raise OddFrame("a frame without an op code")
    event, data = frame.get("t"), frame.get("d")
    if event is not None and not isinstance(event, str):
        raise OddFrame("a frame whose event has no name")
    if not _follows(frame.get("s"), sequence, new=event == "READY"):
        frame = {**frame, "s": None}
    if frame["op"] == HELLO:
        interval = data.get("heartbeat_interval") if isinstance(data, dict) else None
        return {**frame, "d": {"heartbeat_interval": _beat(interval)}}
    if frame["op"] != DISPATCH:
        return frame
    if not isinstance(data, dict):
        raise OddFrame(f"{event}: its data is no object")
    if event == "READY" and frame["s"] is None:
        raise OddFrame("READY: no sequence number")
    if event in MESSAGES:
        _check(_Written if event == "MESSAGE_CREATE" else _Message, event or "", data)
    return frame


def _follows(number: object, sequence: int | None, *, new: bool) -> bool:
    if number is None:
        return True
    if type(number) is not int or number < 0:
        return False
    before = 0 if new or sequence is None else sequence
    return before <= number <= before + JUMP


def _beat(interval: object) -> float:
    if isinstance(interval, bool) or not isinstance(interval, int | float) or not math.isfinite(interval):
        return BEAT_USUAL
    return interval if BEAT_SHORTEST <= interval <= BEAT_LONGEST else BEAT_USUAL


def _check(kind: type[_Message], event: str, data: dict[str, Any]) -> None:
    try:
        kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise OddFrame(f"{event}: {'.'.join(map(str, first['loc']))}: {first['msg']}"[:200]) from None
    except RecursionError:
        raise OddFrame(f"{event}: it is nested too deep") from None
