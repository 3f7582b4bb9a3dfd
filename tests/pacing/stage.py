"""What tests of the pacer need, in virtual time: rate limits, a reply to be shown, who went in which order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable

from hypothesis import strategies as st

from bot.pacing.pacer import Pacer, Urgency
from bot.ports import RateLimit

SLACK = (RateLimit("update", 50, 60.0, 10),)
ONE = (RateLimit("one", 1, 10.0, 1),)


def now() -> float:
    return asyncio.get_running_loop().time()


async def emptied(pacer: Pacer, rate_limits: tuple[RateLimit, ...]) -> None:
    """Spend all that is ready."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            while True:
                await pacer.admit(rate_limits, Urgency.ENDING)
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
    pacer: Pacer, rate_limits: tuple[RateLimit, ...], sent: list[float], arrivals: list[tuple[float, int]]
) -> None:
    """Let text arrive (s after the last, characters) and show it, one edit of 0.2 s in flight, until all is shown."""
    live_reply = pacer.live_reply(rate_limits)
    total, begun = 0, asyncio.Event()

    async def feed() -> None:
        nonlocal total
        for wait, chars in arrivals:
            await asyncio.sleep(wait)
            total += chars
            live_reply.received(chars)
            begun.set()
        live_reply.end()

    async with asyncio.TaskGroup() as group:
        group.create_task(feed())
        await begun.wait()
        while True:
            await pacer.admit(rate_limits, live_reply)
            last, chars = live_reply.urgency is Urgency.ENDING, total
            sent.append(now())
            await asyncio.sleep(0.2)
            live_reply.shown(chars)
            if last:
                break
    live_reply.close()


ARRIVALS = st.lists(
    st.tuples(st.one_of(st.just(0.0), st.floats(0.0, 0.1), st.floats(0.0, 6.0)), st.integers(1, 500)),
    min_size=1,
    max_size=40,
)
