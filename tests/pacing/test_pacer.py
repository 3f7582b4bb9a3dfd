"""The gate, in virtual time: who goes when, and what a refusal, an ending or a cancellation does."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.virtual import run
from bot.pacing import Pacer, Urgency, Viewer
from bot.ports import Budget, Observed
from sandbox.limits import Counting, Limiter

SLACK = (Budget("update", 50, 60.0, 10),)
ONE = (Budget("one", 1, 10.0, 1),)


def now() -> float:
    return asyncio.get_running_loop().time()


async def emptied(pacer: Pacer, budgets: tuple[Budget, ...]) -> None:
    """Spend all that is ready."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            while True:
                await pacer.admit(budgets, Urgency.ENDING)
                await asyncio.sleep(0)


async def order_of(waiting: dict[str, Awaitable[object]]) -> list[str]:
    """The names in the order in which their waits end."""
    done: list[str] = []

    async def wait(name: str, what: Awaitable[object]) -> None:
        await what
        done.append(name)

    async with asyncio.TaskGroup() as group:
        for name, what in waiting.items():
            group.create_task(wait(name, what))
    return done


async def reply(
    pacer: Pacer, budgets: tuple[Budget, ...], sent: list[float], arrivals: list[tuple[float, int]]
) -> None:
    """Let text arrive (s after the last, characters) and show it, one edit of 0.2 s in flight, until all is shown."""
    viewer = pacer.viewer(budgets)
    total, begun = 0, asyncio.Event()

    async def feed() -> None:
        nonlocal total
        for wait, chars in arrivals:
            await asyncio.sleep(wait)
            total += chars
            viewer.received(chars)
            begun.set()
        viewer.end()

    async with asyncio.TaskGroup() as group:
        group.create_task(feed())
        await begun.wait()
        while True:
            await pacer.admit(budgets, viewer)
            last, chars = viewer.urgency is Urgency.ENDING, total
            sent.append(now())
            await asyncio.sleep(0.2)
            viewer.shown(chars)
            if last:
                break
    viewer.close()


ARRIVALS = st.lists(
    st.tuples(st.one_of(st.just(0.0), st.floats(0.0, 0.1), st.floats(0.0, 6.0)), st.integers(1, 500)),
    min_size=1,
    max_size=40,
)


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


def test_the_first_text_goes_at_once() -> None:
    """A reply that shows nothing yet waits for no one while the bucket has room."""

    async def main() -> float:
        pacer = Pacer()
        viewer = pacer.viewer(SLACK)
        viewer.received(3)
        begin = now()
        await pacer.admit(SLACK, viewer)
        return now() - begin

    assert run(main()) == 0.0


def test_endings_go_first_then_first_text_then_the_rest() -> None:
    """Whoever asked first, tokens go by urgency."""

    async def main() -> list[str]:
        pacer = Pacer()
        budgets = (Budget("quick", 1, 1.0, 1),)
        await emptied(pacer, budgets)
        return await order_of({urgency.name: pacer.admit(budgets, urgency) for urgency in reversed(Urgency)})

    assert run(main()) == ["ENDING", "FIRST", "INTERIM", "HOUSEKEEPING"]


def test_housekeeping_does_not_wait_for_ever() -> None:
    """While new interim edits come all the time, a notice still goes within half a minute."""

    async def main() -> float:
        pacer = Pacer()
        begin = now()

        async def busy() -> None:
            while True:
                await pacer.admit(ONE, Urgency.INTERIM)

        others = [asyncio.ensure_future(busy()) for _ in range(5)]
        await asyncio.sleep(1)
        await pacer.admit(ONE, Urgency.HOUSEKEEPING)
        for other in others:
            other.cancel()
        return now() - begin

    assert run(main()) <= 30.0


