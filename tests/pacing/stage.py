"""What tests of the pacer need, in virtual time: budgets, a reply to be shown, who went in which order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable

from hypothesis import strategies as st

from bot.pacing import Pacer, Urgency
from bot.ports import Budget

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
