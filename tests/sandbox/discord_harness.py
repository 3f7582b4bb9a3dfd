"""The real discord.py against the stand-in: a client that keeps what it was told, and plain HTTP for what it hides."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import yarl

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "'audioop'", DeprecationWarning)
    import discord
    import discord.http

from sandbox.discord import DiscordServer

__all__ = ["Client", "Http", "Sharded", "connected", "discord", "http", "intents", "logged_in", "point_to"]


def point_to(server: DiscordServer) -> None:
    """Let discord.py talk to the stand-in: the two addresses are process-wide."""
    discord.http.Route.BASE = server.url
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(server.gateway_url)


def intents(**changes: bool) -> discord.Intents:
    """The default intents and message content, with changes."""
    wanted = discord.Intents.default()
    wanted.message_content = True
    for name, value in changes.items():
        setattr(wanted, name, value)
    return wanted


class Listening:
    """Keeps what a client dispatches, and lets a test wait for it."""

    def __init__(self, **options: Any) -> None:
        self.heard: list[tuple[str, tuple[Any, ...]]] = []
        self._news = asyncio.Event()
        super().__init__(**options)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Without discord.py's five seconds."""

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        super().dispatch(event, *args, **kwargs)  # type: ignore[misc]
        self.heard.append((event, args))
        self._news.set()

    def of(self, event: str) -> list[Any]:
        """The first argument of each such event, None where it has none."""
        return [args[0] if args else None for name, args in self.heard if name == event]

    def texts(self) -> list[str]:
        """The contents of the messages that arrived."""
        return [message.content for message in self.of("message")]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until it holds, looked at after every event."""
        async with asyncio.timeout(5):
            while not condition():
                self._news.clear()
                await self._news.wait()


class Client(Listening, discord.Client):
    """A client on one connection."""


class Sharded(Listening, discord.AutoShardedClient):
    """A client on several connections."""


@contextlib.asynccontextmanager
async def connected(
    server: DiscordServer, kind: type[Any] = Client, wanted: discord.Intents | None = None, **options: Any
) -> AsyncIterator[Any]:
    """A client that is ready, closed at the end."""
    point_to(server)
    client = kind(intents=wanted or intents(), guild_ready_timeout=0.02, **options)
    task = asyncio.create_task(client.start(server.bot_token))
    try:
        await client.until(lambda: client.of("ready"))
        yield client
    finally:
        await client.close()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def logged_in(server: DiscordServer) -> AsyncIterator[discord.Client]:
    """A client without a gateway connection."""
    point_to(server)
    client = discord.Client(intents=intents())
    try:
        await client.login(server.bot_token)
        yield client
    finally:
        await client.close()


class Http:
    """The API without a library in between."""

    def __init__(self, server: DiscordServer, session: aiohttp.ClientSession) -> None:
        self._server = server
        self.session = session

    async def __call__(
        self, method: str, path: str, *, token: str | None = None, **kwargs: Any
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON (None when there is none) and headers."""
        headers = {"Authorization": f"Bot {token or self._server.bot_token}"}
        async with self.session.request(method, self._server.url + path, headers=headers, **kwargs) as answer:
            body = await answer.json() if answer.content_type == "application/json" else None
            return answer.status, body, dict(answer.headers)

    async def post(self, channel: str, **body: Any) -> tuple[int, Any, dict[str, str]]:
        """Post a message."""
        return await self("POST", f"/channels/{channel}/messages", json=body)


@contextlib.asynccontextmanager
async def http(server: DiscordServer) -> AsyncIterator[Http]:
    """Plain HTTP to the stand-in."""
    async with aiohttp.ClientSession() as session:
        yield Http(server, session)
