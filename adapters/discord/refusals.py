"""Turns what went wrong with a Discord call into the core's errors. Pure: a literal table and a few rules beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord

from bot.errors import (
    BadCredentials,
    ContentRefused,
    MessageFrozen,
    MessageGone,
    OutcomeUnknown,
    PlaceClosed,
    PlatformError,
    RateLimited,
    TooLong,
    Unavailable,
    Unforeseen,
)
from bot.ports import Write

UNKNOWN_MESSAGE = 10008
THREAD_EXISTS = 160004
INVALID_FORM = 50035
ARCHIVED = 50083


class ReplyForbidden(PlaceClosed):
    """A reply needs Read Message History there; the same message without being a reply may be posted."""


CODES: Mapping[int, type[PlatformError]] = {
    10003: PlaceClosed,  # unknown channel
    10004: PlaceClosed,  # unknown guild
    UNKNOWN_MESSAGE: MessageGone,
    30046: MessageFrozen,  # too many edits of a message older than an hour
    40004: PlaceClosed,  # sending is switched off for now
    50001: PlaceClosed,  # missing access
    50005: MessageFrozen,  # written by another user
    50006: ContentRefused,  # empty
    50007: PlaceClosed,  # cannot write to this user
    50008: PlaceClosed,  # not a channel for text
    50009: PlaceClosed,  # the server's verification level is too high
    50013: PlaceClosed,  # missing permission
    50278: PlaceClosed,  # no server in common with this user
    160002: ReplyForbidden,
    160005: PlaceClosed,  # locked thread
    200000: ContentRefused,  # blocked by the server's AutoMod
    200001: ContentRefused,
    240000: ContentRefused,  # harmful links
}
"""Discord's JSON error codes (Developer Docs, "Opcodes and Status Codes"), where they mean the same for every write."""

CURES: Mapping[int, str] = {
    10003: "the channel is gone, or the bot was removed from it",
    50001: "the bot cannot see that channel: give it View Channel there",
    50007: "this person accepts no direct messages from the bot",
    50013: "give the bot View Channel, Send Messages and Send Messages in Threads there",
    50278: "this person shares no server with the bot any more",
    160005: "the thread is locked",
}

LONG_REST = 60.0
"""Seconds to rest after a 429 that names no time: Discord's edge, which blocks an address for longer if one goes on."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Discord answered: HTTP status, headers (case-insensitive), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is none."""
        return _object(self.body)

    @property
    def ok(self) -> bool:
        """Whether the call had its effect."""
        return 200 <= self.status < 300

    @property
    def rate_limited_everywhere(self) -> bool:
        """Whether this 429 is for the whole bot, or comes from Discord's edge, which speaks no JSON."""
        if self.status != 429:
            return False
        return self.data.get("global") is True or "X-RateLimit-Global" in self.headers or not self.data


def refusal(answer: Answer, write: Write | None = None, *, bucket: str = "") -> PlatformError:
    """The error for an answer that is not `ok`.

    Args:
        answer: what Discord said.
        write: which kind of write it answers; None for reading and everything else.
        bucket: the rate limit the write spent from, named in `RateLimited` unless the whole bot is limited.
    """
    data = answer.data
    code = given if isinstance(given := data.get("code"), int) else 0
    what = _sentence(answer.status, code, data)
    if answer.status == 429 and code not in CODES:  # 30046 comes as a 429 as well
        return RateLimited(what, retry_after=_retry_after(answer, data), bucket=bucket)
    if answer.status < 400:
        return OutcomeUnknown(f"the answer is not one of Discord's (HTTP {answer.status})")
    if answer.status >= 500:
        # A post may have gone through behind the error; with its nonce it is looked for and repeated.
        return (OutcomeUnknown if write is Write.POST and answer.status != 503 else Unavailable)(what)
    if answer.status == 401:
        return BadCredentials("Discord no longer accepts DISCORD_BOT_TOKEN: copy a new one from the Bot page")
    if code == ARCHIVED:  # a post un-archives, so refusing one means that it is locked as well
        return (MessageFrozen if write is Write.EDIT else PlaceClosed)(what)
    if code == INVALID_FORM:
        return TooLong(what) if length_allowed(data) is not None else ContentRefused(what)
    if error := CODES.get(code):
        return error(what)
    if write in {Write.EDIT, Write.DELETE}:  # the message stands there: the core goes on beside it
        return MessageFrozen(what)
    if write is Write.POST:  # Discord says what is wrong by a code; else somebody stands between
        return Unforeseen(what) if code else OutcomeUnknown(what)
    return (PlaceClosed if answer.status in {403, 404} else ContentRefused)(what)


def failure(error: BaseException) -> PlatformError:
    """The error for a call that ended without an answer, or with an exception of discord.py's own."""
    if isinstance(error, PlatformError):
        return error
    if isinstance(error, discord.RateLimited):
        return RateLimited("Discord's rate limit is used up", retry_after=error.retry_after)
    if isinstance(error, discord.HTTPException):
        body = json.dumps({"code": error.code, "message": error.text}).encode()
        return refusal(Answer(error.status, getattr(error.response, "headers", {}), body))
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return Unavailable(f"Discord cannot be reached ({type(error).__name__})")
    return OutcomeUnknown(f"Discord's answer was lost ({type(error).__name__})")


def length_allowed(data: Mapping[str, Any]) -> int | None:
    """How long Discord says a content may be, from the body of a 50035; None when that is not about length."""
    errors = data.get("errors")
    content = errors.get("content") if isinstance(errors, dict) else None
    for item in content.get("_errors", ()) if isinstance(content, dict) else ():
        if "LENGTH" in str(item.get("code", "")):
            number = re.search(r"\d[\d,]{0,9}", str(item.get("message", "")))
            return int(number.group().replace(",", "")) if number else 0
    return None


def _retry_after(answer: Answer, data: Mapping[str, Any]) -> float:
    for value in (data.get("retry_after"), answer.headers.get("Retry-After")):
        try:
            return max(0.0, float(value))  # type: ignore[arg-type]  # what is no number is passed over
        except (TypeError, ValueError):
            continue
    return LONG_REST


def _sentence(status: int, code: int, data: Mapping[str, Any]) -> str:
    said = str(data.get("message", "")) or f"HTTP {status}"
    cure = CURES.get(code)
    return f"Discord refused ({status}, code {code}): {said}" + (f" - {cure}" if cure else "")


def _object(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