def test_the_oldest_ending_goes_first() -> None:
    """Among ended replies the one that ended first goes first, in whatever order they asked."""

    async def main() -> list[str]:
        pacer = Pacer()
        await emptied(pacer, ONE)
        early, late = pacer.viewer(), pacer.viewer()
        early.end()
        await asyncio.sleep(1)
        late.end()
        return await order_of({"late": pacer.admit(ONE, late), "early": pacer.admit(ONE, early)})

    assert run(main()) == ["early", "late"]


def test_the_largest_unseen_area_goes_first() -> None:
    """Of like replies that go on, the one whose readers have waited for longer gets the token, whoever asked first."""

    async def main() -> list[str]:
        pacer = Pacer()
        budgets = (Budget("quick", 1, 1.0, 1),)
        viewers = {}
        for name in ("longest", "longer", "long"):
            viewers[name] = viewer = pacer.viewer()
            viewer.received(1)
            await pacer.admit((), viewer)
            viewer.shown(1)
            viewer.received(300)
            await asyncio.sleep(1)
        pacer.refused(budgets, 20.0)
        return await order_of({name: pacer.admit(budgets, viewer) for name, viewer in reversed(viewers.items())})

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
        viewer = pacer.viewer(SLACK)
        viewer.received(1)
        await pacer.admit(SLACK, viewer)
        viewer.shown(1)
        viewer.received(1)
        waiting = asyncio.ensure_future(pacer.admit(SLACK, viewer))
        await asyncio.sleep(0.01)
        early = waiting.done()
        begin = now()
        viewer.end()
        await waiting
        return now() - begin, early

    assert run(main()) == (0.0, False)


def test_room_is_kept_for_endings() -> None:
    """Interim edits of many replies never take the tokens with which several of them could end now."""

    async def main() -> float:
        pacer = Pacer()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(reply(pacer, SLACK, [], [(0.1, 10)] * 1200)) for _ in range(9)]
            await asyncio.sleep(90)
            begin = now()
            for _ in range(4):
                await pacer.admit(SLACK, Urgency.ENDING)
            late = now() - begin
            for task in tasks:
                task.cancel()
        return late

    assert run(main()) == 0.0


def test_a_stall_shows_all_and_then_spends_nothing() -> None:
    """When nothing more comes, everything is shown within seconds, and then no edit goes for a minute."""

    async def main() -> tuple[int, list[float], float]:
        pacer, sent = Pacer(), list[float]()
        viewer = pacer.viewer(SLACK)
        total = 0

        async def edit() -> None:
            while True:
                await pacer.admit(SLACK, viewer)
                chars = total
                sent.append(now())
                await asyncio.sleep(0.2)
                viewer.shown(chars)

        editor = asyncio.ensure_future(edit())
        for _ in range(200):
            await asyncio.sleep(0.03)
            total += 4
            viewer.received(4)
        stalled = now()
        await asyncio.sleep(60)
        editor.cancel()
        return viewer.unseen, sent, stalled

    unseen, sent, stalled = run(main())
    assert unseen == 0
    assert sent[-1] <= stalled + 2.0
    assert len([at for at in sent if at > stalled]) <= 1


def test_a_stall_right_after_an_edit_shows_the_little_there_is() -> None:
    """A few characters that came just before a stall are shown within two seconds."""

    async def main() -> float:
        pacer, begun = Pacer(), now()
        viewer = pacer.viewer(SLACK)
        while now() < begun + 6.0:
            viewer.received(4)
            await asyncio.sleep(0.03)
            if viewer.unseen == 4 or viewer.unseen > 400:
                await pacer.admit(SLACK, viewer)
                viewer.shown(10_000)
        if viewer.unseen:
            await pacer.admit(SLACK, viewer)
            viewer.shown(10_000)
        viewer.received(3)
        stalled = now()
        await pacer.admit(SLACK, viewer)
        return now() - stalled

    assert run(main()) <= 2.0


