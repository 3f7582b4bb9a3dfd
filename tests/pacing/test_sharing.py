"""Several workers on one ledger, in virtual time: together within the limit, each as prompt as if it were alone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import workers
from benchmarks.simulate import staggered
from benchmarks.stage import DISCORD, SLACK, Platform
from benchmarks.traces import steady
from benchmarks.virtual import run
from bot._sharing import GRACE
from bot.errors import StoreUnavailable
from bot.pacing import Pacer, Urgency
from bot.ports import Budget
from bot.ports.budgets import DEMAND_LASTS, Act, Entry, Verdict
from sandbox.limits import Counting, Limiter
from tests.pacing.test_pacer import ARRIVALS, now, reply

T = TypeVar("T")

UPDATE = (Budget("slack:T1:chat.update", 50, 60.0, 10),)
CHANNEL = (Budget("discord:A:C:edit", 5, 5.0, 2), Budget("discord:A:all", 45, 1.0, 5))
FEW = (Budget("slack:T1:few", 2, 60.0, 2),)


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


async def attend(pacers: Sequence[Pacer], ledger: Ledger) -> None:
    """As `Worker` does while the store answers."""
    while True:
        for pacer in pacers:
            if not ledger.away and ledger.silent.is_set():
                pacer.share(len(pacers))
            await asyncio.sleep(workers.ATTENDANCE / len(pacers))


def together(number: int, main: Callable[[list[Pacer], Ledger], Awaitable[T]], latency: float = 0.001) -> T:
    """Run `main` with that many workers on one ledger, in virtual time; nothing of theirs may be left behind."""

    async def everything() -> T:
        ledger = Ledger(latency)
        pacers = [Pacer(ledger=ledger) for _ in range(number)]
        attending = asyncio.create_task(attend(pacers, ledger))
        await asyncio.sleep(0)
        try:
            return await main(pacers, ledger)
        finally:
            attending.cancel()
            with suppress(asyncio.CancelledError):
                await attending
            for pacer in pacers:
                await pacer.close()
            assert asyncio.all_tasks() == {asyncio.current_task()}

    return run(everything())


def refused(sent: Sequence[float], counting: Counting, budget: Budget = UPDATE[0]) -> int:
    """How many of the writes a platform that counts so would refuse."""
    limiter = Limiter(budget.calls, budget.window, counting)
    return sum(limiter.admit(at) > 0.0 for at in sorted(sent))


async def flood(pacer: Pacer, budgets: tuple[Budget, ...], sent: list[float], until: float) -> None:
    """Write as often as it is let, an ending every time, until that moment."""
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            while True:
                await pacer.admit(budgets, Urgency.ENDING)
                sent.append(now())


async def typing(pacer: Pacer, seconds: float, sent: list[float] | None = None) -> None:
    """A reply to which twelve characters come ten times a second."""
    await reply(pacer, UPDATE, sent if sent is not None else [], [(0.1, 12)] * round(seconds * 10))


@given(
    st.lists(st.lists(ARRIVALS, max_size=4), min_size=2, max_size=4),
    st.sampled_from([UPDATE, CHANNEL]),
    st.sampled_from(get_args(Counting)),
    st.sampled_from([0.0, 0.001, 0.1]),
)
@settings(max_examples=40, deadline=None)
def test_whatever_arrives_anywhere_nothing_is_refused_and_all_is_shown(
    split: list[list[list[tuple[float, int]]]], budgets: tuple[Budget, ...], counting: Counting, latency: float
) -> None:
    """Replies of any pattern on any worker end with everything shown, and no way of counting refuses a write."""

    async def main(pacers: list[Pacer], _: Ledger) -> list[float]:
        sent = list[float]()
        async with asyncio.TaskGroup() as group:
            for pacer, replies in zip(pacers, split, strict=True):
                for arrivals in replies:
                    group.create_task(reply(pacer, budgets, sent, arrivals))
        return sent

    assert refused(together(len(split), main, latency), counting, budgets[0]) == 0


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

    async def main(pacers: list[Pacer], ledger: Ledger) -> tuple[int, list[Act], int]:
        sent = list[float]()
        await asyncio.gather(*(typing(pacers[0], 90.0, sent) for _ in range(9)))
        return len(sent), ledger.acts, ledger.lists

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


@pytest.mark.parametrize("counting", get_args(Counting))
@pytest.mark.parametrize("how", ["away", "silent"])
@pytest.mark.parametrize("loads", [(1, 1), (1, 0), (2, 1, 1)])
def test_without_the_ledger_all_stay_within_the_limit(loads: tuple[int, ...], how: str, counting: Counting) -> None:
    """The ledger goes in the middle of a flood and comes back minutes later; idle workers begin while it is away."""

    async def main(pacers: list[Pacer], ledger: Ledger) -> tuple[list[float], float]:
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
        ledger.away = how == "away"
        if how == "silent":
            ledger.silent.clear()
        await asyncio.sleep(1.0)
        floods += [asyncio.ensure_future(flood(pacer, UPDATE, sent, until)) for pacer in pacers]
        await asyncio.sleep(200.0)
        ledger.away = False
        ledger.silent.set()
        await asyncio.gather(*floods)
        return sent, begin

    sent, begin = together(len(loads), main)
    assert refused(sent, counting) == 0
    assert len([at for at in sent if begin + 180.0 <= at < begin + 300.0]) >= 0.8 * 100, "the shares are used"
    assert len([at for at in sent if at >= begin + 400.0]) >= 0.94 * 200 * 50 / 60, "and then the whole again"


@pytest.mark.parametrize("how", ["away", "silent"])
def test_an_outage_holds_one_write_up_and_not_for_long(how: str) -> None:
    """The first write waits for a quarter of a second at most, those after it not at all."""

    async def main(pacers: list[Pacer], ledger: Ledger) -> list[float]:
        ledger.away = how == "away"
        if how == "silent":
            ledger.silent.clear()
        waited = []
        for _ in range(5):
            begin = now()
            await pacers[0].admit(UPDATE, Urgency.ENDING)
            waited.append(now() - begin)
            await asyncio.sleep(2.0)
        ledger.silent.set()
        return waited

    first, *others = together(1, main)
    assert first <= 0.26
    assert others == [0.0] * 4


def test_what_was_written_without_the_ledger_is_told_to_it() -> None:
    """Two writes made while it was away fill a budget of two for everybody, once it is shared again."""

    async def main(pacers: list[Pacer], ledger: Ledger) -> float:
        begin = now()
        ledger.away = True
        for _ in range(2):
            await pacers[0].admit(FEW, Urgency.ENDING)
        ledger.away = False
        await asyncio.sleep(workers.ATTENDANCE + GRACE + 2.0)
        await pacers[1].admit(FEW, Urgency.ENDING)
        return now() - begin

    assert together(2, main) >= 60.0


def test_who_is_back_first_waits_for_what_the_others_tell() -> None:
    """A worker that reaches the ledger again takes no more than its share until the others had time to tell theirs."""
    eight = (Budget("slack:T1:eight", 8, 60.0, 8),)

    async def main(pacers: list[Pacer], ledger: Ledger) -> list[float]:
        for pacer in pacers:
            await pacer.admit(eight, Urgency.ENDING)
        await asyncio.sleep(22 * workers.ATTENDANCE - now() % workers.ATTENDANCE)
        sent, until = list[float](), now() + 200.0
        ledger.away = True
        await pacers[0].admit(UPDATE, Urgency.ENDING)
        floods = [asyncio.ensure_future(flood(pacers[1], eight, sent, until))]
        await asyncio.sleep(4 * workers.ATTENDANCE - 0.4)  # the other one says that it lives in nearly three seconds
        ledger.away = False
        pacers[0].share(2)
        await asyncio.sleep(0.1)
        floods.append(asyncio.ensure_future(flood(pacers[0], eight, sent, until)))
        await asyncio.gather(*floods)
        return sent

    sent = together(2, main)
    assert refused(sent, "sliding", eight[0]) == 0
    assert len(sent) >= 20


def test_an_answer_that_comes_too_late_spends_nothing() -> None:
    """What the ledger granted to a write that had gone on without it is given back; the write itself is told."""

    async def main(pacers: list[Pacer], ledger: Ledger) -> list[Act]:
        ledger.silent.clear()
        await pacers[0].admit(UPDATE, Urgency.ENDING)
        ledger.silent.set()
        await asyncio.sleep(1.0)
        return ledger.acts

    assert sorted(act.name for act in together(1, main)) == ["ASK", "BACK", "MADE"]


@pytest.mark.parametrize("after", [0.0, 0.0005, 0.001])
def test_a_write_that_is_cancelled_spends_nothing_anywhere(after: float) -> None:
    """Cancelled before, during or just after the ledger's answer, it leaves both calls to the next."""

    async def main(pacers: list[Pacer], _: Ledger) -> float:
        task = asyncio.ensure_future(pacers[0].admit(FEW, Urgency.ENDING))
        asyncio.get_running_loop().call_later(after, task.cancel)
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()
        await asyncio.sleep(0.1)
        begin = now()
        for pacer in pacers:
            await pacer.admit(FEW, Urgency.ENDING)
        return now() - begin

    assert together(2, main) <= 0.01


