"""Which shards are worth asking for a turn. A hint may be wrong; a sweep over all shards puts that right."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import NamedTuple


class Shard(NamedTuple):
    """One mailbox room: what it holds is atomic together, and lies on one node of a cluster."""

    installation: str
    number: int


class Hints:
    """Shards that are thought to have something, taken in turn by installation, then by shard."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[int]] = {}

    def note(self, shard: Shard) -> None:
        """Something may be there."""
        numbers = self._waiting.setdefault(shard.installation, deque())
        if shard.number not in numbers:
            numbers.append(shard.number)

    def take(self, installations: Collection[str]) -> Shard | None:
        """Take the shard whose turn it is; None when nothing is thought to wait for any of the installations."""
        for installation in self._waiting:
            if installation in installations:
                break
        else:
            return None
        numbers = self._waiting.pop(installation)
        number = numbers.popleft()
        if numbers:
            self._waiting[installation] = numbers
        return Shard(installation, number)
