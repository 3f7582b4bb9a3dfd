"""Who is there, on Redis: which bot this is, the workers, the process that leads, and who asks how often."""

from __future__ import annotations

from collections.abc import Collection

from bot.ports import Admission, Quota
from bot.store import keys, rules
from bot.store.bots import Bots
from bot.store.codec import to_bytes
from bot.store.link import Argument, Link, Run, script

_ADMISSIONS = (Admission.ADMITTED, Admission.REFUSED, Admission.SILENCED)


def ms(seconds: float) -> int:
    """Return seconds as whole milliseconds, at least 0."""
    return max(0, round(seconds * 1000))


class RedisPresence:
    """See `bot.ports.Presence` and `bot.ports.Throttle`.

    Args:
        link: the connections to the server.
        names: of what lies there.
    """

    def __init__(self, link: Link, names: keys.Keys) -> None:
        self.clock_offset = 0
        self._link, self._keys = link, names
        self._bots = Bots(link, names)

    async def identify(self, installation: str, bot: str) -> None:
        """Say which bot this process is, before anything else is asked of the installation. See `Bots.identify`."""
        await self._bots.identify(installation, bot)

    async def attend(self, installations: Collection[str], worker: str, lasts: float) -> int:
        """See `TurnStore.attend`."""
        run = script("attend")
        counts = await self._link.call(
            *(Run(run, self._keys.workers(it), (self.clock_offset, 0, worker, ms(lasts))) for it in installations),
            *self._bots.kept(),
        )
        return max(counts[: len(installations)], default=0)

    async def lead(self, installation: str, candidate: str, lasts: float) -> bool:
        """See `ChoosesLeader.lead`."""
        arguments = (self.clock_offset, 0, candidate, ms(lasts), ms(rules.FURTHEST))
        (leads,) = await self._link.call(Run(script("lead"), self._keys.lead(installation), arguments))
        return bool(leads)

    async def ping(self, installation: str) -> None:
        """See `TurnStore.ping`."""
        await self._link.call(("SET", self._keys.ping(installation), 1, "PX", ms(rules.PING_TTL)))

    async def admit(self, installation: str, who: str, message_id: str, quota: Quota) -> Admission:
        """See `Throttle.admit`."""
        limits = (quota.most, ms(quota.within), ms(quota.silence))
        (answer,) = await self._link.call(
            self._run("admit", installation, to_bytes(who), to_bytes(message_id), *limits)
        )
        return _ADMISSIONS[answer]

    def _run(self, name: str, installation: str, *arguments: Argument) -> Run:
        return Run(script(name), self._keys.prefix(installation), (self.clock_offset, ms(rules.MAIL_TTL), *arguments))
