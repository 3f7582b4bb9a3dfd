"""A Discord of one's own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sandbox.discord import DiscordServer
from sandbox.journal import Journal
from tests.discord.harness import Box


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    """The stand-in, with its limits."""
    async with DiscordServer(Journal()) as running:
        yield running


@pytest.fixture
def box() -> Box:
    """An inbox in memory."""
    return Box()
