"""What each of Discord's answers means to the core."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

import adapters.discord  # noqa: F401 - silences discord.py's own import warning first
from adapters.discord.refusals import Answer, failure, length_allowed, refusal
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

TOO_LONG = {"content": {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 1,500 or fewer in length."}]}}
BAD_NONCE = {"nonce": {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 25 or fewer in length."}]}}


def answer(status: int, code: int = 0, /, headers: dict[str, str] | None = None, **body: Any) -> Answer:
    return Answer(status, headers or {}, json.dumps({"code": code, "message": "words"} | body).encode())


@pytest.mark.parametrize(
    ("said", "write", "meant"),
    [
        (answer(404, 10008), Write.EDIT, MessageGone),
        (answer(404, 10003), Write.POST, PlaceClosed),
        (answer(403, 50001), Write.EDIT, PlaceClosed),
        (answer(403, 50013), Write.POST, PlaceClosed),
        (answer(403, 50007), Write.POST, PlaceClosed),
        (answer(403, 50278), Write.POST, PlaceClosed),
        (answer(400, 160005), Write.POST, PlaceClosed),
        (answer(400, 50083), Write.EDIT, MessageFrozen),
        (answer(400, 50083), Write.POST, PlaceClosed),
        (answer(429, 30046, retry_after=5), Write.EDIT, MessageFrozen),
        (answer(400, 30046), Write.EDIT, MessageFrozen),
        (answer(403, 50005), Write.EDIT, MessageFrozen),
        (answer(400, 50035, errors=TOO_LONG), Write.EDIT, TooLong),
        (answer(400, 50035, errors=BAD_NONCE), Write.POST, ContentRefused),
        (answer(400, 50006), Write.POST, ContentRefused),
        (answer(400, 200000), Write.POST, ContentRefused),
        (answer(400, 240000), Write.EDIT, ContentRefused),
        (answer(401), Write.POST, BadCredentials),
        (answer(500), Write.EDIT, Unavailable),
        (answer(500), Write.POST, OutcomeUnknown),
        (answer(502), Write.POST, OutcomeUnknown),
        (answer(503), Write.POST, Unavailable),
        (answer(404), Write.POST, OutcomeUnknown),
        (answer(403, 99999), Write.POST, Unforeseen),
        (answer(400, 99999), Write.POST, Unforeseen),
        (Answer(204, {}, b""), Write.POST, OutcomeUnknown),
        (Answer(302, {}, b"{}"), Write.EDIT, OutcomeUnknown),
        (Answer(404, {}, b"{}"), Write.POST, OutcomeUnknown),
        (answer(404), Write.EDIT, MessageFrozen),
        (answer(403, 99999), Write.EDIT, MessageFrozen),
        (answer(400, 99999), Write.EDIT, MessageFrozen),
        (answer(400, 99999), Write.DELETE, MessageFrozen),
        (answer(403, 99999), None, PlaceClosed),
        (Answer(502, {}, b"<html>"), Write.EDIT, Unavailable),
        (Answer(403, {}, b"[1]"), None, PlaceClosed),
    ],
)
def test_every_refusal_has_one_meaning(said: Answer, write: Write | None, meant: type[PlatformError]) -> None:
    """Each status and code becomes exactly the error that the core knows how to go on from."""
    assert type(refusal(said, write)) is meant


def test_a_rate_limit_says_how_long_and_which_bucket() -> None:
    """The body's time is taken before the header's; the bucket is the one that was asked with."""
    error = refusal(answer(429, headers={"Retry-After": "7", "Via": "1.1"}, retry_after=1.5), Write.EDIT, bucket="b")
    assert isinstance(error, RateLimited)
    assert (error.retry_after, error.bucket) == (1.5, "b")
    assert refusal(answer(429, headers={"Retry-After": "7"})).retry_after == 7.0
    assert refusal(Answer(429, {}, b"blocked")).retry_after == 60.0


@pytest.mark.parametrize(
    ("said", "everywhere"),
    [
        (answer(429, retry_after=1.0), False),
        (answer(429, retry_after=1.0, **{"global": True}), True),
        (answer(429, headers={"X-RateLimit-Global": "true"}), True),
        (Answer(429, {}, b"error code: 1015"), True),
        (answer(500, **{"global": True}), False),
    ],
)
def test_a_limit_of_the_whole_bot_is_told_from_one_of_a_bucket(said: Answer, everywhere: bool) -> None:
    """Only a global 429, or one of Discord's edge, stops the whole bot."""
    assert said.rate_limited_everywhere is everywhere


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        (aiohttp.ServerDisconnectedError(), OutcomeUnknown),
        (aiohttp.ClientPayloadError(), OutcomeUnknown),
        (aiohttp.ClientOSError(104, "reset"), OutcomeUnknown),
        (ConnectionResetError(104, "reset"), OutcomeUnknown),
        (TimeoutError(), OutcomeUnknown),
        (aiohttp.SocketTimeoutError(), OutcomeUnknown),
        (aiohttp.ConnectionTimeoutError(), Unavailable),
        (aiohttp.ClientConnectorError(None, OSError(111, "refused")), Unavailable),  # type: ignore[arg-type]
        (ValueError("not JSON"), OutcomeUnknown),
        (TooLong("x"), TooLong),
    ],
)
def test_a_call_without_an_answer_is_unknown_unless_it_never_left(error: Exception, meant: type[PlatformError]) -> None:
    """Only a connection that was never made surely had no effect."""
    assert type(failure(error)) is meant


def test_the_length_discord_allows_is_read_from_its_refusal() -> None:
    """The number in the refusal is what the dialect goes by from then on."""
    assert length_allowed({"errors": TOO_LONG}) == 1500
    assert length_allowed({"errors": BAD_NONCE}) is None
    assert length_allowed({"errors": "odd"}) is None
    assert length_allowed({}) is None
