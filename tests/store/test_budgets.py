"""The counter of what all workers spent: never more than a window holds, however often it is asked and by whom."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from bot.ports.rate_limits import ANEW, DEMAND_LASTS, MOMENT, Act, Draw, Entry, Room
from tests.store.proxy import proxy

NAME = "slack:T1:chat.update"
NO_ROOM = Room(0.0, 0.0, 0.0, 0.0)
ids = map(str, count())


@pytest.fixture
def about() -> Callable[[Any], Any]:
    """Seconds as the server counts them: less by at most what has gone by since the test began."""
    began = time.monotonic()
    return lambda seconds: pytest.approx(seconds, abs=1.3 + time.monotonic() - began)


def draw(bucket: str = NAME, calls: float = 5, window: float = 60.0, burst: float = 5, **more: Any) -> Draw:
    given = {"room": NO_ROOM, "replies": 1, "roots": 2.0, "version": ANEW, **more}
    return Draw(bucket=bucket, calls=calls, window=window, burst=burst, **given)


def entry(act: Act, *draws: Draw, id_: str = "", seconds: float = 0.0) -> Entry:
    return Entry(act, id_ or next(ids), draws or (draw(),), seconds)


async def enter(store: Any, *entries: Entry, worker: str = "a") -> Any:
    """Carry the entries in; the verdict of the last."""
    return (await store.rate_limits.enter(worker, entries))[-1]


async def test_a_window_holds_no_more_than_its_calls_whoever_asks(backing: Any, about: Any) -> None:
    """Two workers get five calls together; the refused one is told when the first comes back, and gets it then."""
    a, b = backing.store(), backing.store()
    answers = [await enter(a if n % 2 else b, entry(Act.ASK), worker="ab"[n % 2]) for n in range(6)]
    assert [answer.granted for answer in answers] == [True] * 5 + [False]
    assert answers[-1].wait == about(60.0)
    backing.advance(answers[-1].wait - 3.0)
    assert not (await enter(b, entry(Act.ASK), worker="b")).granted
    backing.advance(3.0)
    assert (await enter(b, entry(Act.ASK), worker="b")).granted


async def test_what_goes_beyond_the_burst_is_spaced(backing: Any, about: Any) -> None:
    """Two at once, then one in window / calls seconds, though the window has room for more."""
    store, rate_limit = backing.store(), draw(calls=10, burst=2)
    answers = [await enter(store, entry(Act.ASK, rate_limit)) for _ in range(3)]
    assert [answer.granted for answer in answers] == [True, True, False]
    assert answers[-1].wait == about(6.0)


async def test_a_write_that_is_a_moment_early_is_granted_for_then(backing: Any) -> None:
    """Clocks and ways differ by milliseconds: such a write is told how long to wait, and is not refused."""
    store, rate_limit = backing.store(), draw(calls=1000, burst=1, window=1000 * MOMENT * 0.8)
    first, second = await store.rate_limits.enter("a", [entry(Act.ASK, rate_limit), entry(Act.ASK, rate_limit)])
    assert (first.granted, first.wait) == (True, 0.0)
    assert second.granted
    assert second.wait <= MOMENT


async def test_all_budgets_are_spent_or_none(backing: Any) -> None:
    """A write refused by one of its rate limits takes nothing from the other."""
    store, one, many = backing.store(), draw("slack:T1:one", calls=1, burst=1), draw("slack:T1:many")
    assert (await enter(store, entry(Act.ASK, many, one))).granted
    refused = await enter(store, entry(Act.ASK, many, one))
    assert not refused.granted
    assert [len(news.spent) for news in refused.news] == [1, 1]


async def test_an_entry_that_is_repeated_changes_nothing(backing: Any) -> None:
    """The client sends a script again whose answer was lost: the same write is spent once and stays granted."""
    store = backing.store()
    for act in (Act.ASK, Act.MADE):
        one = draw(f"slack:T1:{act.value}", calls=1, burst=1)
        same = entry(act, one)
        assert [(await enter(store, same)).granted for _ in range(3)] == [True] * 3
        assert len((await enter(store, entry(Act.LOOK, one))).news[0].spent) == 1
        two = draw(f"slack:T1:{act.value} two", calls=1000, burst=2)
        same = entry(act, two)
        for _ in range(3):
            await enter(store, same)
        assert (await enter(store, entry(Act.ASK, two))).wait == 0.0, "nor is it spaced twice"


async def test_a_lost_answer_is_asked_for_again(server: str, on_server: Any) -> None:
    """Through a connection that swallows the answer the write is granted, and spent once."""
    async with proxy(server) as between:
        store = on_server.store(url=f"redis://127.0.0.1:{between.port}")
        await enter(store, entry(Act.LOOK))
        between.swallow = 1
        assert (await enter(store, entry(Act.ASK))).granted
        assert len((await enter(store, entry(Act.LOOK))).news[0].spent) == 1


async def test_a_write_costs_one_round_trip(server: str, on_server: Any) -> None:
    """One rate limit or two, granted or refused; and writes of one moment travel together."""
    async with proxy(server) as between:
        store = on_server.store(url=f"redis://127.0.0.1:{between.port}")
        await enter(store, entry(Act.LOOK))
        before = between.round_trips
        await enter(store, entry(Act.ASK, draw(), draw("slack:T1:other")))
        assert between.round_trips - before == 1
        await asyncio.gather(*(enter(store, entry(Act.ASK)) for _ in range(9)))
        assert between.round_trips - before == 2


async def test_what_never_went_is_given_back_once(backing: Any) -> None:
    """The token is there again; giving it back again, or one that was never spent, gives nothing."""
    store, one = backing.store(), draw(calls=1, burst=1)
    spent = entry(Act.ASK, one)
    assert (await enter(store, spent)).granted
    for _ in range(2):
        await enter(store, entry(Act.BACK, one, id_=spent.id))
        await enter(store, entry(Act.BACK, one, id_="never"))
    assert (await enter(store, entry(Act.ASK, one))).granted
    assert not (await enter(store, entry(Act.ASK, one))).granted


async def test_what_went_unasked_counts_from_when_it_went(backing: Any, about: Any) -> None:
    """A write of 40 s ago fills the window for 20 s more."""
    store, one = backing.store(), draw(calls=1, burst=1)
    await enter(store, entry(Act.MADE, one, seconds=40.0))
    assert (await enter(store, entry(Act.ASK, one))).wait == about(20.0)


async def test_what_is_told_late_takes_its_place_among_the_others(backing: Any, about: Any) -> None:
    """Writes of long ago that are told after a new one space nothing that comes now."""
    store, rate_limit = backing.store(), draw(calls=10, burst=2)
    await enter(store, entry(Act.ASK, rate_limit))
    for ago in (30.0, 50.0, 40.0):
        await enter(store, entry(Act.MADE, rate_limit, seconds=ago))
    assert (await enter(store, entry(Act.ASK, rate_limit))).granted
    third = await enter(store, entry(Act.ASK, rate_limit))
    assert (third.granted, third.wait) == (False, about(6.0))


async def test_a_ledger_that_was_emptied_is_told_from_the_one_before(on_server: Any) -> None:
    """Whoever asks sees the same shared counter until the server forgets, and then another."""
    store = on_server.store()
    before = [await enter(store, entry(act), worker=worker) for act in (Act.ASK, Act.LOOK) for worker in "ab"]
    on_server.empty()
    after = await enter(store, entry(Act.ASK))
    assert len({verdict.news[0].life for verdict in before}) == 1
    assert after.news[0].life > before[0].news[0].life > 0


async def test_a_rest_is_everybodys(backing: Any, about: Any) -> None:
    """What one worker's refusal asked for holds for all; who asks later still learns that there was one."""
    a, b = backing.store(), backing.store()
    told = (await enter(a, entry(Act.REST, seconds=7.0))).news[0].rest
    assert told
    answer = await enter(b, entry(Act.ASK), worker="b")
    assert not answer.granted
    assert answer.wait == about(7.0)
    await enter(b, entry(Act.REST, seconds=0.5), worker="b")
    backing.advance(3.0)
    assert not (await enter(a, entry(Act.ASK))).granted, "a shorter rest does not end a longer one"
    backing.advance(5.0)
    answer = await enter(b, entry(Act.ASK), worker="b")
    assert answer.granted
    assert answer.news[0].rests == 0.0
    await enter(b, entry(Act.REST, seconds=0.5), worker="b")
    assert (await enter(a, entry(Act.LOOK))).news[0].rest != told


