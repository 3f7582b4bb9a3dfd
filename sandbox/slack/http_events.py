"""The Events API over HTTP: signed requests to the bot's address, its answer taken as the acknowledgement."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
import secrets
import time
from typing import Any, NamedTuple
from urllib.parse import urlencode

import aiohttp

from sandbox.slack.delivery import Outcome


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The `X-Slack-Signature` of a request (v0, by Slack's documentation)."""
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


class Answer(NamedTuple):
    """What the bot answered; `retry` is False when it asked for no redelivery."""

    status: int
    text: str
    retry: bool


class HttpPush:
    """Posts events to one address. Needs `close()`."""

    name = "http"

    def __init__(self, url: str, signing_secret: str) -> None:
        self.url = url
        self._secret = signing_secret
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))

    async def verify(self) -> None:
        """Do the `url_verification` handshake; raises ValueError when the challenge does not come back."""
        challenge = secrets.token_urlsafe(24)
        body = {"token": "sandbox-verification-token", "challenge": challenge, "type": "url_verification"}
        answer = await self.send(body)
        text = answer.text.strip()
        echoed = str(json.loads(text).get("challenge")) if text.startswith("{") else text
        if answer.status != 200 or echoed != challenge:
            raise ValueError(f"{self.url} did not answer the challenge: status {answer.status}")

    async def send(
        self,
        body: dict[str, Any],
        *,
        secret: str | None = None,
        timestamp: float | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Post `body` once, signed with `secret` and `timestamp` (Unix s); either may be wrong on purpose."""
        return await self._send(json.dumps(body).encode(), secret=secret, timestamp=timestamp, headers=headers or {})

    async def _send(
        self,
        raw: bytes,
        *,
        secret: str | None = None,
        timestamp: float | None = None,
        headers: dict[str, str],
    ) -> Answer:
        stamp = str(int(time.time() if timestamp is None else timestamp))
        sent = {
            "Content-Type": "application/json",
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": signature(self._secret if secret is None else secret, stamp, raw),
            **headers,
        }
        sent["Content-Length"] = str(len(raw))
        async with self._session.post(self.url, data=io.BytesIO(raw), headers=sent, allow_redirects=False) as answer:
            return Answer(answer.status, await answer.text(), answer.headers.get("X-Slack-No-Retry") != "1")

    async def form(self, raw: bytes) -> Answer:
        """Post a form once, signed."""
        return await self._send(raw, headers={"Content-Type": "application/x-www-form-urlencoded"})

    async def interact(self, body: dict[str, Any], patience: float) -> Outcome:
        """Post what somebody pressed as a form, once; only 200 within `patience` seconds acknowledges it."""
        try:
            async with asyncio.timeout(patience):
                answer = await self.form(urlencode({"payload": json.dumps(body)}).encode())
        except (TimeoutError, aiohttp.ClientError):
            return Outcome(acked=False, reason="failed")
        return Outcome(acked=answer.status == 200)

    async def deliver(self, body: dict[str, Any], attempt: int, reason: str, patience: float) -> Outcome:
        """Post an event; any 2xx within `patience` seconds acknowledges it."""
        headers = {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason} if attempt else {}
        try:
            async with asyncio.timeout(patience):
                answer = await self.send(body, headers=headers)
        except TimeoutError:
            return Outcome(acked=False, reason="http_timeout")
        except aiohttp.ClientError:
            return Outcome(acked=False, reason="connection_failed")
        if 200 <= answer.status < 300:
            return Outcome(acked=True)
        return Outcome(acked=False, reason="http_error", retry=answer.retry)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
