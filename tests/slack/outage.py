"""A Slack that can be out of reach for long, in virtual time: what is said is dated by it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from adapters.slack import SlackAdapter
from adapters.slack.backfill import REDELIVERED, SAVE_EVERY
from adapters.slack.missed import REACH
from sandbox.journal import Journal
from sandbox.slack import Rates, SlackServer
from sandbox.slack.delivery import SUBSCRIPTIONS
from tests.slack.memory_inbox import MemoryInbox

MINUTE = 60.0

READS = ("users.conversations", "conversations.history", "conversations.replies")


class Town:
    """A Slack, an inbox and the clock they share: virtual time, and what is said is dated by it."""

    def __init__(self, slack: SlackServer, journal: Journal) -> None:
        self.slack = slack
        self.journal = journal
        self.inbox = MemoryInbox(journal)
        self.bot = slack.workspace.bot.id

    @staticmethod
    def now() -> float:
        """Unix seconds, ahead of the real ones by what has passed in virtual time."""
        return time.time() + asyncio.get_running_loop().time()

    async def say(self, channel: str, text: str, *, thread: str | None = None, user: str = "ada") -> str:
        """Say something; `@bot` in it is the mention."""
        self._set_clock()
        return await self.slack.say(channel, user, text.replace("@bot", f"<@{self.bot}>"), thread=thread)

    async def edit(self, channel: str, ts: str, text: str) -> None:
        self._set_clock()
        await self.slack.edit(channel, ts, text.replace("@bot", f"<@{self.bot}>"))

    def _set_clock(self) -> None:
        self.slack.workspace.behind = time.time() - self.now()

    def deliver(self, *, events: bool) -> None:
        """Whether Slack delivers what happens from now on; nothing of before comes again."""
        self.slack.events.subscriptions = set(SUBSCRIPTIONS) if events else set()

    @asynccontextmanager
    async def adapter(self, *, over_http: bool = False) -> AsyncIterator[SlackAdapter]:
        """An adapter that listens; it is closed in order."""
        way_in = (None, self.slack.signing_secret) if over_http else (self.slack.app_token, None)
        adapter = SlackAdapter(self.slack.bot_token, *way_in, api_url=self.slack.url, clock=self.now)
        try:
            await adapter.start()
            await adapter.listen(self.inbox)
            yield adapter
        finally:
            await adapter.close()

    async def outage(self, seconds: float = 20 * MINUTE) -> None:
        """Be told what happens up to now, by a bot that ends then; deliver nothing for so long from then on."""
        async with self.adapter():
            await self.slack.events.idle()
            await asyncio.sleep(2 * SAVE_EVERY)
        self.deliver(events=False)
        await asyncio.sleep(seconds)

    async def caught_up(self) -> None:
        """Wait until the cursor is no older than a start leaves it."""
        await self.journal.until(
            lambda: float(self.inbox.position or 0) > self.now() - REDELIVERED, timeout=2 * REACH, what="a new cursor"
        )

    def calls(self, *methods: str) -> list[Any]:
        """The calls of these methods so far, or of those that read."""
        return [it for it in self.journal.of("slack", "call") if it["method"] in (methods or READS)]


@asynccontextmanager
async def town(limits: Mapping[str, tuple[int, float]] | None = None) -> AsyncIterator[Town]:
    """A Slack with its own limits, or with other ones for some methods."""
    journal, rates = Journal(), Rates(limits=limits, clock=asyncio.get_running_loop().time)
    async with SlackServer(journal, rates=rates) as slack:
        yield Town(slack, journal)
