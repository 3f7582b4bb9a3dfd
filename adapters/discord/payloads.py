"""What Discord sends, checked at the door, before discord.py reads it: frames of the gateway, and messages of history.

discord.py takes the shape of everything for granted. What is odd in one event costs it the connection, an IDENTIFY of
the thousand a day, or, where it is the sequence number, its heartbeats: it stays connected, and hears nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import yarl
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

DISPATCH, HEARTBEAT, RECONNECT, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 0, 1, 7, 9, 10, 11
"""The op codes that a client is sent (Developer Docs, "Gateway Opcodes")."""

KNOWN_OPS = frozenset({DISPATCH, HEARTBEAT, RECONNECT, INVALID_SESSION, HELLO, HEARTBEAT_ACK})

SESSIONS = frozenset({"READY", "RESUMED"})
"""Events that begin a session or go on with one."""

BEAT_SHORTEST, BEAT_USUAL, BEAT_LONGEST = 100.0, 41_250.0, 45_000.0
"""Milliseconds between heartbeats: what Discord names is 41,250. What is outside of this is taken for a mistake."""

JUMP = 1_000
"""By how much a sequence number may be above the one before: each event adds one, and few are left out."""

UNREAD = (
    "emojis", "stickers", "presences", "voice_states", "stage_instances", "guild_scheduled_events", "soundboard_sounds",
)  # fmt: skip
"""Lists of a server that nothing here reads."""

_NAME = re.compile(r"[A-Z0-9_]{1,64}")


class OddFrame(ValueError):
    """Something that Discord does not send; says where it is odd, and nothing of what stands there.

    Args:
        kind: what it is or was to be; one line a minute is logged of each.
        why: what is odd.
        ends: whether the connection is worth nothing without it.
    """

    def __init__(self, kind: str, why: str, *, ends: bool = False) -> None:
        super().__init__(f"{kind}: {why}")
        self.kind, self.why, self.ends = kind, why[:200], ends


def _bits(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.isdecimal() or not text.isascii() or len(text) > 20:
        raise ValueError("not a number")
    return text


def _id(value: object) -> str:
    text = _bits(value)
    if not 0 < int(text) < 1 << 63:
        raise ValueError("not an id")
    return text


Bits = Annotated[str, BeforeValidator(_bits)]
Id = Annotated[str, BeforeValidator(_id)]


class _Typed(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Person(_Typed):
    id: Id
    username: str | None = None
    global_name: str | None = None
    bot: bool | None = None
    member: _Nickname | None = None


class _Nickname(_Typed):
    nick: str | None = None
    roles: list[Id] | None = None


class _Member(_Nickname):
    user: _Person


class _File(_Typed):
    id: Id
    filename: str
    size: int
    content_type: str | None = None


class _Reference(_Typed):
    message_id: Id | None = None
    channel_id: Id | None = None
    guild_id: Id | None = None


class _Sticker(_Typed):
    id: Id
    name: str


class _Forwarded(_Typed):
    content: str | None = None
    attachments: list[_File] | None = None


class _Snapshot(_Typed):
    message: _Forwarded


class _Message(_Typed):
    """The fields of a message that the bot reads. An update may lack any but the ids."""

    id: Id
    channel_id: Id
    guild_id: Id | None = None
    author: _Person | None = None
    member: _Nickname | None = None
    content: str | None = None
    type: int | None = None
    timestamp: str | None = None
    edited_timestamp: str | None = None
    mention_everyone: bool | None = None
    mentions: list[_Person] | None = None
    mention_roles: list[Id] | None = None
    attachments: list[_File] | None = None
    embeds: list[dict[str, Any]] | None = None
    sticker_items: list[_Sticker] | None = None
    message_reference: _Reference | None = None
    message_snapshots: list[_Snapshot] | None = None
    referenced_message: _Written | None = None
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
    type: int


class _Deleted(_Typed):
    id: Id
    channel_id: Id
    guild_id: Id | None = None


class _DeletedTogether(_Typed):
    ids: list[Id]
    channel_id: Id
    guild_id: Id | None = None


class _Overwrite(_Typed):
    id: Id
    type: int
    allow: Bits = "0"
    deny: Bits = "0"


class _Channel(_Typed):
    id: Id
    type: int
    name: str | None = None
    position: int | None = None
    parent_id: Id | None = None
    last_message_id: Id | None = None
    permission_overwrites: list[_Overwrite] | None = None


class _Archive(_Typed):
    archived: bool
    auto_archive_duration: int
    archive_timestamp: str
    locked: bool | None = None


class _Thread(_Typed):
    id: Id
    type: int
    parent_id: Id
    owner_id: Id
    name: str
    message_count: int
    member_count: int
    thread_metadata: _Archive
    last_message_id: Id | None = None
    applied_tags: list[Id] | None = None


class _ThreadGone(_Typed):
    id: Id
    guild_id: Id
    parent_id: Id
    type: int


class _Threads(_Typed):
    guild_id: Id
    channel_ids: list[Id] | None = None


class _Role(_Typed):
    id: Id
    name: str
    permissions: Bits = "0"
    position: int = 0
    tags: dict[str, Any] | None = None


class _Guild(_Typed):
    id: Id
    name: str | None = None
    unavailable: bool | None = None


class _Ready(_Typed):
    session_id: str
    user: _Person


class _Interaction(_Typed):
    id: Id
    application_id: Id
    type: int
    token: str
    channel_id: Id | None = None
    guild_id: Id | None = None
    data: dict[str, Any] | None = None
    message: dict[str, Any] | None = None


KINDS: Mapping[str, type[_Typed]] = {
    "READY": _Ready,
    "MESSAGE_CREATE": _Written,
    "MESSAGE_UPDATE": _Message,
    "MESSAGE_DELETE": _Deleted,
    "MESSAGE_DELETE_BULK": _DeletedTogether,
    "CHANNEL_CREATE": _Channel,
    "CHANNEL_UPDATE": _Channel,
    "CHANNEL_DELETE": _Channel,
    "THREAD_CREATE": _Thread,
    "THREAD_UPDATE": _ThreadGone,
    "THREAD_DELETE": _ThreadGone,
    "THREAD_LIST_SYNC": _Threads,
    "GUILD_CREATE": _Guild,
    "GUILD_UPDATE": _Guild,
    "GUILD_DELETE": _Guild,
    "INTERACTION_CREATE": _Interaction,
}
"""The events that the bot lives on. Of others discord.py finds out by itself what is odd."""

PARTS: Mapping[str, Mapping[str, type[_Typed]]] = {
    "READY": {"guilds": _Guild},
    "GUILD_CREATE": {"channels": _Channel, "threads": _Thread, "roles": _Role, "members": _Member},
    "GUILD_UPDATE": {"roles": _Role},
    "THREAD_LIST_SYNC": {"threads": _Thread},
}
"""Lists in them, of which one odd entry takes none of the others along."""


def _silently(_: OddFrame) -> None:
    """Tell nobody."""


def checked(
    frame: object,
    sequence: int | None,
    *,
    established: bool = False,
    left_out: Callable[[OddFrame], None] = _silently,
) -> dict[str, Any]:
    """Return a frame that discord.py can read, with `op`, `t`, `s` and `d`.

    A sequence number that cannot be one is left out, and a heartbeat interval or an address replaced: none of them is
    worth a connection.

    Args:
        frame: the decoded JSON.
        sequence: the number of the last event; None before the first.
        established: whether the connection has brought a session.
        left_out: told of what is left out of a frame whose rest can be read.

    Raises OddFrame for everything else.
    """
    if not isinstance(frame, dict) or type(frame.get("op")) is not int:
        raise OddFrame("a frame", "it has no op code")
    op, event, data = frame["op"], frame.get("t"), frame.get("d")
    if op not in KNOWN_OPS:
        raise OddFrame("a frame", "its op code is none that a client is sent")
    if op != DISPATCH:
        return {"op": op, "t": None, "s": None, "d": _said(op, data)}
    if not isinstance(event, str) or not _NAME.fullmatch(event):
        raise OddFrame("a frame", "its event has no name")
    if event in SESSIONS and established:
        raise OddFrame(event, "the session had begun before")
    ends = event == "READY"
    if event == "RESUMED":
        if sequence is None:
            raise OddFrame(event, "there was no session to resume")
        data = {}  # what it says nobody reads
    if not isinstance(data, dict):
        raise OddFrame(event, "its data is no object", ends=ends)
    number = frame.get("s") if _follows(frame.get("s"), None if event == "READY" else sequence) else None
    if event == "READY" and number is None:
        raise OddFrame(event, "it has no sequence number", ends=True)
    if event in KINDS:
        _check(KINDS[event], event, data, ends=ends)
    return {**frame, "t": event, "s": number, "d": _sifted(event, data, left_out)}


def readable(message: object) -> bool:
    """Whether a message of a channel's history has the shape that it is read by."""
    try:
        _check(_Written, "a message", message)
    except OddFrame:
        return False
    return True


