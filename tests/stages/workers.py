"""Several workers on the stage, who share a platform's limits through one counter or divide them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from bot.pacing.pacer import Pacer
from bot.ports.rate_limits import Entry, Verdict
from bot.testing.rate_limits import MemoryRateLimits
from tests.stages.policies import ours
from tests.stages.stage import Platform, Stream
from tests.stages.traces import Trace
from tests.stages.virtual import run

ATTENDANCE = 3.0
"""Seconds between two words to a worker that all of them live."""


class Ledger:
    """The shared counter as a server is: it answers after a moment, and counts what it is asked.

    Args:
        latency: seconds there and back.
    """

    def __init__(self, latency: float = 0.001) -> None:
        self._books = MemoryRateLimits(lambda: asyncio.get_running_loop().time())
        self.latency = latency
        self.entries = 0

    def forget(self) -> None:
        """Come back empty."""
        self._books = MemoryRateLimits(lambda: asyncio.get_running_loop().time())

    async def enter(self, worker: str, entries: Sequence[Entry]) -> list[Verdict]:
        """See `bot.ports.SharedRateLimits`."""
        self.entries += len(entries)
        await asyncio.sleep(self.latency / 2)
        verdicts = await self._books.enter(worker, entries)
        await asyncio.sleep(self.latency / 2)
        return verdicts


async def attend(pacers: Sequence[Pacer]) -> None:
    """Tell every worker each few seconds that all of them live, until this is cancelled."""
    while True:
        for pacer in pacers:
            pacer.share(len(pacers))
            await asyncio.sleep(ATTENDANCE / len(pacers))


def play(
    split: Sequence[Sequence[Trace]], platform: Platform, shared: Ledger | None, *, same_channel: bool = True
) -> list[list[Stream]]:
    """Replay each worker's traces with a pacer of its own; without a shared counter they divide the limits evenly."""

    async def main() -> list[list[Stream]]:
        now = asyncio.get_running_loop().time()
        workers = [[Stream(trace.later(now)) for trace in traces] for traces in split]
        pacers = [Pacer(shares=1 if shared else len(split), shared=shared) for _ in split]
        attending = asyncio.create_task(attend(pacers)) if shared else None
        async with asyncio.TaskGroup() as group:
            for pacer, streams in zip(pacers, workers, strict=True):
                for number, stream in enumerate(streams):
                    stream.schedule()
                    group.create_task(ours(stream, platform, pacer, "" if same_channel else str(number)))
        if attending is not None:
            attending.cancel()
            with suppress(asyncio.CancelledError):
                await attending
        for pacer in pacers:
            await pacer.close()
        return workers

    return run(main())


def dealt(traces: Sequence[Trace], split: Sequence[int]) -> list[list[Trace]]:
    """Give each worker so many of the traces, spread over all of them."""
    order = sorted((place / number, worker) for worker, number in enumerate(split) for place in range(number))
    hands: list[list[Trace]] = [[] for _ in split]
    for trace, (_, worker) in zip(traces, order, strict=True):
        hands[worker].append(trace)
    return hands


def mean_lag(streams: Sequence[Stream]) -> float:
    """Characters received and not shown, over the streams' duration."""
    return sum(stream.lag() for stream in streams) / sum(stream.trace.last - stream.trace.first for stream in streams)
