"""Several workers on one counter, in virtual time: together within the limit, each as prompt as if it were alone."""

from __future__ import annotations

import asyncio
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.pacing.pacer import Pacer, Urgency
from bot.ports import RateLimit
from bot.ports.rate_limits import DEMAND_LASTS, Act
from sandbox.limits import Counting
from tests.pacing.stage import ARRIVALS, now, reply
from tests.pacing.together import CHANNEL, UPDATE, Ledger, flood, refused, together, typing
from tests.stages import workers
from tests.stages.measure import staggered
from tests.stages.stage import DISCORD, SLACK, Platform
from tests.stages.traces import steady


@given(
    st.lists(st.lists(ARRIVALS, max_size=4), min_size=2, max_size=4),
    st.sampled_from([UPDATE, CHANNEL]),
    st.sampled_from(get_args(Counting)),
    st.sampled_from([0.0, 0.001, 0.1]),
)
@settings(max_examples=40, deadline=None)
def test_whatever_arrives_anywhere_nothing_is_refused_and_all_is_shown(
    split: list[list[list[tuple[float, int]]]], rate_limits: tuple[RateLimit, ...], counting: Counting, latency: float
) -> None:
    """Replies of any pattern on any worker end with everything shown, and no way of counting refuses a write."""

    async def main(pacers: list[Pacer], _: Ledger) -> list[float]:
        sent = list[float]()
        async with asyncio.TaskGroup() as group:
            for pacer, replies in zip(pacers, split, strict=True):
                for arrivals in replies:
                    group.create_task(reply(pacer, rate_limits, sent, arrivals))
        return sent

    assert refused(together(len(split), main, latency), counting, rate_limits[0]) == 0


@pytest.mark.parametrize("counting", get_args(Counting))
@pytest.mark.parametrize("flooding", [1, 2, 4])
def test_floods_of_several_workers_fill_the_limit_and_no_more(flooding: int, counting: Counting) -> None:
    """However many of four workers flood, they get 96 % of the limit together, which is what one process gets."""

    async def main(pacers: list[Pacer], _: Ledger) -> list[float]:
        sent, until = list[float](), now() + 600.0
        await asyncio.gather(*(flood(pacer, UPDATE, sent, until) for pacer in pacers[:flooding]))
        return sent

    sent = together(4, main)
    assert refused(sent, counting) == 0
    assert len(sent) >= 0.96 * 500


@pytest.mark.parametrize("split", [(5, 5), (9, 1), (10, 0), (7, 2, 1, 0)])
@pytest.mark.parametrize("limits", [SLACK, DISCORD], ids=["slack", "discord"])
def test_workers_show_as_much_as_one_process(split: tuple[int, ...], limits: object) -> None:
    """However ten streams are dealt out, they get 95 % of one process's edits and lag at most a fifth more."""

    def edits_and_lag(dealt: tuple[int, ...]) -> tuple[int, float]:
        platform = Platform(limits)  # type: ignore[arg-type]
        shown = workers.play(workers.dealt(staggered(10, 30.0, 3.0), dealt), platform, workers.Ledger())
        assert platform.refusals == []
        return len(platform.calls), workers.mean_lag([stream for streams in shown for stream in streams])

    edits, lag = edits_and_lag(split)
    edits_of_one, lag_of_one = edits_and_lag((10,))
    assert edits >= 0.95 * edits_of_one
    assert lag <= 1.2 * lag_of_one


@pytest.mark.parametrize("split", [(5, 5), (9, 1), (7, 2, 1)])
def test_like_streams_lag_alike_on_every_worker(split: tuple[int, ...]) -> None:
    """The readers of a worker with one reply wait about as long as those of a worker with nine."""
    traces = [steady(60.0, seed=seed).later(0.5 * seed) for seed in range(10)]
    shown = workers.play(workers.dealt(traces, split), Platform(SLACK), workers.Ledger())
    lags = [workers.mean_lag(streams) for streams in shown]
    assert max(lags) <= 1.5 * min(lags)


