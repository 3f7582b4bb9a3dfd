"""The gate, in virtual time: who goes when, and that everyone goes."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.pacing.pacer import Pacer, Urgency
from bot.ports import Observed, RateLimit
from sandbox.limits import Counting, Limiter
from tests.pacing.stage import ARRIVALS, ONE, SLACK, emptied, now, order_of, reply
from tests.stages.virtual import run


@given(st.lists(ARRIVALS, min_size=1, max_size=6), st.sampled_from(get_args(Counting)))
@settings(max_examples=40, deadline=None)
def test_whatever_arrives_nothing_is_refused_and_all_is_shown(
    replies: list[list[tuple[float, int]]], counting: Counting
) -> None:
    """Replies of any arrival pattern end with everything shown, and no way of counting refuses a write."""

    async def main() -> list[float]:
        pacer, sent = Pacer(), list[float]()
        async with asyncio.TaskGroup() as group:
            for arrivals in replies:
                group.create_task(reply(pacer, SLACK, sent, arrivals))
        return sent

    sent = run(main())
    limiter = Limiter(50, 60.0, counting)
    assert [at for at in sent if limiter.admit(at)] == []


def test_endings_go_first_then_first_text_then_the_rest() -> None:
    """Whoever asked first, tokens go by urgency."""

    async def main() -> list[str]:
        pacer = Pacer()
        rate_limits = (RateLimit("quick", 1, 1.0, 1),)
        await emptied(pacer, rate_limits)
        return await order_of({urgency.name: pacer.admit(rate_limits, urgency) for urgency in reversed(Urgency)})

    assert run(main()) == ["ENDING", "FIRST", "INTERIM", "HOUSEKEEPING"]


def test_housekeeping_does_not_wait_for_ever() -> None:
    """While new interim edits come all the time, a notice still goes after a quarter of a minute, and not before."""
    every_second = (RateLimit("one", 1, 1.0, 1),)

    async def main() -> float:
        pacer = Pacer()

        async def busy() -> None:
            while True:
                await pacer.admit(every_second, Urgency.INTERIM)

        others = [asyncio.ensure_future(busy()) for _ in range(5)]
        await asyncio.sleep(1.5)
        begin = now()
        await pacer.admit(every_second, Urgency.HOUSEKEEPING)
        for other in others:
            other.cancel()
        return now() - begin

    assert 13.0 <= run(main()) <= 18.0


def test_the_oldest_ending_goes_first() -> None:
    """Among ended replies the one that ended first goes first, in whatever order they asked."""

    async def main() -> list[str]:
        pacer = Pacer()
        await emptied(pacer, ONE)
        early, late = pacer.live_reply(), pacer.live_reply()
        early.end()
        await asyncio.sleep(1)
        late.end()
        return await order_of({"late": pacer.admit(ONE, late), "early": pacer.admit(ONE, early)})

    assert run(main()) == ["early", "late"]


def test_the_ending_of_a_reply_goes_before_all_else() -> None:
    """A reply that ended goes before first text and text that goes on, though both asked first."""

    async def main() -> list[str]:
        pacer = Pacer()
        await emptied(pacer, ONE)
        growing, ended = pacer.live_reply(), pacer.live_reply()
        growing.received(1)
        growing.shown(1)
        growing.received(1000)
        ended.end()
        return await order_of(
            {
                "growing": pacer.admit(ONE, growing),
                "first": pacer.admit(ONE, Urgency.FIRST),
                "ended": pacer.admit(ONE, ended),
            }
        )

    assert run(main()) == ["ended", "first", "growing"]


def test_the_largest_unseen_area_goes_first() -> None:
    """Of like replies that go on, the one whose readers have waited for longer gets the token, whoever asked first."""

    async def main() -> list[str]:
        pacer = Pacer()
        rate_limits = (RateLimit("quick", 1, 1.0, 1),)
        live_replies = {}
        for name in ("longest", "longer", "long"):
            live_replies[name] = live_reply = pacer.live_reply()
            live_reply.received(1)
            await pacer.admit((), live_reply)
            live_reply.shown(1)
            live_reply.received(300)
            await asyncio.sleep(1)
        pacer.refused(rate_limits, 20.0)
        return await order_of(
            {name: pacer.admit(rate_limits, live_reply) for name, live_reply in reversed(live_replies.items())}
        )

    assert run(main()) == ["longest", "longer", "long"]


def test_equal_streams_get_equal_shares() -> None:
    """Eight like streams over two minutes get the same number of edits, give or take two."""

    async def main() -> list[int]:
        pacer = Pacer()
        logs: list[list[float]] = [[] for _ in range(8)]
        async with asyncio.TaskGroup() as group:
            for log in logs:
                group.create_task(reply(pacer, SLACK, log, [(0.1, 12)] * 1200))
        return [len(log) for log in logs]

    counts = run(main())
    assert max(counts) - min(counts) <= 2


def test_a_stream_that_ends_while_it_waits_goes_first() -> None:
    """`end()` makes a waiting interim edit a final at once: it goes on the token that was kept for it."""

    async def main() -> tuple[float, bool]:
        pacer = Pacer()
        live_reply = pacer.live_reply(SLACK)
        live_reply.received(1)
        await pacer.admit(SLACK, live_reply)
        live_reply.shown(1)
        live_reply.received(1)
        waiting = asyncio.ensure_future(pacer.admit(SLACK, live_reply))
        await asyncio.sleep(0.01)
        early = waiting.done()
        begin = now()
        live_reply.end()
        await waiting
        return now() - begin, early

    assert run(main()) == (0.0, False)


def test_a_crowd_is_more_live_replies_than_the_burst() -> None:
    """Eleven live replies crowd a burst of ten; when one leaves they do not."""

    async def main() -> list[bool]:
        pacer = Pacer()
        seen = []
        live_replies = []
        for _ in range(11):
            live_replies.append(pacer.live_reply(SLACK))
            seen.append(pacer.crowded(SLACK))
        live_replies[0].close()
        return [*seen, pacer.crowded(SLACK)]

    assert run(main()) == [False] * 10 + [True, False]


def test_nothing_is_left_when_nobody_waits() -> None:
    """Idle replies have no timer and no task."""
    idle: list[float] = []

    async def main() -> None:
        pacer = Pacer()
        live_replies = [pacer.live_reply(SLACK) for _ in range(100)]
        for live_reply in live_replies:
            live_reply.received(5)
        await pacer.admit(SLACK, live_replies[0])
        assert len(asyncio.all_tasks()) == 1
        idle.append(now())
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            idle.append(now())

    with pytest.raises(RuntimeError, match="nothing is scheduled"):
        run(main())
    assert idle[0] == idle[1], "a timer went off"


def test_many_random_waiters_all_go() -> None:
    """Writes of every urgency on random sets of rate limits all go in the end, with none starved."""

    async def main() -> int:
        random_ = random.Random(7)  # noqa: S311 no secret
        pacer = Pacer()
        pool = [RateLimit(f"b{number}", 5, 5.0, random_.randint(1, 5)) for number in range(6)]
        writes: list[Callable[[], Awaitable[None]]] = []
        for _ in range(200):
            rate_limits = random_.sample(pool, random_.randint(1, 3))
            who = random_.choice(list(Urgency))
            writes.append(lambda rate_limits=rate_limits, who=who: pacer.admit(rate_limits, who))  # type: ignore[misc]
        async with asyncio.timeout(600):
            await asyncio.gather(*(write() for write in writes))
        return len(writes)

    assert run(main()) == 200


def test_it_tells_what_rests_for_long() -> None:
    """For an operator: the limits on which a platform asked for a rest that is not over, and how long it lasts yet."""

    async def main() -> list[dict[str, float]]:
        pacer = Pacer()
        await pacer.admit((*SLACK, *ONE), Urgency.FIRST)
        pacer.refused(SLACK, 90.0)
        pacer.refused(ONE, 5.0)
        told = [pacer.resting(10.0), pacer.resting(0.0)]
        await asyncio.sleep(30)
        return [*told, pacer.resting(10.0), pacer.resting(70.0)]

    assert run(main()) == [{"update": 90.0}, {"update": 90.0, "one": 5.0}, {"update": 60.0}, {}]


def test_who_waits_goes_when_headers_name_a_higher_limit() -> None:
    """What a platform allows more than was known is used at once, and not with the next token by the old count."""

    async def main() -> float:
        pacer = Pacer()
        await emptied(pacer, ONE)
        begin = now()
        waiting = asyncio.ensure_future(pacer.admit(ONE, Urgency.ENDING))
        await asyncio.sleep(1)
        pacer.observe(Observed("one", 20, 19, 10.0))
        await waiting
        return now() - begin

    assert run(main()) <= 2.0


def test_who_waits_for_long_costs_nothing_meanwhile() -> None:
    """However often a waiting write is looked at anew, nothing of that is kept."""

    async def main() -> int:
        pacer = Pacer()
        await emptied(pacer, ONE)
        waiting = asyncio.ensure_future(pacer.admit(ONE, Urgency.ENDING))
        await asyncio.sleep(1)
        tracemalloc.start()
        for _ in range(200):
            for _ in range(100):
                pacer.share(1)
            await asyncio.sleep(0)  # the event loop has timers to forget, too
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await waiting
        return kept

    assert run(main()) < 200_000
