"""A Claude of one's own for the program to ask."""

from __future__ import annotations

import pytest

from sandbox.claude import ClaudeServer
from sandbox.journal import Journal


@pytest.fixture
async def claude():
    async with ClaudeServer(Journal()) as server:
        yield server


@pytest.fixture
def environment(claude):
    """What makes the program ask it."""
    return {"ANTHROPIC_API_KEY": claude.api_key, "ANTHROPIC_BASE_URL": claude.url}