async def test_a_clock_that_is_set_back_holds_nobody_up(on_server: Any) -> None:
    """What was spent, rests and said before counts on from then, not for as long as the clock went back."""
    a, b = on_server.store(), on_server.store()
    rested = draw("slack:T1:rested")
    for _ in range(4):
        await enter(a, entry(Act.ASK))
        await enter(a, entry(Act.ASK, rested))
    await enter(a, entry(Act.REST, rested, seconds=7.0))
    await enter(b, entry(Act.LOOK), worker="b")
    on_server.advance(-3600.0)
    answer = await enter(a, entry(Act.ASK))
    assert answer.granted
    assert answer.news[0].replies == 0, "who said nothing since is not counted for an hour"
    resting = await enter(a, entry(Act.ASK, rested))
    assert not resting.granted
    assert resting.wait < 60.0
    on_server.advance(50.0)
    assert not (await enter(b, entry(Act.ASK), worker="b")).granted, "five are within a window"
    on_server.advance(15.0)
    assert (await enter(b, entry(Act.ASK), worker="b")).granted


async def test_room_is_left_for_the_replies_of_all_workers(backing: Any) -> None:
    """An interim edit leaves a call for each live reply of anybody; an ending leaves none."""
    store, room = backing.store(), Room(1.0, 4.0, 0.0, 0.0)
    await enter(store, entry(Act.LOOK, draw(replies=2)), worker="b")
    interim = draw(replies=1, room=room)
    assert [(await enter(store, entry(Act.ASK, interim))).granted for _ in range(3)] == [True, True, False]
    assert [(await enter(store, entry(Act.ASK))).granted for _ in range(4)] == [True] * 3 + [False]