def test_a_refused_write_keeps_its_place() -> None:
    """An ending from which another worker took the token goes before one that was asked for later."""
    one = (Budget("slack:T1:one", 1, 60.0, 1),)

    async def main(pacers: list[Pacer], ledger: Ledger) -> tuple[list[str], int]:
        await pacers[1].admit(one, Urgency.ENDING)
        done: list[str] = []

        async def wait(name: str) -> None:
            await pacers[0].admit(one, Urgency.ENDING)
            done.append(name)

        async with asyncio.TaskGroup() as group:
            for name in ("first", "second"):
                group.create_task(wait(name))
                await asyncio.sleep(5.0)
            group.create_task(flood(pacers[1], one, [], now() + 60.0))
        return done, ledger.refused

    done, in_vain = together(2, main)
    assert in_vain >= 2, "it was taken from under the first"
    assert done == ["first", "second"]


def test_a_grant_for_a_moment_later_is_waited_for() -> None:
    """What the ledger grants for 40 ms from now goes then, and not before."""

    class Early(Ledger):
        async def enter(self, worker: str, entries: Sequence[Entry]) -> list[Verdict]:
            return [replace(verdict, wait=0.04) for verdict in await super().enter(worker, entries)]

    async def main() -> float:
        pacer, begin = Pacer(ledger=Early(0.0)), now()
        await pacer.admit(UPDATE, Urgency.ENDING)
        await pacer.close()
        return now() - begin

    assert run(main()) == pytest.approx(0.04)


