"""Who is there, for the store in memory: the workers, and the process that leads."""

from __future__ import annotations

from collections.abc import Callable, Collection

from bot.ports import Admission, Quota


class MemoryPresence:
    """See `bot.ports.Presence` and `bot.ports.Throttle`.

    Args:
        clock: Unix seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._workers: dict[str, dict[str, float]] = {}
        self._leads: dict[str, tuple[str, float]] = {}
        self._asked: dict[tuple[str, str], dict[str, float]] = {}
        self._silenced: dict[tuple[str, str], tuple[str, float]] = {}

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

    async def admit(self, installation: str, who: str, message_id: str, quota: Quota) -> Admission:
        """See `Throttle.admit`."""
        name, now = (installation, who), self._clock()
        told, until = self._silenced.get(name, ("", 0.0))
        if now < until:
            return Admission.REFUSED if told == message_id else Admission.SILENCED
        asked = {id_: at for id_, at in self._asked.get(name, {}).items() if at > now - quota.within}
        if message_id in asked or len(asked) < quota.most:
            self._asked[name] = {message_id: now} | asked
            return Admission.ADMITTED
        del self._asked[name]
        self._silenced[name] = (message_id, now + quota.silence)
        return Admission.REFUSED
