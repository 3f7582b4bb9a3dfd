"""A shared counter that is away, late or broken, in virtual time: nobody is held up and no limit is exceeded."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import get_args

import pytest

from bot.pacing.pacer import Pacer, Urgency
from bot.pacing.sharing import GRACE
from bot.ports import RateLimit
from bot.ports.rate_limits import Act, Entry, Verdict
from sandbox.limits import Counting
from tests.pacing.stage import now
from tests.pacing.together import FEW, UPDATE, Ledger, flood, refused, together
from tests.stages import workers
from tests.stages.virtual import run


@pytest.mark.parametrize("counting", get_args(Counting))
@pytest.mark.parametrize("how", ["away", "silent"])
@pytest.mark.parametrize("loads", [(1, 1), (1, 0), (2, 1, 1)])
def test_without_the_ledger_all_stay_within_the_limit(loads: tuple[int, ...], how: str, counting: Counting) -> None:
    """The counter goes in the middle of a flood and comes back minutes later; idle workers begin while it is away."""

    async def main(pacers: list[Pacer], shared: Ledger) -> tuple[list[float], float]:
        for pacer in pacers:
            await pacer.admit(UPDATE, Urgency.ENDING)
        await asyncio.sleep(120.0)
        sent, begin = list[float](), now()
        until = begin + 600.0
        floods = [
            asyncio.ensure_future(flood(pacer, UPDATE, sent, until))
            for pacer, load in zip(pacers, loads, strict=True)
            for _ in range(load)
        ]
        await asyncio.sleep(100.0)
        shared.away = how == "away"
        if how == "silent":
            shared.silent.clear()
        await asyncio.sleep(1.0)
        floods += [asyncio.ensure_future(flood(pacer, UPDATE, sent, until)) for pacer in pacers]
        await asyncio.sleep(200.0)
        shared.away = False
        shared.silent.set()
        await asyncio.gather(*floods)
        return sent, begin

    sent, begin = together(len(loads), main)
    assert refused(sent, counting) == 0
    assert len([at for at in sent if begin + 180.0 <= at < begin + 300.0]) >= 0.8 * 100, "the shares are used"
    assert len([at for at in sent if at >= begin + 400.0]) >= 0.94 * 200 * 50 / 60, "and then the whole again"


@pytest.mark.parametrize("how", ["away", "silent"])
def test_an_outage_holds_one_write_up_and_not_for_long(how: str) -> None:
    """The first write waits for a quarter of a second at most, those after it not at all."""

    async def main(pacers: list[Pacer], shared: Ledger) -> list[float]:
        shared.away = how == "away"
        if how == "silent":
            shared.silent.clear()
        waited = []
        for _ in range(5):
            begin = now()
            await pacers[0].admit(UPDATE, Urgency.ENDING)
            waited.append(now() - begin)
            await asyncio.sleep(2.0)
        shared.silent.set()
        return waited

    first, *others = together(1, main)
    assert first <= 0.26
    assert others == [0.0] * 4


def test_what_was_written_without_the_ledger_is_told_to_it() -> None:
    """Two writes made while it was away fill a rate limit of two for everybody, once it is shared again."""

    async def main(pacers: list[Pacer], shared: Ledger) -> float:
        begin = now()
        shared.away = True
        for _ in range(2):
            await pacers[0].admit(FEW, Urgency.ENDING)
        shared.away = False
        await asyncio.sleep(workers.ATTENDANCE + GRACE + 2.0)
        await pacers[1].admit(FEW, Urgency.ENDING)
        return now() - begin

    assert together(2, main) >= 60.0


def test_who_is_back_first_waits_for_what_the_others_tell() -> None:
    """A worker that reaches the counter again takes no more than its share until the others had time to tell theirs."""
    eight = (RateLimit("slack:T1:eight", 8, 60.0, 8),)

    async def main(pacers: list[Pacer], shared: Ledger) -> list[float]:
        for pacer in pacers:
            await pacer.admit(eight, Urgency.ENDING)
        await asyncio.sleep(22 * workers.ATTENDANCE - now() % workers.ATTENDANCE)
        sent, until = list[float](), now() + 200.0
        shared.away = True
        await pacers[0].admit(UPDATE, Urgency.ENDING)
        floods = [asyncio.ensure_future(flood(pacers[1], eight, sent, until))]
        await asyncio.sleep(4 * workers.ATTENDANCE - 0.4)  # the other one says that it lives in nearly three seconds
        shared.away = False
        pacers[0].share(2)
        await asyncio.sleep(0.1)
        floods.append(asyncio.ensure_future(flood(pacers[0], eight, sent, until)))
        await asyncio.gather(*floods)
        return sent

    sent = together(2, main)
    assert refused(sent, "sliding", eight[0]) == 0
    assert len(sent) >= 20


def test_an_answer_that_comes_too_late_spends_nothing() -> None:
    """What the counter granted to a write that had gone on without it is given back; the write itself is told."""

    async def main(pacers: list[Pacer], shared: Ledger) -> list[Act]:
        shared.silent.clear()
        await pacers[0].admit(UPDATE, Urgency.ENDING)
        shared.silent.set()
        await asyncio.sleep(1.0)
        return shared.acts

    assert sorted(act.name for act in together(1, main)) == ["ASK", "BACK", "MADE"]


@pytest.mark.parametrize("after", [0.0, 0.05])
def test_a_bug_of_the_ledger_holds_nobody_up(after: float) -> None:
    """Whatever it raises, writes go on: those it was asked for, and those that wait until it was told something."""

    class Broken(Ledger):
        async def enter(self, worker: str, entries: Sequence[Entry]) -> list[Verdict]:
            await asyncio.sleep(self.latency)
            raise ZeroDivisionError

    async def main() -> float:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        pacer, begin = Pacer(shared=Broken(0.1)), now()
        if after:
            pacer.refused(FEW, 1.0)
        await asyncio.sleep(after)
        async with asyncio.timeout(60.0):
            await pacer.admit(UPDATE, Urgency.ENDING)
        await pacer.close()
        return now() - begin

    assert run(main()) < math.inf
