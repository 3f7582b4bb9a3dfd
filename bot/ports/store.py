"""The store: everything that outlives a process, as the application opens and closes it. The parts stand apart."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from bot.ports.claims import Claims
from bot.ports.history import History
from bot.ports.mailbox import Mailbox
from bot.ports.throttle import Throttle


class Presence(Protocol):
    """Who is there: the workers, the one that leads, and the server itself. Every method raises StoreUnavailable."""

    async def attend(self, installations: Collection[str], worker: str, lasts: float) -> int:
        """Count this worker as alive for `lasts` seconds (0: it leaves).

        Returns how many workers are alive, itself included; of several installations, where there are most.
        """
        ...

    async def lead(self, installation: str, candidate: str, lasts: float) -> bool:
        """See `ChoosesLeader.lead`."""
        ...

    async def ping(self, installation: str) -> None:
        """Return when the server has taken a write: whether it still does is known no other way."""
        ...


class TurnStore(Mailbox, Claims, History, Presence, Throttle, Protocol):
    """All of it. `check` raises StoreUnavailable, too."""

    async def check(self) -> list[str]:
        """Ask the server whether it keeps what it is given: one warning a finding, empty when all is well."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
