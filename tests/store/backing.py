"""Where the stores under test keep their turns, and messages to put there."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import redis

from bot.conversation import Author, Message, Place, ThreadKey
from bot.store.redis import RedisStore
from bot.testing.store import MemoryStore

HISTORY_TTL = 30 * 24 * 3600.0


@dataclass
class Backing:
    """One place where turns are kept, the stores opened on it, and the way to move its time."""

    name: str
    url: str = ""
    nodes: list[redis.Redis] = field(default_factory=list)
    stores: list[RedisStore] = field(default_factory=list)
    offset: float = 0.0
    memory: MemoryStore | None = None

    @classmethod
    def on_server(cls, url: str) -> Backing:
        """An empty backing on a lone server."""
        return cls("redis", url, [redis.Redis(unix_socket_path=url.removeprefix("unix://"))]).emptied()

    def empty(self) -> None:
        """Let the server lose all it had, its scripts too."""
        for node in self.nodes:
            node.flushall()
            node.script_flush()

    def emptied(self) -> Backing:
        """This backing, without what a test before left on the server."""
        self.empty()
        return self

    def store(self, *, url: str = "") -> Any:
        """Open another worker's store on the same turns, by another way where a URL is given."""
        if not self.url:
            self.memory = self.memory or MemoryStore(history_ttl=HISTORY_TTL, clock=lambda: time.time() + self.offset)
            return self.memory
        store = RedisStore(url or self.url, history_ttl=HISTORY_TTL)
        store.clock_offset = round(self.offset * 1000)
        self.stores.append(store)
        return store

    def advance(self, seconds: float) -> None:
        """Let time pass for every store."""
        self.offset += seconds
        for store in self.stores:
            store.clock_offset = round(self.offset * 1000)

    def all_keys(self) -> list[bytes]:
        """Every key there is."""
        return [key for node in self.nodes for key in node.scan_iter(count=1000)]

    def without_expiry(self) -> list[bytes]:
        """Keys that would stay for ever."""
        return [key for node in self.nodes for key in node.scan_iter(count=1000) if node.pttl(key) == -1]

    async def close(self) -> None:
        """Close the stores, and fail the test when a key would stay for ever."""
        for store in self.stores:
            await store.close()
        immortal = self.without_expiry()
        for node in self.nodes:
            node.flushall()
            node.close()
        assert not immortal, f"keys without an expiry: {immortal}"


def ask(
    text: str = "why?",
    *,
    at: float = 1700000000.0,
    thread: str = "C1:1700000000.000100",
    id: str | None = None,  # noqa: A002 - the field's name
    channel: str = "C1",
    author: str = "U1",
    installation: str = "slack:T1",
    direct: bool = False,
    flat: bool = False,
) -> Message:
    """A message, told apart by its text unless an id is given; `flat`: its answer has no thread yet."""
    platform, tenant = installation.split(":")
    return Message(
        key=ThreadKey(platform, tenant, thread),
        installation=installation,
        id=id or f"{channel}:{text}",
        author=Author(author, "Ann"),
        text=text,
        sent_at=at,
        place=Place(channel, None if flat else thread, direct=direct),
    )
