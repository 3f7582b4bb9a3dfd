"""A sandbox of each platform for tests of the whole bot."""

from __future__ import annotations

import pytest

from tests.whole.house import furnished


@pytest.fixture(params=["slack", "discord"])
async def side(request, tmp_path):
    """Each platform in turn."""
    async with furnished(request.param, tmp_path / "data") as side:
        yield side


@pytest.fixture
async def slack(tmp_path):
    async with furnished("slack", tmp_path / "data") as side:
        yield side


@pytest.fixture
async def discord(tmp_path):
    async with furnished("discord", tmp_path / "data") as side:
        yield side
