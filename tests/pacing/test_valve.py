"""The other way of a final, in virtual time: not before its time, and promptly then."""

from __future__ import annotations

import asyncio

import pytest

from bot.pacing.pacer import Pacer, Urgency
from bot.ports import RateLimit
from tests.pacing.stage import ONE, SLACK, emptied, now
from tests.stages.virtual import run


def test_the_valve_prefers_the_first_way() -> None:
    """While the first way is free it is taken, whatever else is."""

    async def main() -> int:
        return await Pacer().admit_any((SLACK, ONE), Urgency.ENDING, fallback_after=0.0)

    assert run(main()) == 0


def test_the_valve_opens_when_patience_ends() -> None:
    """A final that the first way makes wait for longer than its patience takes the other."""

    async def main() -> tuple[int, float]:
        pacer = Pacer()
        await emptied(pacer, ONE)
        begin = now()
        way = await pacer.admit_any((ONE, SLACK), Urgency.ENDING, fallback_after=0.5)
        return way, now() - begin

    way, waited = run(main())
    assert way == 1
    assert waited == pytest.approx(0.5)


def test_patience_counts_from_the_streams_end() -> None:
    """An interim edit never takes the valve; its reply's final does, `fallback_after` after the end."""

    async def main() -> tuple[int, float]:
        pacer = Pacer()
        live_reply = pacer.live_reply(ONE)
        live_reply.received(1)
        await pacer.admit(ONE, live_reply)
        live_reply.shown(1)
        live_reply.received(50)
        waiting = asyncio.ensure_future(pacer.admit_any((ONE, SLACK), live_reply, fallback_after=0.5))
        await asyncio.sleep(5)
        assert not waiting.done()
        begin = now()
        live_reply.end()
        return await waiting, now() - begin

    way, waited = run(main())
    assert way == 1
    assert waited == pytest.approx(0.5)


def test_ten_short_answers_that_end_together_end_promptly() -> None:
    """With the valve, ten answers of five seconds that end together are all whole within two seconds."""

    async def main() -> float:
        pacer = Pacer()

        async def answer(number: int) -> float:
            live_reply = pacer.live_reply(SLACK)
            ways = (SLACK, (RateLimit(f"post{number}", 60, 60.0, 1),))
            total = 0

            async def feed() -> None:
                nonlocal total
                for _ in range(150):
                    total += 4
                    live_reply.received(4)
                    await asyncio.sleep(1 / 30)
                live_reply.end()

            async with asyncio.TaskGroup() as group:
                group.create_task(feed())
                await asyncio.sleep(0)
                last = False
                while not last:
                    await pacer.admit_any(ways, live_reply, fallback_after=0.5)
                    last, chars = live_reply.urgency is Urgency.ENDING, total
                    await asyncio.sleep(0.15)
                    live_reply.shown(chars)
            live_reply.close()
            return now() - live_reply.ended_at

        return max(await asyncio.gather(*(answer(number) for number in range(10))))

    assert run(main()) <= 2.0
