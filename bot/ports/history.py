"""What was said: the whole turns of each thread."""

from __future__ import annotations

from typing import Protocol

from bot.conversation import Rating, ThreadKey, Turn


class History(Protocol):
    """The turns of all threads. Every method raises StoreUnavailable."""

    async def load(self, key: ThreadKey) -> tuple[Turn, ...]:
        """Return the thread's turns, oldest first."""
        ...

    async def append(self, key: ThreadKey, turn: Turn, *, replaces: str | None = None) -> None:
        """Add a turn, in place of the last one when its id is `replaces`."""
        ...

    async def rate(self, key: ThreadKey, turn_id: str, user: str, rating: Rating) -> None:
        """Keep what somebody thinks of an answer, in place of what they thought before, as long as the history."""
        ...

    async def ratings(self, key: ThreadKey, turn_id: str) -> dict[str, Rating]:
        """Return what people think of an answer, by their ids."""
        ...

    async def forget(self, key: ThreadKey) -> None:
        """Drop the thread's turns."""
        ...
