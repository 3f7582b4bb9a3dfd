"""A stage for several workers on one counter, in virtual time: the counter, their attendance, what they write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from bot.errors import StoreUnavailable
from bot.pacing.pacer import Pacer, Urgency
from bot.ports import RateLimit
from bot.ports.rate_limits import Act, Entry, Verdict
from sandbox.limits import Counting, Limiter
from tests.pacing.stage import now, reply
from tests.stages import workers
from tests.stages.virtual import run

T = TypeVar("T")

UPDATE = (RateLimit("slack:T1:chat.update", 50, 60.0, 10),)
CHANNEL = (RateLimit("discord:A:C:edit", 5, 5.0, 2), RateLimit("discord:A:all", 45, 1.0, 5))
FEW = (RateLimit("slack:T1:few", 2, 60.0, 2),)


class Ledger(workers.Ledger):
    """One that can be away (it refuses), silent (it answers when it is not any more) or slow, and remembers."""

    def __init__(self, latency: float = 0.001) -> None:
        super().__init__(latency)
        self.away = False
        self.silent = asyncio.Event()
        self.silent.set()
        self.acts: list[Act] = []
        self.lists = self.refused = 0

    async def enter(self, worker: str, entries: Sequence[Entry]) -> list[Verdict]:
        if self.away:
            raise StoreUnavailable("away")
        self.acts += [entry.act for entry in entries]
        verdicts = await super().enter(worker, entries)
        self.refused += sum(not verdict.granted for verdict in verdicts)
        self.lists += sum(news.spent is not None for verdict in verdicts for news in verdict.news)
        await self.silent.wait()
        return verdicts


async def attend(pacers: Sequence[Pacer], shared: Ledger) -> None:
    """As `Worker` does while the store answers."""
    while True:
        for pacer in pacers:
            if not shared.away and shared.silent.is_set():
                pacer.share(len(pacers))
            await asyncio.sleep(workers.ATTENDANCE / len(pacers))


def together(number: int, main: Callable[[list[Pacer], Ledger], Awaitable[T]], latency: float = 0.001) -> T:
    """Run `main` with that many workers on one counter, in virtual time; nothing of theirs may be left behind."""

    async def everything() -> T:
        shared = Ledger(latency)
        pacers = [Pacer(shared=shared) for _ in range(number)]
        attending = asyncio.create_task(attend(pacers, shared))
        await asyncio.sleep(0)
        try:
            return await main(pacers, shared)
        finally:
            attending.cancel()
            with suppress(asyncio.CancelledError):
                await attending
            for pacer in pacers:
                await pacer.close()
            assert asyncio.all_tasks() == {asyncio.current_task()}

    return run(everything())


def refused(sent: Sequence[float], counting: Counting, rate_limit: RateLimit = UPDATE[0]) -> int:
    """How many of the writes a platform that counts so would refuse."""
    limiter = Limiter(rate_limit.calls, rate_limit.window, counting)
    return sum(limiter.admit(at) > 0.0 for at in sorted(sent))


async def flood(pacer: Pacer, rate_limits: tuple[RateLimit, ...], sent: list[float], until: float) -> None:
    """Write as often as it is let, an ending every time, until that moment."""
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            while True:
                await pacer.admit(rate_limits, Urgency.ENDING)
                sent.append(now())


async def typing(pacer: Pacer, seconds: float, sent: list[float] | None = None) -> None:
    """A reply to which twelve characters come ten times a second."""
    await reply(pacer, UPDATE, sent if sent is not None else [], [(0.1, 12)] * round(seconds * 10))
