"""One write that asks the shared counter, in virtual time: granted, refused, cancelled or ended meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from bot.pacing.pacer import LiveReply, Pacer, Urgency
from bot.ports import RateLimit
from bot.ports.rate_limits import Act, Entry, Verdict
from tests.pacing.stage import now
from tests.pacing.together import FEW, UPDATE, Ledger, flood, together
from tests.stages import workers
from tests.stages.virtual import run


async def crowded_out(pacers: list[Pacer]) -> tuple[LiveReply, asyncio.Future[None]]:
    """A stream's edit that waits, after others' edits have left no room but for endings."""
    others = [pacers[1].live_reply(UPDATE) for _ in range(9)]
    for _ in range(8):
        await pacers[1].admit(UPDATE, others[0])
    live_reply = pacers[0].live_reply(UPDATE)
    live_reply.received(9)
    live_reply.shown(9)
    live_reply.received(400)
    return live_reply, asyncio.ensure_future(pacers[0].admit(UPDATE, live_reply))


@pytest.mark.parametrize("after", [0.0, 0.0005, 0.001])
def test_a_write_that_is_cancelled_spends_nothing_anywhere(after: float) -> None:
    """Cancelled before, during or just after the shared counter's answer, it leaves both calls to the next."""

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
    one = (RateLimit("slack:T1:one", 1, 60.0, 1),)

    async def main(pacers: list[Pacer], shared: Ledger) -> tuple[list[str], int]:
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
        return done, shared.refused

    done, in_vain = together(2, main)
    assert in_vain >= 2, "it was taken from under the first"
    assert done == ["first", "second"]


def test_a_grant_for_a_moment_later_is_waited_for() -> None:
    """What the shared counter grants for 40 ms from now goes then, and not before."""

    class Early(Ledger):
        async def enter(self, worker: str, entries: Sequence[Entry]) -> list[Verdict]:
            return [replace(verdict, wait=0.04) for verdict in await super().enter(worker, entries)]

    async def main() -> float:
        pacer, begin = Pacer(shared=Early(0.0)), now()
        await pacer.admit(UPDATE, Urgency.ENDING)
        await pacer.close()
        return now() - begin

    assert run(main()) == pytest.approx(0.04)


def test_news_of_a_bucket_that_was_forgotten_holds_nobody_up() -> None:
    """While the counter tells of a bucket nobody uses here others take its place; writes are asked for as ever."""

    def another(number: int) -> tuple[RateLimit, ...]:
        return (RateLimit(f"slack:T1:{number}", 50, 60.0, 10),)

    async def main(pacers: list[Pacer], shared: Ledger) -> list[Act]:
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
        return shared.acts

    assert Act.MADE not in together(2, main, 0.1), "nobody went on without the ledger"


def test_closing_waits_for_what_is_under_way() -> None:
    """After `close` nothing is asked any more, and no task is left."""

    async def main() -> set[asyncio.Task[None]]:
        shared = Ledger(0.1)
        pacer = Pacer(shared=shared)
        pacer.refused(UPDATE, 5.0)
        await asyncio.sleep(0.05)
        await pacer.close()
        pacer.refused(UPDATE, 5.0)
        await pacer.admit(FEW, Urgency.ENDING)
        assert shared.acts == [Act.REST]
        return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]

    assert run(main()) == set()


def test_a_refused_interim_edit_goes_at_once_when_its_stream_ends() -> None:
    """It was told to wait until room for others' endings is there again; an ending need not."""

    async def main(pacers: list[Pacer], _: Ledger) -> float:
        live_reply, waiting = await crowded_out(pacers)
        await asyncio.sleep(1.0)
        assert not waiting.done()
        begin = now()
        live_reply.end()
        await waiting
        return now() - begin

    assert together(2, main) <= 0.01


def test_a_stream_that_ends_while_the_ledger_refuses_its_edit_goes_at_once() -> None:
    """What an interim edit was told to wait for does not hold up the final that it became meanwhile."""

    async def main(pacers: list[Pacer], shared: Ledger) -> float:
        live_reply, waiting = await crowded_out(pacers)
        await asyncio.sleep(shared.latency / 2)
        begin = now()
        live_reply.end()
        await waiting
        return now() - begin

    assert together(2, main, 0.1) <= 0.2