def test_a_clump_is_shown_right_after_it() -> None:
    """Text that comes in clumps a second apart is shown when a clump ends, not at some time between."""

    async def main() -> list[float]:
        pacer, sent = Pacer(), list[float]()
        begin = now()
        arrivals = [(0.004 if index % 25 else 1.0, 4) for index in range(25 * 40)]
        await reply(pacer, SLACK, sent, arrivals)
        return [(at - begin) % 1.096 for at in sent[1:-1]]

    phases = run(main())
    # A clump begins 1.0 s after the last one's end and takes 0.096 s.
    assert sum(phase < 0.2 or phase > 0.99 for phase in phases) >= 0.8 * len(phases)


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
        original = pacer._look

        def let_go_then_cancel() -> None:
            original()
            cancelled[1].cancel()
            cancelled[2].cancel()

        asyncio.get_running_loop().call_at(begin + 10.2, let_go_then_cancel)
        await waiting
        return now() - begin

    assert run(main()) == pytest.approx(10.2, abs=0.01)


def test_all_budgets_are_spent_at_once_or_none() -> None:
    """A write on two budgets waits for both, and takes from neither while it waits."""

    async def main() -> tuple[float, float]:
        pacer = Pacer()
        full = (Budget("full", 1, 10.0, 1),)
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
    """Others may use a budget an ending will need, but not its token for the time when the ending can go."""

    async def main() -> float:
        pacer = Pacer()
        scarce = (Budget("scarce", 1, 5.0, 1),)
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


def test_the_valve_prefers_the_first_way() -> None:
    """While the first way is free it is taken, whatever else is."""

    async def main() -> int:
        return await Pacer().admit_any((SLACK, ONE), Urgency.ENDING, patience=0.0)

    assert run(main()) == 0


def test_the_valve_opens_when_patience_ends() -> None:
    """A final that the first way makes wait for longer than its patience takes the other."""

    async def main() -> tuple[int, float]:
        pacer = Pacer()
        await emptied(pacer, ONE)
        begin = now()
        way = await pacer.admit_any((ONE, SLACK), Urgency.ENDING, patience=0.5)
        return way, now() - begin

    way, waited = run(main())
    assert way == 1
    assert waited == pytest.approx(0.5)


def test_patience_counts_from_the_streams_end() -> None:
    """An interim edit never takes the valve; its reply's final does, `patience` after the end."""

    async def main() -> tuple[int, float]:
        pacer = Pacer()
        viewer = pacer.viewer(ONE)
        viewer.received(1)
        await pacer.admit(ONE, viewer)
        viewer.shown(1)
        viewer.received(50)
        waiting = asyncio.ensure_future(pacer.admit_any((ONE, SLACK), viewer, patience=0.5))
        await asyncio.sleep(5)
        assert not waiting.done()
        begin = now()
        viewer.end()
        return await waiting, now() - begin

    way, waited = run(main())
    assert way == 1
    assert waited == pytest.approx(0.5)


def test_ten_short_answers_that_end_together_end_promptly() -> None:
    """With the valve, ten answers of five seconds that end together are all whole within two seconds."""

    async def main() -> float:
        pacer = Pacer()

        async def answer(number: int) -> float:
            viewer = pacer.viewer(SLACK)
            ways = (SLACK, (Budget(f"post{number}", 60, 60.0, 1),))
            total = 0

            async def feed() -> None:
                nonlocal total
                for _ in range(150):
                    total += 4
                    viewer.received(4)
                    await asyncio.sleep(1 / 30)
                viewer.end()

            async with asyncio.TaskGroup() as group:
                group.create_task(feed())
                await asyncio.sleep(0)
                last = False
                while not last:
                    await pacer.admit_any(ways, viewer, patience=0.5)
                    last, chars = viewer.urgency is Urgency.ENDING, total
                    await asyncio.sleep(0.15)
                    viewer.shown(chars)
            viewer.close()
            return now() - viewer.ended_at

        return max(await asyncio.gather(*(answer(number) for number in range(10))))

    assert run(main()) <= 2.0


