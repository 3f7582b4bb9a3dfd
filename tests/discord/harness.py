"""The adapter against the stand-in, through the real discord.py, and an inbox that keeps what it is handed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from typing import TypeVar

from adapters.discord import DiscordAdapter
from adapters.discord.calls import Calls
from adapters.discord.gateway import Gateway, set_api, set_gateway
from bot.conversation import FollowUps, Message, MessageRef, Place, ThreadKey
from bot.errors import StoreUnavailable
from sandbox.discord import DiscordServer
from sandbox.journal import Shown

T = TypeVar("T")


class Box:
    """An inbox in memory. While `down` it does not answer; `heard` is set at every change."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.offered: list[str] = []
        self.edits: list[Message] = []
        self.edited_at: list[float] = []
        self.deletions: list[tuple[str, str]] = []
        self.ours: dict[str, ThreadKey] = {}
        self.cursors: dict[str, str] = {}
        self.known_directs: tuple[str, ...] = ()
        self.refused = 0
        self.down = False
        self._taken: set[str] = set()
        self._changed = asyncio.Event()

    def texts(self) -> list[str]:
        """What was submitted, in order."""
        return [message.text for message in self.messages]

    async def until(self, condition: Callable[[], T]) -> T:
        """Wait until `condition()` is truthy and return it."""
        async with asyncio.timeout(5):
            while not (result := condition()):
                self._changed.clear()
                await self._changed.wait()
            return result

    async def submit(self, message: Message) -> bool:
        self._answer()
        self.offered.append(message.id)
        if message.id in self._taken:
            return False
        self._taken.add(message.id)
        self.messages.append(message)
        return True

    async def takes_part(self, key: ThreadKey) -> bool:
        self._answer()
        return any(message.key == key for message in self.messages)

    async def key_of(self, installation: str, message_id: str) -> ThreadKey | None:
        self._answer()
        return self.ours.get(message_id)

    async def edited(self, message: Message, *, at: float | None = None) -> None:
        self._answer()
        self.edits.append(message)
        self.edited_at.append(at or 0.0)

    async def deleted(self, key: ThreadKey, installation: str, message_id: str) -> None:
        self._answer()
        self.deletions.append((str(key), message_id))

    async def cursor(self, installation: str) -> str | None:
        self._answer()
        return self.cursors.get(installation)

    async def move_cursor(self, installation: str, value: str) -> None:
        self._answer()
        self.cursors[installation] = str(max(int(self.cursors.get(installation, "0")), int(value)))

    async def directs(self, installation: str) -> tuple[str, ...]:
        self._answer()
        return self.known_directs

    def _answer(self) -> None:
        self._changed.set()
        if self.down:
            self.refused += 1
            raise StoreUnavailable("down")


def adapter_for(server: DiscordServer, follow_ups: FollowUps = "all", *, bots: Collection[str] = ()) -> DiscordAdapter:
    """An adapter that begins a new session without Discord's five seconds."""
    return DiscordAdapter(server.bot_token, api_url=server.url, follow_ups=follow_ups, bots=bots, identify_delay=0.0)


@contextlib.asynccontextmanager
async def client_of(server: DiscordServer) -> AsyncIterator[Gateway]:
    """The adapter's own client, logged in."""
    set_api(server.url)
    client = Gateway(Calls().trace, message_content=True, identify_delay=0.0)
    await client.login(server.bot_token)
    await set_gateway(client.http)
    try:
        yield client
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def logged_in(server: DiscordServer) -> AsyncIterator[DiscordAdapter]:
    """An adapter that can write and does not listen."""
    adapter = adapter_for(server)
    await adapter.start()
    try:
        yield adapter
    finally:
        await adapter.close()


@contextlib.asynccontextmanager
async def listening(
    server: DiscordServer, box: Box, follow_ups: FollowUps = "all", *, bots: Collection[str] = ()
) -> AsyncIterator[DiscordAdapter]:
    """An adapter that hands messages to `box`."""
    adapter = adapter_for(server, follow_ups, bots=bots)
    await adapter.start()
    try:
        async with asyncio.timeout(5):
            await adapter.listen(box)
        yield adapter
    finally:
        await adapter.close()


def place(server: DiscordServer, channel: str = "general") -> Place:
    """A text channel, flat."""
    return Place(server.channel(channel))


def shown(server: DiscordServer, ref: MessageRef) -> Shown:
    return server.journal.message("discord", ref.channel, ref.id)


def calls(server: DiscordServer, name: str) -> int:
    return len(list(server.journal.of("discord", "call", call=name)))


async def question(server: DiscordServer, text: str = "a question") -> Place:
    """Where a question of Ada's is answered, before a thread was opened."""
    general = server.channel("general")
    return Place(general, root=await server.say(general, server.user("ada"), text))


async def ask(server: DiscordServer, text: str, channel: str = "general") -> str:
    """Ada mentions the bot."""
    return await server.say(server.channel(channel), server.user("ada"), f"<@{server.bot_id}> {text}")