def test_workers_rarely_ask_in_vain() -> None:
    """What the others spent and need is planned with: of ten asks at most one is refused."""

    async def main(pacers: list[Pacer], ledger: Ledger) -> tuple[int, int]:
        sent = list[float]()
        await asyncio.gather(*(typing(pacers[n % 2], 90.0, sent) for n in range(10)))
        return len(sent), ledger.refused

    sent, in_vain = together(2, main)
    assert in_vain <= 0.1 * sent


def test_news_of_a_bucket_that_was_forgotten_holds_nobody_up() -> None:
    """While the ledger tells of a bucket that nobody uses here others take its place; writes are asked for as ever."""

    def another(number: int) -> tuple[Budget, ...]:
        return (Budget(f"slack:T1:{number}", 50, 60.0, 10),)

    async def main(pacers: list[Pacer], ledger: Ledger) -> list[Act]:
        await pacers[0].admit(UPDATE, Urgency.ENDING)
        await asyncio.sleep(100.0)
        for number in range(16):
            await pacers[0].admit(another(number), Urgency.ENDING)
        writing = asyncio.ensure_future(pacers[1].admit(UPDATE, Urgency.ENDING))
        await asyncio.sleep(0.001)
        pacers[0].share(2)
        await asyncio.sleep(0.07)
        await pacers[0].admit(another(16), Urgency.ENDING)
        await writing
        await asyncio.sleep(2 * workers.ATTENDANCE)
        return ledger.acts

    assert Act.MADE not in together(2, main, 0.1), "nobody went on without the ledger"


