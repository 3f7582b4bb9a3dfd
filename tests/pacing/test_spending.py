"""What a bucket gives, in virtual time: refusals, cancelled waiters, several rate limits at once, room for endings."""

from __future__ import annotations

import asyncio
import gc

import pytest

from bot.pacing.bucket import Bucket
from bot.pacing.pacer import Pacer, Urgency
from bot.ports import Observed, RateLimit
from sandbox.limits import Limiter
from tests.pacing.stage import ONE, SLACK, emptied, now, reply
from tests.stages.virtual import run


@pytest.mark.parametrize("at", [80, 90, 100])
def test_room_is_kept_for_endings(at: int) -> None:
    """Interim edits of nine replies, once they flow, leave the tokens with which all nine could end at once."""

    async def main() -> float:
        pacer = Pacer()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(reply(pacer, SLACK, [], [(0.1, 10)] * 1200)) for _ in range(9)]
            await asyncio.sleep(at)
            begin = now()
            for _ in range(9):
                await pacer.admit(SLACK, Urgency.ENDING)
            late = now() - begin
            for task in tasks:
                task.cancel()
        return late

    assert run(main()) == 0.0


def test_first_texts_of_a_crowd_leave_some_room_for_endings() -> None:
    """Of twenty answers that begin at once more than half the burst's go at once, and three can still end then."""

    async def main() -> tuple[int, float]:
        pacer = Pacer()
        live_replies = [pacer.live_reply(SLACK) for _ in range(20)]
        firsts = [asyncio.ensure_future(pacer.admit(SLACK, Urgency.FIRST)) for _ in live_replies]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        begun, begin = sum(first.done() for first in firsts), now()
        for _ in range(3):
            await pacer.admit(SLACK, Urgency.ENDING)
        for first in firsts:
            first.cancel()
        return begun, now() - begin

    begun, late = run(main())
    assert 5 < begun <= 7
    assert late == 0.0


def test_a_refusal_pauses_the_whole_bucket_and_loses_no_waiter() -> None:
    """After a 429 nothing goes before its end, whoever waits; afterwards everyone goes."""

    async def main() -> list[float]:
        pacer = Pacer()
        begin = now()
        pacer.refused(SLACK, 20.0)
        times: list[float] = []

        async def wait(who: Urgency) -> None:
            await pacer.admit(SLACK, who)
            times.append(now() - begin)

        async with asyncio.TaskGroup() as group:
            for who in Urgency:
                group.create_task(wait(who))
        return times

    times = run(main())
    assert len(times) == 4
    assert min(times) == 20.0


def test_a_refusal_while_they_wait_holds_them_back() -> None:
    """Waiters that were promised a time wait for the pause that comes in between."""

    async def main() -> float:
        pacer = Pacer()
        await emptied(pacer, ONE)
        begin = now()
        waiting = asyncio.ensure_future(pacer.admit(ONE, Urgency.ENDING))
        await asyncio.sleep(1)
        pacer.refused(ONE, 60.0)
        await waiting
        return now() - begin

    assert run(main()) == 61.0


def test_cancelled_waiters_spend_nothing() -> None:
    """Whoever stops waiting, before or just after being let go, leaves the token for the next."""

    async def main() -> float:
        pacer = Pacer()
        await emptied(pacer, ONE)
        begin = now()
        cancelled = [asyncio.ensure_future(pacer.admit(ONE, Urgency.ENDING)) for _ in range(3)]
        waiting = asyncio.ensure_future(pacer.admit(ONE, Urgency.INTERIM))
        await asyncio.sleep(1)
        cancelled[0].cancel()
        asyncio.get_running_loop().call_at(begin + 10.2, cancelled[1].cancel)
        # The first timer to fire at the moment of the grant: it cancels before the task has run.
        leaving = pacer.live_reply()

        def let_go_then_cancel() -> None:
            leaving.close()  # whereupon the pacer looks who may go
            cancelled[1].cancel()
            cancelled[2].cancel()

        asyncio.get_running_loop().call_at(begin + 10.2, let_go_then_cancel)
        await waiting
        return now() - begin

    assert run(main()) == pytest.approx(10.2, abs=0.01)


