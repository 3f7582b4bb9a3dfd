"""A stand-in and a client for it, per test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bot.claude.client import Claude
from sandbox.claude import ClaudeServer
from sandbox.journal import Journal


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
async def server(journal: Journal) -> AsyncIterator[ClaudeServer]:
    async with ClaudeServer(journal, ping_every=0.02) as server:
        yield server


@pytest.fixture
async def make(server: ClaudeServer) -> AsyncIterator[Callable[..., Claude]]:
    """Builds clients of the stand-in; arguments replace the usual ones."""
    made: list[Claude] = []

    def build(**options: Any) -> Claude:
        usual = {
            "api_key": server.api_key,
            "base_url": server.url,
            "model": "claude-sonnet-5-5",
            "small_model": "claude-haiku-5-5",
            "max_tokens": 16_000,
        }
        claude = Claude(**{**usual, **options})
        made.append(claude)
        return claude

    yield build
    for claude in made:
        await claude.close()


@pytest.fixture
async def claude(make: Callable[..., Claude]) -> Claude:
    return make(read_timeout=5.0, watchdog=10.0)