def test_closing_waits_for_what_is_under_way() -> None:
    """After `close` nothing is asked any more, and no task is left."""

    async def main() -> set[asyncio.Task[None]]:
        ledger = Ledger(0.1)
        pacer = Pacer(ledger=ledger)
        pacer.refused(UPDATE, 5.0)
        await asyncio.sleep(0.05)
        await pacer.close()
        pacer.refused(UPDATE, 5.0)
        await pacer.admit(FEW, Urgency.ENDING)
        assert ledger.acts == [Act.REST]
        return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]

    assert run(main()) == set()


def test_a_refused_interim_edit_goes_at_once_when_its_stream_ends() -> None:
    """It was told to wait until room for others' endings is there again; an ending need not."""

    async def main(pacers: list[Pacer], _: Ledger) -> float:
        viewers = [pacers[1].viewer(UPDATE) for _ in range(9)]
        for _ in range(8):
            await pacers[1].admit(UPDATE, viewers[0])
        viewer = pacers[0].viewer(UPDATE)
        viewer.received(9)
        viewer.shown(9)
        viewer.received(400)
        waiting = asyncio.ensure_future(pacers[0].admit(UPDATE, viewer))
        await asyncio.sleep(1.0)
        assert not waiting.done()
        begin = now()
        viewer.end()
        await waiting
        return now() - begin

    assert together(2, main) <= 0.01


def test_a_stream_that_ends_while_the_ledger_refuses_its_edit_goes_at_once() -> None:
    """What an interim edit was told to wait for does not hold up the final that it became meanwhile."""

    async def main(pacers: list[Pacer], ledger: Ledger) -> float:
        viewers = [pacers[1].viewer(UPDATE) for _ in range(9)]
        for _ in range(8):
            await pacers[1].admit(UPDATE, viewers[0])
        viewer = pacers[0].viewer(UPDATE)
        viewer.received(9)
        viewer.shown(9)
        viewer.received(400)
        waiting = asyncio.ensure_future(pacers[0].admit(UPDATE, viewer))
        await asyncio.sleep(ledger.latency / 2)
        begin = now()
        viewer.end()
        await waiting
        return now() - begin

    assert together(2, main, 0.1) <= 0.2


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
        viewers = [pacers[1].viewer(UPDATE) for _ in range(20)]
        await pacers[1].admit(UPDATE, viewers[0])
        await pacers[0].admit(UPDATE, Urgency.ENDING)
        crowded = pacers[0].crowded(UPDATE)
        for viewer in viewers:
            viewer.close()
        await asyncio.sleep(DEMAND_LASTS + workers.ATTENDANCE)
        return crowded, pacers[0].crowded(UPDATE)

    assert together(2, main) == (True, False)


@pytest.mark.parametrize("after", [0.0, 0.05])
def test_a_bug_of_the_ledger_holds_nobody_up(after: float) -> None:
    """Whatever it raises, writes go on: those it was asked for, and those that wait until it was told something."""

    class Broken(Ledger):
        async def enter(self, worker: str, entries: Sequence[Entry]) -> list[Verdict]:
            await asyncio.sleep(self.latency)
            raise ZeroDivisionError

    async def main() -> float:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        pacer, begin = Pacer(ledger=Broken(0.1)), now()
        if after:
            pacer.refused(FEW, 1.0)
        await asyncio.sleep(after)
        async with asyncio.timeout(60.0):
            await pacer.admit(UPDATE, Urgency.ENDING)
        await pacer.close()
        return now() - begin

    assert run(main()) < math.inf


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("away", [0.0, 10.0])
def test_a_ledger_that_forgot_is_told_again(number: int, away: float) -> None:
    """When the ledger comes back empty nothing is refused: each worker tells it what it wrote in the last minute."""

    async def main(pacers: list[Pacer], ledger: Ledger) -> list[float]:
        sent = list[float]()
        writing = [asyncio.create_task(flood(pacer, UPDATE, sent, now() + 200.0)) for pacer in pacers]
        for seconds in (20.0, 45.0, 3.0, 50.0):
            await asyncio.sleep(seconds)
            ledger.away = away > 0.0
            await asyncio.sleep(away)
            ledger.away = False
            ledger.forget()
        await asyncio.gather(*writing)
        return sent

    sent = together(number, main)
    assert {how: refused(sent, how) for how in get_args(Counting)} == dict.fromkeys(get_args(Counting), 0)
    assert len(sent) > 120