def test_a_crowd_is_more_live_replies_than_the_burst() -> None:
    """Eleven live replies crowd a burst of ten; when one leaves they do not."""

    async def main() -> list[bool]:
        pacer = Pacer()
        seen = []
        viewers = []
        for _ in range(11):
            viewers.append(pacer.viewer(SLACK))
            seen.append(pacer.crowded(SLACK))
        viewers[0].close()
        return [*seen, pacer.crowded(SLACK)]

    assert run(main()) == [False] * 10 + [True, False]


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
        budgets = (Budget("channel", 5, 5.0, 3), Budget("bot", 45, 1.0, 5))
        limiter = Limiter(5, 5.0, "anchored")
        viewer = pacer.viewer(budgets)
        least, longest = 5, 0.0
        for _ in range(30):
            for _ in range(20):
                viewer.received(5)
                await asyncio.sleep(0.03)
            await pacer.admit(budgets, viewer)
            chars = viewer.unseen
            assert not limiter.admit(now())
            remaining, reset = limiter.state(now())
            least = min(least, remaining)
            longest = max(longest, 0.0 if remaining else reset)
            pacer.observe(Observed("channel", 5, remaining, reset))
            viewer.shown(10_000 if chars else 0)
        return least, longest

    least, longest = run(main())
    assert least == 0
    assert longest <= 0.6


def test_buckets_that_nobody_uses_are_forgotten() -> None:
    """Ten thousand channels written to once each leave a handful of buckets behind."""

    async def main() -> int:
        pacer = Pacer()
        for number in range(10_000):
            await pacer.admit((Budget(f"channel{number}", 5, 5.0, 2),), Urgency.FIRST)
            await asyncio.sleep(0.5)
        return len(pacer._schedule)

    assert run(main()) <= 40


def test_nothing_is_left_when_nobody_waits() -> None:
    """Idle replies have no timer and no task."""

    async def main() -> tuple[object, int]:
        pacer = Pacer()
        viewers = [pacer.viewer(SLACK) for _ in range(100)]
        for viewer in viewers:
            viewer.received(5)
        await pacer.admit(SLACK, viewers[0])
        return pacer._timer, len(asyncio.all_tasks())

    assert run(main()) == (None, 1)


def test_the_unseen_area_follows_what_was_sent() -> None:
    """Once an edit is shown, only text that came after it was sent goes on counting, and from when it came."""

    async def main() -> tuple[float, float, int]:
        pacer = Pacer()
        viewer: Viewer = pacer.viewer(SLACK)
        viewer.received(100)
        await asyncio.sleep(2)
        before = viewer.area(now())
        await pacer.admit(SLACK, viewer)
        await asyncio.sleep(1)
        viewer.received(10)
        await asyncio.sleep(3)
        viewer.shown(100)
        return before, viewer.area(now()), viewer.unseen

    before, after, unseen = run(main())
    assert before == pytest.approx(200.0)
    assert after == pytest.approx(30.0)
    assert unseen == 10


def test_many_random_waiters_all_go() -> None:
    """Writes of every urgency on random sets of budgets all go in the end, with none starved."""

    async def main() -> int:
        random_ = random.Random(7)  # noqa: S311 no secret
        pacer = Pacer()
        pool = [Budget(f"b{number}", 5, 5.0, random_.randint(1, 5)) for number in range(6)]
        writes: list[Callable[[], Awaitable[None]]] = []
        for _ in range(200):
            budgets = random_.sample(pool, random_.randint(1, 3))
            who = random_.choice(list(Urgency))
            writes.append(lambda budgets=budgets, who=who: pacer.admit(budgets, who))  # type: ignore[misc]
        async with asyncio.timeout(600):
            await asyncio.gather(*(write() for write in writes))
        return len(writes)

    assert run(main()) == 200
