"""Who waits for Redis can be told to end at any moment: a shutdown waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bot.store.link import Link
from bot.store.listen import listen


async def hear(link: Link) -> None:
    async for _ in listen(link, [b"a", b"b"]):
        pass


async def ask_again_and_again(link: Link) -> None:
    while True:
        await link.infos()


async def call_again_and_again(link: Link) -> None:
    while True:
        await link.call((b"PING",))


@pytest.mark.parametrize("work", [hear, ask_again_and_again, call_again_and_again])
async def test_it_ends_whenever_it_is_cancelled(server: str, work: Callable[[Link], Awaitable[None]]) -> None:
    """Also in the very turn of the event loop in which something has just been sent."""
    for turns in range(80):
        link = Link(server)
        task = asyncio.ensure_future(work(link))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        ended, _ = await asyncio.wait({task}, timeout=2)
        assert ended, f"told to end after {turns} turns of the event loop it goes on"
        await link.close()
