"""What tests of the stand-ins share: the sandbox with its page, and two ways to call a module's Discord server."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from sandbox.app import Sandbox
from sandbox.discord import DiscordServer
from tests.sandbox.discord_harness import Http, discord, http, logged_in
from tests.sandbox.page_harness import Browser


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def browser(sandbox: Sandbox) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession() as session:
        yield Browser(sandbox.page_url, session)


@pytest.fixture
async def client(server: DiscordServer) -> AsyncIterator[discord.Client]:
    """Logged in, without a gateway connection."""
    async with logged_in(server) as ready:
        yield ready


@pytest.fixture
async def api(server: DiscordServer) -> AsyncIterator[Http]:
    async with http(server) as plain:
        yield plain
