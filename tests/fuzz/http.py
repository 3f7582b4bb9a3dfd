"""Odd requests to Slack's address, signed and not, over the program's own server."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import AsyncExitStack

import aiohttp
from aiohttp import web

from adapters.slack import SlackAdapter
from bot.app.http import serve
from sandbox.journal import Journal
from sandbox.slack import SlackServer
from sandbox.slack.http_events import signature
from tests.fuzz.mutate import cut, dumped, mutated
from tests.fuzz.slack_events import mention, payloads
from tests.fuzz.watching import Watch
from tests.slack.memory_inbox import MemoryInbox

AT_ONCE = 16
WARM_UP = 2_000
BATCH = 2_000
ANSWER_WITHIN = 2.0
LATE = 5.0
ENCODINGS = ("gzip", "br", "deflate", "zstd", "x", "identity")


class Stranger:
    """Sends requests to one address, and notes what went wrong."""

    def __init__(self, session: aiohttp.ClientSession, slack: SlackServer, address: str, seed: int) -> None:
        self.wrong: list[str] = []
        self._session = session
        self._secret = slack.signing_secret
        self._address = address
        self._known = payloads(slack.workspace.team_id, slack.workspace.bot.id)
        self._chance = random.Random(seed)  # noqa: S311 - a test's

    async def many(self, count: int) -> None:
        """Send that many odd requests, some at a time."""
        for _ in range(0, count, AT_ONCE):
            await asyncio.gather(*(self.send(*self._odd()) for _ in range(AT_ONCE)))

    async def send(self, body: bytes, headers: dict[str, str]) -> None:
        """Send one request."""
        began, what = time.monotonic(), f"{headers} {body[:160]!r}"
        try:
            async with self._session.post(self._address, data=body, headers=headers) as answer:
                await answer.read()
                if answer.status >= 500:
                    self.wrong.append(f"HTTP {answer.status}: {what}")
        except aiohttp.ClientError as error:
            self.wrong.append(f"{type(error).__name__}: {what}")
        if time.monotonic() - began > LATE:
            self.wrong.append(f"late: {what}")

    def signed(self, body: bytes) -> dict[str, str]:
        """Return the headers of a request that Slack signed now."""
        at = str(int(time.time()))
        return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": signature(self._secret, at, body)}

    def _odd(self) -> tuple[bytes, dict[str, str]]:
        chance = self._chance
        body = dumped(mutated(chance.choice(self._known), chance))
        headers = {"Content-Type": "application/json"}
        match chance.randrange(12):
            case 0:
                body = cut(body, chance)
            case 1:
                headers["Content-Encoding"] = chance.choice(ENCODINGS)
            case 2:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
                body = b"payload=" + body
            case 3:
                headers["X-Slack-Retry-Num"] = chance.choice(["1", "x", "-1", "9" * 30])
            case _:
                pass
        if chance.randrange(20):
            return body, headers | self.signed(body)
        return body, headers | {"X-Slack-Request-Timestamp": chance.choice(["5", "x", ""]), "X-Slack-Signature": "v0=x"}


async def fuzz(count: int, seed: int) -> list[str]:
    """Send `count` odd requests and an ordinary mention; return what went wrong."""
    async with AsyncExitStack() as stack:
        journal = Journal()
        slack = await stack.enter_async_context(SlackServer(journal))
        inbox = MemoryInbox(journal)
        adapter = SlackAdapter(slack.bot_token, None, slack.signing_secret, api_url=slack.url)
        await adapter.start()
        stack.push_async_callback(adapter.close)
        application = web.Application()
        application.add_routes(adapter.routes())
        port = await stack.enter_async_context(serve(application, "127.0.0.1", 0))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await adapter.listen(inbox)
        stranger = Stranger(session, slack, f"http://127.0.0.1:{port}/slack/events", seed)
        await stranger.many(min(count, WARM_UP))
        with Watch(stranger.wrong):
            for _ in range(0, count, BATCH):
                await stranger.many(min(count, BATCH))
                inbox.messages.clear()
                journal.entries.clear()  # what the stand-ins remember is not the bot's
        body = json.dumps(mention(slack.workspace.team_id, slack.workspace.bot.id, "999.000001")).encode()
        began = time.monotonic()
        await stranger.send(body, stranger.signed(body))
        if len(inbox.messages) != 1 or time.monotonic() - began > ANSWER_WITHIN:
            stranger.wrong.append("the mention after it was not taken in at once")
        return stranger.wrong


def run(count: int, seed: int) -> list[str]:
    """Send `count` odd requests; return what went wrong."""
    return asyncio.run(fuzz(count, seed))
