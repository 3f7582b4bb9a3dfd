"""A dictionary that forgets, as a server's keys do."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class Expiring(Generic[_K, _V]):
    """A dictionary whose entries go `ttl` seconds after they were set."""

    def __init__(self, clock: Callable[[], float], ttl: float) -> None:
        self._clock, self._ttl = clock, ttl
        self._entries: dict[_K, tuple[float, _V]] = {}

    def __setitem__(self, name: _K, value: _V) -> None:
        now = self._clock()
        self._entries.pop(name, None)
        self._entries[name] = (now + self._ttl, value)
        while self._entries[oldest := next(iter(self._entries))][0] <= now:
            del self._entries[oldest]

    def __len__(self) -> int:
        """How many entries are kept, those included whose time is over and that nothing was set after."""
        return len(self._entries)

    def get(self, name: _K) -> _V | None:
        """The value, or None when there is none or its time is over."""
        until, value = self._entries.get(name, (0.0, None))
        return value if until > self._clock() else None

    def pop(self, name: _K) -> None:
        """Take the entry away, if there is one."""
        self._entries.pop(name, None)