async def test_what_comes_in_again_soon_counts_as_left(backing: Any, about: Any) -> None:
    """An interim edit need not leave a call that is there again before an ending would notice."""
    store, busy = backing.store(), draw(calls=10, burst=3, room=Room(1.0, 1.0, 0.0, 4.0))
    answers = [await enter(store, entry(Act.ASK, busy)) for _ in range(3)]
    assert [answer.granted for answer in answers] == [True, True, False]
    assert answers[-1].wait == about(2.0)


async def test_demand_is_told_and_forgotten(backing: Any) -> None:
    """A worker learns how many replies live elsewhere, not its own, and not of a worker that fell silent."""
    store = backing.store()
    await enter(store, entry(Act.LOOK, draw(replies=9, roots=12.5)), worker="b")
    await enter(store, entry(Act.LOOK, draw(replies=2, roots=1.0)), worker="c")
    news = (await enter(store, entry(Act.LOOK, draw(replies=5)))).news[0]
    assert (news.replies, news.roots) == (11, 13.5)
    backing.advance(DEMAND_LASTS / 2)
    await enter(store, entry(Act.LOOK, draw(replies=3, roots=1.0)), worker="c")
    backing.advance(DEMAND_LASTS / 2 + 1)
    assert (await enter(store, entry(Act.LOOK))).news[0].replies == 3


async def test_only_what_is_new_is_told(backing: Any, about: Any) -> None:
    """Who knows all calls but its own new one gets no list; who does not gets each with its age, of all workers."""
    store = backing.store()
    version = (await enter(store, entry(Act.LOOK))).news[0].version
    for act in (Act.ASK, Act.ASK, Act.LOOK):
        # Those of one moment are entered with what was known before them.
        news = (await enter(store, *(entry(act, draw(version=version)) for _ in range(2)))).news[0]
        assert news.spent is None
        version = news.version
    assert (await enter(store, entry(Act.LOOK, draw(version=ANEW)))).news[0].spent is not None
    backing.advance(10.0)
    await enter(store, entry(Act.ASK), worker="b")
    spent = (await enter(store, entry(Act.LOOK, draw(version=version)))).news[0].spent
    assert spent == about((10.0,) * 4 + (0.0,))


async def test_installations_do_not_share(backing: Any) -> None:
    """Each workspace's rate limit is its own."""
    store = backing.store()
    for tenant in ("T1", "T2", "T3"):
        assert (await enter(store, entry(Act.ASK, draw(f"slack:{tenant}:chat.update", calls=1, burst=1)))).granted


@pytest.mark.parametrize("seed", range(3))
async def test_no_order_of_entries_overfills_a_window(backing: Any, seed: int) -> None:
    """Random entries of three workers: what was granted and kept exceeds neither the limit nor the spacing."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    stores, rate_limit = [backing.store() for _ in range(3)], draw(calls=6, window=20.0, burst=3)
    advanced, kept = 0.0, dict[str, tuple[float, float]]()  # between when and when it was granted
    for _ in range(120):
        step = dice.choice([0.0, 0.0, 1.0, 4.0])
        backing.advance(step)
        advanced += step
        n = dice.randrange(3)
        act = dice.choice([Act.ASK, Act.ASK, Act.ASK, Act.LOOK, Act.BACK])
        id_ = dice.choice(list(kept)) if act is Act.BACK and kept else next(ids)
        before = advanced + time.monotonic()
        verdict = await enter(stores[n], entry(act, rate_limit, id_=id_), worker="abc"[n])
        if act is Act.ASK and verdict.granted:
            kept[id_] = (before, advanced + time.monotonic() + MOMENT)
        elif act is Act.BACK:
            kept.pop(id_, None)
        times = sorted(kept.values())
        for first, (begun, _) in enumerate(times):
            assert sum(begun <= other and until < begun + 20.0 for other, until in times) <= 6
            for number, (_, last) in enumerate(times[first:], 1):
                assert number <= 3 + (last - begun) * 6 / 20.0
