"""Who is there, for the store in memory: the workers, and the process that leads."""

from __future__ import annotations

from collections.abc import Callable, Collection


class MemoryPresence:
    """See `bot.ports.store.Presence`.

    Args:
        clock: Unix seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._workers: dict[str, dict[str, float]] = {}
        self._leads: dict[str, tuple[str, float]] = {}

    async def attend(self, installations: Collection[str], worker: str, lasts: float) -> int:
        """See `TurnStore.attend`."""
        now = self._clock()
        for installation in installations:
            alive = self._workers.setdefault(installation, {})
            alive[worker] = now + lasts
            self._workers[installation] = {name: until for name, until in alive.items() if until > now}
        return max((len(self._workers[installation]) for installation in installations), default=0)

    async def lead(self, installation: str, candidate: str, lasts: float) -> bool:
        """See `ChoosesLeader.lead`."""
        leader, until = self._leads.get(installation, (candidate, 0.0))
        if leader != candidate and self._clock() < until:
            return False
        if lasts > 0:
            self._leads[installation] = (candidate, self._clock() + lasts)
        else:
            self._leads.pop(installation, None)
        return lasts > 0

    async def ping(self, installation: str) -> None:
        """See `TurnStore.ping`."""
