"""One Slack, one adapter connected to it, and an inbox in memory that writes into the same journal."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.slack import SlackAdapter
from adapters.slack.delivery import Delivery
from bot.conversation import Place
from sandbox.journal import Journal
from sandbox.slack import SlackServer
from tests.slack.memory_inbox import MemoryInbox


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
async def slack(journal: Journal) -> AsyncIterator[SlackServer]:
    async with SlackServer(journal, ack_timeout=0.3, retry_delays=(0.0, 0.05, 0.05)) as server:
        yield server


@pytest.fixture
def inbox(journal: Journal) -> MemoryInbox:
    return MemoryInbox(journal)


@pytest.fixture
async def adapter(slack: SlackServer) -> AsyncIterator[SlackAdapter]:
    """Started, not listening."""
    adapter = SlackAdapter(slack.bot_token, slack.app_token, api_url=slack.url)
    await adapter.start()
    yield adapter
    await adapter.close()


@pytest.fixture
async def listening(adapter: SlackAdapter, inbox: MemoryInbox, journal: Journal) -> SlackAdapter:
    """Listening over Socket Mode, both connections open."""
    await adapter.listen(inbox)
    await journal.until(lambda: len(list(journal.of("slack", "connected"))) >= 2)
    return adapter


@pytest.fixture
def platform(adapter: SlackAdapter) -> Delivery:
    return adapter.platform


@pytest.fixture
async def place(slack: SlackServer) -> Place:
    """A thread in a channel."""
    return Place(slack.workspace.channel("general").id, thread=await slack.say("general", "ada", "a question"))