def test_all_budgets_are_spent_at_once_or_none() -> None:
    """A write on two rate limits waits for both, and takes from neither while it waits."""

    async def main() -> tuple[float, float]:
        pacer = Pacer()
        full = (RateLimit("full", 1, 10.0, 1),)
        await emptied(pacer, ONE)
        begin = now()
        both = asyncio.ensure_future(pacer.admit((*ONE, *full), Urgency.INTERIM))
        await asyncio.sleep(0.1)
        await pacer.admit(full, Urgency.INTERIM)
        alone = now() - begin
        await both
        return alone, now() - begin

    alone, both = run(main())
    assert alone == pytest.approx(0.1)
    assert both == pytest.approx(10.3, abs=0.05)


def test_an_ending_is_not_starved_of_its_second_budget() -> None:
    """Others may use a rate limit an ending will need, but not its token for the time when the ending can go."""

    async def main() -> float:
        pacer = Pacer()
        scarce = (RateLimit("scarce", 1, 5.0, 1),)
        await emptied(pacer, ONE)
        begin = now()

        async def nibble() -> None:
            while True:
                await pacer.admit(scarce, Urgency.INTERIM)

        ending = asyncio.ensure_future(pacer.admit((*ONE, *scarce), Urgency.ENDING))
        await asyncio.sleep(4.8)  # so that its token comes back just before the ending's other one
        nibblers = [asyncio.ensure_future(nibble()) for _ in range(3)]
        await ending
        for nibbler in nibblers:
            nibbler.cancel()
        return now() - begin

    assert run(main()) == pytest.approx(10.2, abs=0.01)


def test_sharing_divides_the_budget() -> None:
    """With five workers each gets a fifth of the burst and of the calls."""

    async def main() -> int:
        pacer = Pacer(shares=1)
        pacer.share(5)
        begin, sent = now(), 0
        while True:
            await pacer.admit(SLACK, Urgency.ENDING)
            if now() - begin > 60.0:
                return sent
            sent += 1

    assert 9 <= run(main()) <= 10


def test_a_window_is_used_up_by_interim_edits_only_shortly_before_its_end() -> None:
    """In a Discord channel an ending never finds all calls of a window spent and the next window far away."""

    async def main() -> tuple[int, float]:
        pacer = Pacer()
        rate_limits = (RateLimit("channel", 5, 5.0, 3), RateLimit("bot", 45, 1.0, 5))
        limiter = Limiter(5, 5.0, "anchored")
        live_reply = pacer.live_reply(rate_limits)
        least, longest = 5, 0.0
        for _ in range(30):
            for _ in range(20):
                live_reply.received(5)
                await asyncio.sleep(0.03)
            await pacer.admit(rate_limits, live_reply)
            chars = live_reply.unseen
            assert not limiter.admit(now())
            remaining, reset = limiter.state(now())
            least = min(least, remaining)
            longest = max(longest, 0.0 if remaining else reset)
            pacer.observe(Observed("channel", 5, remaining, reset))
            live_reply.shown(10_000 if chars else 0)
        return least, longest

    least, longest = run(main())
    assert least == 0
    assert longest <= 0.6


def test_buckets_that_nobody_uses_are_forgotten() -> None:
    """Ten thousand channels written to once each leave a handful of buckets behind."""

    def buckets() -> int:
        gc.collect()
        return sum(isinstance(each, Bucket) for each in gc.get_objects())

    async def main() -> int:
        before = buckets()
        pacer = Pacer()
        for number in range(10_000):
            await pacer.admit((RateLimit(f"channel{number}", 5, 5.0, 2),), Urgency.FIRST)
            await asyncio.sleep(0.5)
        return buckets() - before

    assert run(main()) <= 40
