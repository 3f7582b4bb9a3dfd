"""A bucket of few calls in a short window, as a Discord channel has: every call of it counts."""

from __future__ import annotations

import asyncio

import pytest

from bot.pacing.bucket import Bucket
from bot.pacing.pacer import Pacer
from bot.ports import Observed, RateLimit
from tests.stages.policies import ours
from tests.stages.stage import DISCORD, Platform, play
from tests.stages.traces import steady
from tests.stages.virtual import run
from tests.stages.yardstick import one_stream

EDIT = RateLimit("edit", 5, 5.0, 3)
POST = RateLimit("post", 5, 5.0, 4)


def sent(bucket: Bucket, begin: float, end: float) -> list[float]:
    """When calls go that take every token as it comes."""
    times = []
    while (at := bucket.when(1.0, begin)) < end:
        begin = max(begin, at)
        bucket.spend(begin)
        times.append(begin)
    return times


def test_a_call_that_arrived_late_comes_back_with_its_window() -> None:
    """A window begins when its first call arrives: what was spent then is not spent again before Discord's reset."""
    bucket = Bucket(POST, 1, 0.0)
    for _ in range(4):
        bucket.spend(0.0)
    bucket.observe(Observed("post", 5, 1, 5.0), 0.9)
    assert bucket.when(4.0, 5.0) == pytest.approx(5.9)


def test_calls_in_flight_come_back_in_their_own_time() -> None:
    """An answer that does not count them yet says nothing of when they come back."""
    bucket = Bucket(POST, 1, 0.0)
    for _ in range(4):
        bucket.spend(0.0)
    bucket.observe(Observed("post", 5, 4, 5.0), 0.9)
    assert bucket.when(4.0, 0.9) == pytest.approx(5.1)


@pytest.mark.parametrize(("calls", "half"), [(5, 2), (3, 1), (50, 25), (2, 1)])
def test_after_a_refusal_no_window_holds_more_than_half(calls: int, half: int) -> None:
    """Half of a small limit is rounded down, and what lay ready does not come on top."""
    bucket = Bucket(RateLimit("b", calls, 5.0, max(1, calls - 2)), 1, 0.0)
    bucket.refused(2.0, 0.0)
    times = sent(bucket, 2.0, 20.0)
    assert len(times) >= 2
    assert max(sum(at <= other < at + 5.0 for other in times) for at in times) <= half


def test_first_texts_have_every_call_of_a_short_window() -> None:
    """Ten answers in a channel show their first text as fast as it takes posts."""

    async def main() -> list[float]:
        pacer = Pacer()
        begin = asyncio.get_running_loop().time()
        live_replies = [pacer.live_reply((EDIT,)) for _ in range(10)]
        times = []
        for live_reply in live_replies:
            live_reply.received(10)
            await pacer.admit((POST,), live_reply)
            times.append(asyncio.get_running_loop().time() - begin)
        return times

    times = run(main())
    assert times[4] <= 2.0
    assert times[9] <= 6.5


def test_who_has_no_message_to_edit_takes_no_part_in_the_edits() -> None:
    """While nine answers wait for their first post, the one that is shown has the channel's edits."""

    async def edits(others: int) -> int:
        pacer = Pacer()
        live_reply = pacer.live_reply((EDIT,))
        waiting = [pacer.live_reply((EDIT,)) for _ in range(others)]
        done = 0

        async def edit() -> None:
            nonlocal done
            while True:
                await pacer.admit((EDIT,), live_reply)
                await asyncio.sleep(0.15)
                live_reply.shown(10_000)
                done += 1

        live_reply.received(1)
        editing = asyncio.ensure_future(edit())
        for _ in range(200):
            for each in (live_reply, *waiting):
                each.received(10)
            await asyncio.sleep(0.1)
        editing.cancel()
        return done

    assert run(edits(9)) >= 0.7 * run(edits(0))


@pytest.mark.parametrize(("seconds", "ratio"), [(8.0, 1.8), (16.0, 1.55), (30.0, 1.42)])
def test_one_stream_in_a_channel_is_near_the_clairvoyant_bound(seconds: float, ratio: float) -> None:
    """It uses nearly all calls of every window, and its end is not late for that."""
    for seed in range(3):
        trace = steady(seconds, seed=seed)
        (stream,) = play([trace], ours, Platform(DISCORD, "anchored"))
        assert stream.lag() <= ratio * one_stream(trace, latency=0.15, burst=5.0, rate=1.0)[0]
        assert stream.finished_at - stream.trace.last <= 0.15 + 0.5
