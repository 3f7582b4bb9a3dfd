"""A shared counter that comes back empty, in virtual time: it is told again what was written and who rests."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.pacing.other_workers import OtherWorkers
from bot.pacing.pacer import Pacer, Urgency
from bot.ports import RateLimit
from bot.ports.rate_limits import Act, Entry, Verdict
from sandbox.limits import Counting
from tests.pacing.stage import now
from tests.pacing.together import CHANNEL, UPDATE, Ledger, flood, refused, together


async def floods(
    pacers: Sequence[Pacer], rate_limits: tuple[RateLimit, ...], seconds: float, sent: list[float]
) -> None:
    await asyncio.gather(*(flood(pacer, rate_limits, sent, now() + seconds) for pacer in pacers))


@given(
    st.integers(1, 4),
    st.sampled_from([UPDATE, CHANNEL]),
    st.lists(st.tuples(st.floats(15.0, 70.0), st.sampled_from([0.0, 0.0, 10.0])), min_size=1, max_size=4),
    st.sampled_from([0.001, 0.03]),
)
@settings(max_examples=30, deadline=None)
def test_a_ledger_that_forgot_is_told_again(
    number: int, rate_limits: tuple[RateLimit, ...], losses: list[tuple[float, float]], latency: float
) -> None:
    """Whenever the counter comes back empty, and again a quarter of a minute later, nothing is refused, all goes on."""

    async def main(pacers: list[Pacer], shared: Ledger) -> list[float]:
        sent = list[float]()
        writing = asyncio.create_task(floods(pacers, rate_limits, 300.0, sent))
        await asyncio.sleep(5.0)  # they know of each other
        for seconds, away in losses:
            await asyncio.sleep(seconds)
            shared.away = away > 0.0
            await asyncio.sleep(away)
            shared.away = False
            shared.forget()
        await writing
        return sent

    sent = together(number, main, latency)
    assert {how: refused(sent, how, rate_limits[0]) for how in get_args(Counting)} == dict.fromkeys(
        get_args(Counting), 0
    )
    assert len(sent) > 200.0 * rate_limits[0].calls / rate_limits[0].window


@pytest.mark.parametrize("after", [58.0, 90.0])
@pytest.mark.parametrize("again", [1.0, 2.0, 3.0])
def test_one_that_was_long_away_and_forgets_twice_is_told_twice(after: float, again: float) -> None:
    """A counter that comes back empty after a minute, and empty once more seconds later, costs no refusal either."""

    async def main(pacers: list[Pacer], shared: Ledger) -> list[float]:
        sent = list[float]()
        writing = asyncio.create_task(floods(pacers, UPDATE, 300.0, sent))
        await asyncio.sleep(40.0)
        shared.away = True
        await asyncio.sleep(after)
        shared.away = False
        for seconds in (0.0, again):
            await asyncio.sleep(seconds)
            shared.forget()
        await writing
        return sent

    sent = together(2, main)
    assert {how: refused(sent, how) for how in get_args(Counting)} == dict.fromkeys(get_args(Counting), 0)


def test_a_rest_outlives_the_ledger() -> None:
    """What a platform asked for still holds for all workers when the shared counter forgot it."""

    async def main(pacers: list[Pacer], shared: Ledger) -> float:
        await floods(pacers, UPDATE, 1.0, [])
        pacers[0].refused(UPDATE, 30.0)
        until = now() + 30.0
        await asyncio.sleep(2.0)
        shared.forget()
        await asyncio.sleep(8.0)
        await pacers[1].admit(UPDATE, Urgency.ENDING)
        return now() - until

    assert together(2, main) >= 0.0


def test_a_refusal_costs_its_trust_once() -> None:
    """That the shared counter forgot a refusal makes it no second one: as much is written afterwards."""

    def written(*, forget: bool) -> int:
        async def main(pacers: list[Pacer], shared: Ledger) -> int:
            sent = list[float]()
            await floods(pacers, UPDATE, 1.0, [])
            if forget:
                shared.forget()
            pacers[0].refused(UPDATE, 10.0)
            await floods(pacers, UPDATE, 250.0, sent)
            return len(sent)

        return together(1, main)

    assert written(forget=True) > 0.95 * written(forget=False)


def test_one_that_forgets_at_every_call_is_not_asked_without_end() -> None:
    """Two servers behind one address, or one that throws everything out: the workers go on alone, and quietly."""

    class Forgetful(Ledger):
        calls = 0

        async def enter(self, worker: str, entries: Sequence[Entry]) -> list[Verdict]:
            self.calls += 1
            self.forget()
            return await super().enter(worker, entries)

    async def main(pacers: list[Pacer], _: Ledger) -> tuple[int, int]:
        sent, shared = list[float](), Forgetful()
        forgetting = [Pacer(shared=shared) for _ in pacers]
        writing = asyncio.create_task(floods(forgetting, UPDATE, 120.0, sent))
        while not writing.done():
            for pacer in forgetting:
                pacer.share(len(forgetting))
            await asyncio.wait({writing}, timeout=3.0)
        for pacer in forgetting:
            await pacer.close()
        return shared.calls, len(sent)

    calls, sent = together(2, main)
    assert sent > 60
    assert calls < 200


def test_a_ledger_that_nobody_used_has_not_forgotten() -> None:
    """It keeps nothing for longer than it matters; who writes again later is not alone for that."""

    async def main(pacers: list[Pacer], shared: Ledger) -> list[Act]:
        for _ in range(3):
            for _ in range(5):
                await pacers[0].admit(UPDATE, Urgency.ENDING)
            await asyncio.sleep(200.0)
        return shared.acts

    acts = together(1, main)
    assert acts.count(Act.ASK) == 15
    assert Act.MADE not in acts


def test_what_was_given_back_is_not_told_again() -> None:
    """A write that was granted and never went is nothing that an emptied shared counter should know."""

    async def main(pacers: list[Pacer], shared: Ledger) -> list[Act]:
        for number in range(4):
            writing = asyncio.ensure_future(pacers[0].admit(UPDATE, Urgency.ENDING))
            await asyncio.sleep(0.0505 if number % 2 else 1.0)
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
        await asyncio.sleep(1.0)
        shared.forget()
        await pacers[0].admit(UPDATE, Urgency.ENDING)
        await asyncio.sleep(5.0)
        return shared.acts

    acts = together(1, main, 0.1)
    assert Act.BACK in acts
    assert acts.count(Act.MADE) == 3


def test_what_counts_no_more_is_not_kept() -> None:
    """However much is written, only what went within a window and a bit is remembered."""
    known = OtherWorkers()
    for number in itertools.takewhile(lambda n: n < 500, itertools.count()):
        known.enter(str(number), float(number), number - 66.0)
    assert len(known.entered) == 67
