"""A stand-in and a client for it, per test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from bot.claude import Claude
from bot.conversation import Delta, Finished
from bot.errors import ModelError
from bot.ports import Request
from sandbox.claude import ClaudeServer
from sandbox.journal import Journal

QUESTION = Request(messages=(("user", "What is a queue?"),), system="Be brief.")


async def listen(claude: Claude, request: Request = QUESTION) -> tuple[str, Finished | ModelError]:
    """The text the deltas held, and how the stream ended."""
    shown = ""
    finished: Finished | None = None
    try:
        async with aclosing(claude.stream(request)) as stream:
            async for event in stream:
                assert finished is None, "nothing may follow Finished"
                if isinstance(event, Delta):
                    assert event.text
                    shown += event.text
                else:
                    finished = event
    except ModelError as error:
        return shown, error
    assert finished is not None
    return shown, finished


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