def _follows(number: object, sequence: int | None) -> bool:
    if type(number) is not int or number < 0:
        return False
    before = sequence or 0
    return before <= number <= before + JUMP


def _said(op: int, data: object) -> object:
    """What a frame that is no event says, as discord.py can read it."""
    if op == HELLO:
        return {"heartbeat_interval": _beat(data.get("heartbeat_interval") if isinstance(data, dict) else None)}
    if op == INVALID_SESSION:
        return data is not False  # to try in vain to resume costs nothing
    return None


def _beat(interval: object) -> float:
    if isinstance(interval, bool) or not isinstance(interval, int | float):
        return BEAT_USUAL
    return interval if BEAT_SHORTEST <= interval <= BEAT_LONGEST else BEAT_USUAL


def _sifted(event: str, data: dict[str, Any], left_out: Callable[[OddFrame], None]) -> dict[str, Any]:
    """The data of an event without what is odd in its lists."""
    if event in {"GUILD_CREATE", "GUILD_UPDATE"}:
        data = {name: value for name, value in data.items() if name not in UNREAD}
    if event == "READY" and not _address(data.get("resume_gateway_url")):
        data = {**data, "resume_gateway_url": ""}
    for name, kind in PARTS.get(event, {}).items():
        if name not in data and event != "READY":
            continue
        entries = data.get(name)
        kept = []
        for entry in entries if isinstance(entries, list) else ():
            try:
                _check(kind, event, entry, within=name)
            except OddFrame as odd:
                left_out(odd)
            else:
                kept.append(entry)
        data = {**data, name: kept}
    return data


def _address(value: object) -> bool:
    try:
        address = yarl.URL(value) if isinstance(value, str) else None
    except ValueError:
        return False
    return address is not None and address.scheme in {"ws", "wss"} and bool(address.host)


def _check(kind: type[_Typed], event: str, data: object, *, within: str = "", ends: bool = False) -> None:
    try:
        kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        spot = ".".join(map(str, (*filter(None, [within]), *first["loc"])))
        raise OddFrame(event, f"{spot}: {first['msg']}", ends=ends) from None
    except RecursionError:
        raise OddFrame(event, "it is nested too deep", ends=ends) from None
