"""Who is told that somebody waits: where no worker came for a message, and one worker only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bot.conversation import Message
from bot.store import rules

Ask = Callable[..., Message]

T1 = ["slack:T1"]


async def test_what_waits_is_told_once_in_a_status_time(backing: Any, ask: Ask) -> None:
    """Of all workers one is told of a place, and again when the status shown there is over."""
    stores = [backing.store() for _ in range(3)]
    await stores[0].submit(ask())
    for _ in range(3):
        backing.advance(1)
        told = await asyncio.gather(*(store.waiting("slack:T1", 60) for store in stores))
        assert sorted(told) == [(), (), (ask().place,)]
        assert [await store.waiting("slack:T1", 60) for store in stores] == [()] * 3
        backing.advance(60)


async def test_a_message_that_a_worker_takes_at_once_never_waited(backing: Any, ask: Ask) -> None:
    """Neither what came a moment ago nor what was claimed is told of."""
    store = backing.store()
    await store.submit(ask())
    assert await store.waiting("slack:T1", 60) == ()
    claim = await store.claim(T1, "w", 15)
    backing.advance(1)
    assert await store.waiting("slack:T1", 60) == ()
    await store.commit(claim, None)
    assert await store.waiting("slack:T1", 60) == ()


async def test_who_asks_again_in_a_thread_is_told_again(backing: Any, ask: Ask) -> None:
    """The answer to the first question took the status of its thread away; a channel's goes on by itself."""
    store = backing.store()
    for flat in (False, True):
        message = ask(f"first {flat}", flat=flat)
        await store.submit(message)
        backing.advance(1)
        assert await store.waiting("slack:T1", 60) == (message.place,)
        claim = await store.claim(T1, "w", 15)
        await store.submit(ask(f"second {flat}", flat=flat))
        await store.commit(claim, None)
        backing.advance(1)
        assert await store.waiting("slack:T1", 60) == (() if flat else (message.place,))
        await store.commit(await store.claim(T1, "w", 15), None)


async def test_a_channel_has_one_status_for_all_who_wait_in_it(backing: Any, ask: Ask) -> None:
    """Where an answer has no thread of its own yet, one place stands for all of the channel."""
    store = backing.store()
    for n in range(3):
        await store.submit(ask(str(n), thread=f"C1:{n}", flat=True))
    backing.advance(1)
    assert len(await store.waiting("slack:T1", 9)) == 1


async def test_a_flood_is_told_of_a_few_at_a_time(backing: Any, ask: Ask) -> None:
    """So many statuses a second and no more, whoever asks; nearest turn first, and the head of the line only."""
    stores = [backing.store() for _ in range(2)]
    for n in range(rules.MAX_STATUSES + 20):
        await stores[0].submit(ask(f"{n:03}", thread=f"C{n}:{n}", channel=f"C{n}", author=f"U{n}"))
        backing.advance(0.01)
    told = []
    for _ in range(rules.MAX_STATUSES // rules.STATUSES_A_SECOND + 5):
        backing.advance(1.1)
        now = [place for store in stores for place in await store.waiting("slack:T1", 1000)]
        assert len(now) <= rules.STATUSES_A_SECOND
        told += [place.channel for place in now]
    assert told == [f"C{n}" for n in range(rules.MAX_STATUSES)]
