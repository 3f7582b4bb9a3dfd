"""An inbox in memory, for tests of the adapter alone."""

from __future__ import annotations

import asyncio

from bot.conversation import Message, ThreadKey
from bot.errors import StoreUnavailable
from sandbox.journal import Journal


class MemoryInbox:
    """What the core's inbox promises, kept in memory.

    `failures` submissions fail first, `gate` holds them back; `position` is the cursor. While `down` nothing answers.
    """

    def __init__(self, journal: Journal) -> None:
        self.messages: list[Message] = []
        self.answers: dict[str, ThreadKey] = {}
        self.edits: list[Message] = []
        self.deletions: list[tuple[ThreadKey, str]] = []
        self.failures = 0
        self.down = False
        self.known_directs: tuple[str, ...] = ()
        self.position: str | None = None
        self._leader, self._until = "", 0.0
        self.gate = asyncio.Event()
        self.gate.set()
        self._journal = journal

    async def submit(self, message: Message) -> bool:
        self._journal.add("inbox", "submit", id=message.id)
        await self.gate.wait()
        self._answer()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the store is away")
        new = message.id not in {known.id for known in self.messages}
        if new:
            self.messages.append(message)
            self._journal.add("inbox", "submitted", id=message.id, text=message.text)
        return new

    async def takes_part(self, key: ThreadKey) -> bool:
        self._answer()
        return any(message.key == key for message in self.messages)

    async def key_of(self, installation: str, message_id: str) -> ThreadKey | None:
        return self.answers.get(message_id)

    async def edited(self, message: Message, *, at: float | None = None) -> None:
        self.edits.append(message)

    async def deleted(self, key: ThreadKey, installation: str, message_id: str) -> None:
        self.deletions.append((key, message_id))

    def _answer(self) -> None:
        if self.down:
            raise StoreUnavailable("the store is away")

    async def cursor(self, installation: str) -> str | None:
        self._answer()
        return self.position

    async def move_cursor(self, installation: str, value: str) -> None:
        self._answer()
        self.position = max(self.position or "0", value, key=float)
        self._journal.add("inbox", "cursor", value=self.position)

    async def directs(self, installation: str) -> tuple[str, ...]:
        return self.known_directs

    async def lead(self, installation: str, candidate: str, lasts: float) -> bool:
        self._answer()
        now = asyncio.get_running_loop().time()
        if self._leader not in {"", candidate} and now < self._until:
            return False
        self._leader, self._until = (candidate, now + lasts) if lasts else ("", 0.0)
        return True

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.messages]