def test_endings_of_one_worker_do_not_stand_behind_interim_edits_of_another() -> None:
    """While twelve replies flow elsewhere, a worker's short replies end within half a second."""

    async def main(pacers: list[Pacer], _: Ledger) -> list[float]:
        late = list[float]()
        async with asyncio.TaskGroup() as group:
            flowing = [group.create_task(typing(pacers[0], 300.0)) for _ in range(12)]
            await asyncio.sleep(45.0)
            for _ in range(12):
                sent, ended = list[float](), now() + 4.0
                await typing(pacers[1], 4.0, sent)
                late.append(sent[-1] - ended)
                await asyncio.sleep(6.0)
            for task in flowing:
                task.cancel()
        return late

    assert max(together(2, main)) <= 0.5


def test_a_worker_that_is_alone_enters_each_write_once() -> None:
    """One entry an edit and nothing else, and no list of calls in any answer: what it costs a lone process."""

    async def main(pacers: list[Pacer], shared: Ledger) -> tuple[int, list[Act], int]:
        sent = list[float]()
        await asyncio.gather(*(typing(pacers[0], 90.0, sent) for _ in range(9)))
        return len(sent), shared.acts, shared.lists

    sent, acts, lists = together(1, main)
    assert acts == [Act.ASK] * sent
    assert lists == 0


def test_a_refusal_rests_everybody() -> None:
    """After one worker's 429 nobody writes until Retry-After is over, and everybody goes slower then."""

    async def main(pacers: list[Pacer], _: Ledger) -> tuple[list[float], list[float]]:
        sent, begin = list[float](), now()
        floods = [asyncio.ensure_future(flood(pacer, UPDATE, sent, begin + 160.0)) for pacer in pacers]
        await asyncio.sleep(20.0)
        pacers[0].refused(UPDATE, 20.0)
        await asyncio.gather(*floods)
        times = [at - begin for at in sent]
        return [at for at in times if 20.002 < at < 40.0], [at for at in times if at >= 100.0]

    resting, later = together(3, main)
    assert resting == []
    assert len(later) <= 0.7 * 50


def test_who_did_not_write_meanwhile_learns_of_a_refusal() -> None:
    """A worker that was idle through another's rest does not begin with full trust."""

    async def main(pacers: list[Pacer], _: Ledger) -> int:
        pacers[0].refused(UPDATE, 3.0)
        await asyncio.sleep(10.0)
        sent = list[float]()
        await flood(pacers[1], UPDATE, sent, now() + 60.0)
        return len(sent)

    assert together(2, main) <= 35


def test_workers_rarely_ask_in_vain() -> None:
    """What the others spent and need is planned with: of ten asks at most one is refused."""

    async def main(pacers: list[Pacer], shared: Ledger) -> tuple[int, int]:
        sent = list[float]()
        await asyncio.gather(*(typing(pacers[n % 2], 90.0, sent) for n in range(10)))
        return len(sent), shared.refused

    sent, in_vain = together(2, main)
    assert in_vain <= 0.1 * sent


def test_what_is_free_again_elsewhere_is_used_at_once() -> None:
    """When nine replies elsewhere end, the one that is left is edited at its own pace within a few seconds."""

    async def main(pacers: list[Pacer], _: Ledger) -> int:
        sent = list[float]()
        async with asyncio.TaskGroup() as group:
            for _ in range(9):
                group.create_task(typing(pacers[1], 60.0))
            group.create_task(typing(pacers[0], 120.0, sent))
            await asyncio.sleep(60.0)
            begin = now()
        return len([at for at in sent if begin + 8.0 <= at < begin + 48.0])

    assert together(2, main) >= 24


def test_replies_elsewhere_make_a_crowd() -> None:
    """A workspace with more live replies than may write at once is crowded for all its workers, and not for ever."""

    async def main(pacers: list[Pacer], _: Ledger) -> tuple[bool, bool]:
        live_replies = [pacers[1].live_reply(UPDATE) for _ in range(20)]
        await pacers[1].admit(UPDATE, live_replies[0])
        await pacers[0].admit(UPDATE, Urgency.ENDING)
        crowded = pacers[0].crowded(UPDATE)
        for live_reply in live_replies:
            live_reply.close()
        await asyncio.sleep(DEMAND_LASTS + workers.ATTENDANCE)
        return crowded, pacers[0].crowded(UPDATE)

    assert together(2, main) == (True, False)
