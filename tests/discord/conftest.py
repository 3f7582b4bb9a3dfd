"""A Discord of one's own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.discord import DiscordAdapter
from adapters.discord.delivery import Delivery
from sandbox.discord import DiscordServer
from sandbox.journal import Journal
from tests.discord.harness import Box, logged_in


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    """The stand-in, with its limits."""
    async with DiscordServer(Journal()) as running:
        yield running


@pytest.fixture
def box() -> Box:
    """An inbox in memory."""
    return Box()


@pytest.fixture
async def adapter(server: DiscordServer) -> AsyncIterator[DiscordAdapter]:
    """Logged in and not connected to the gateway."""
    async with logged_in(server) as ready:
        yield ready


@pytest.fixture
def platform(adapter: DiscordAdapter) -> Delivery:
    return adapter.platform
