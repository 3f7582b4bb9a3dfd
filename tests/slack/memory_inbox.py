"""An inbox in memory, for tests of the adapter alone."""

from __future__ import annotations

import asyncio

from bot.conversation import Message, ThreadKey
from bot.errors import StoreUnavailable
from sandbox.journal import Journal


class MemoryInbox:
    """What the core's inbox promises, kept in memory; `failures` calls fail first, `gate` holds submissions back."""

    def __init__(self, journal: Journal) -> None:
        self.messages: list[Message] = []
        self.answers: dict[str, ThreadKey] = {}
        self.edits: list[Message] = []
        self.deletions: list[tuple[ThreadKey, str]] = []
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._journal = journal

    async def submit(self, message: Message) -> bool:
        self._journal.add("inbox", "submit", id=message.id)
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the store is away")
        new = message.id not in {known.id for known in self.messages}
        if new:
            self.messages.append(message)
            self._journal.add("inbox", "submitted", id=message.id, text=message.text)
        return new

    async def takes_part(self, key: ThreadKey) -> bool:
        return any(message.key == key for message in self.messages)

    async def key_of(self, installation: str, message_id: str) -> ThreadKey | None:
        return self.answers.get(message_id)

    async def edited(self, message: Message, *, at: float | None = None) -> None:
        self.edits.append(message)

    async def deleted(self, key: ThreadKey, installation: str, message_id: str) -> None:
        self.deletions.append((key, message_id))

    async def cursor(self, installation: str) -> str | None:
        return None

    async def move_cursor(self, installation: str, value: str) -> None:
        return None

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.messages]
