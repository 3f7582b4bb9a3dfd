"""The HTTP address that Slack posts to: only what Slack signed, in time and of a bearable size, is handed on."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web

from adapters.slack.intake import Intake
from bot.log_limit import LimitedLog

log = logging.getLogger(__name__)

LARGEST_BODY = 8 << 20
"""Bytes of one request. A character outside the BMP takes 12, and a message is told twice: as text and as blocks."""

BODY_WITHIN = 10.0
"""Seconds from a request's headers to the end of its body: Slack gives up on an answer after three."""

ORDINARY_BODY = 64 << 10
"""Bytes that every body may have; what is larger shares one room, which strangers cannot grow."""

ROOM_FOR_BODIES = 64 << 20
"""Bytes of the larger bodies that are being read, together."""

FRESH = 300.0
"""Seconds a signature is good for, either way (Slack's documentation on verifying requests)."""


def is_fresh(timestamp: str, now: float) -> bool:
    """Whether `timestamp` is a time within `FRESH` seconds of `now` (Unix s)."""
    return timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12 and abs(now - int(timestamp)) <= FRESH


def is_signed(secret: str, body: bytes, timestamp: str, signature: str, now: float) -> bool:
    """Whether Slack signed `body` with `secret` within `FRESH` seconds of `now` (Unix s); compares in constant time."""
    if not is_fresh(timestamp, now):
        return False
    signed = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"v0={signed}".encode(), signature.encode("utf-8", "replace"))


class NoRoom(Exception):
    """So many large bodies are being read that one more has no room."""


class EventsEndpoint:
    """The HTTP address Slack posts events to: checks size and signature, then hands the body on.

    Args:
        secret: the app's signing secret.
        clock: Unix seconds.
        body_within: seconds in which a body must be there.
    """

    PATH = "/slack/events"

    def __init__(
        self, secret: str, *, clock: Callable[[], float] = time.time, body_within: float = BODY_WITHIN
    ) -> None:
        self.intake: Intake | None = None
        """Where bodies go; while there is none Slack is told to come back."""
        self._secret = secret
        self._clock = clock
        self._body_within = body_within
        self._complaints = LimitedLog(log)
        self._held = 0
        self._running: set[asyncio.Task[Any]] = set()

    async def handle(self, request: web.Request) -> web.Response:
        """Serve one request.

        408 when its body is too slow, 413 when it is too large, 415 when it is compressed, 401 when it is not signed,
        503 when nobody listens, or too many large bodies are being read.
        """
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return web.Response(status=415)  # Slack compresses nothing
        timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        if not (signature and is_fresh(timestamp, self._clock())):
            return self._unsigned()
        if (request.content_length or 0) > LARGEST_BODY:
            return web.Response(status=413)
        try:
            async with asyncio.timeout(self._body_within):
                body = await self._read(request.content)
        except TimeoutError:
            return web.Response(status=408, headers={"Connection": "close"})
        except (aiohttp.ClientError, ConnectionError, ValueError):
            return web.Response(status=400)
        except NoRoom:
            return web.Response(status=503)
        if body is None:
            return web.Response(status=413)
        if not is_signed(self._secret, body, timestamp, signature, self._clock()):
            return self._unsigned()
        if self.intake is None:
            return web.Response(status=503)
        # A task of its own: a client that hangs up must not stop what was begun.
        task = asyncio.create_task(self.intake.request(body, request.headers), name="slack event")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _read(self, content: aiohttp.StreamReader) -> bytes | None:
        """Return the body; None when it is too large. Raises NoRoom."""
        body, held = bytearray(), 0
        try:
            async for chunk in content.iter_chunked(1 << 16):
                body += chunk
                more = max(0, len(body) - ORDINARY_BODY) - held
                held += more
                self._held += more
                if len(body) > LARGEST_BODY:
                    return None
                if more and self._held > ROOM_FOR_BODIES:
                    raise NoRoom
        finally:
            self._held -= held
        return bytes(body)

    def _unsigned(self) -> web.Response:
        self._complaints.warning(
            "unsigned",
            "a request was not signed with SLACK_SIGNING_SECRET (Basic Information > Signing Secret), or is old",
        )
        return web.Response(status=401)

    async def finish(self) -> None:
        """Take nothing more in, and return when what was begun is done."""
        self.intake = None
        if self._running:
            await asyncio.wait(tuple(self._running))
