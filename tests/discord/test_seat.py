"""Who listens where only one may: in virtual time, over a store that can be away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.discord.leader import LOOK, OUTLAST, Leadership
from bot.errors import StoreUnavailable
from bot.intake import Access, Reception
from bot.testing.store import MemoryStore
from tests.discord.harness import Box

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

LEASE = 15.0
APPLICATION = "discord:A"


class Outage(MemoryStore):
    """A store that can be away."""

    away = False

    async def lead(self, installation: str, candidate: str, lasts: float) -> bool:
        if self.away:
            raise StoreUnavailable("away")
        return await super().lead(installation, candidate, lasts)


class Process:
    """One that could listen: it sits, stands by, and listens whenever it may, as the adapter does."""

    def __init__(self, store: Outage) -> None:
        self.seat = Leadership(Reception(store, Access()), APPLICATION, LEASE)
        self.listens = False
        self.sessions = 0
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            await self.seat.take()
            self.listens, self.sessions = True, self.sessions + 1
            await self.seat.keep()
            self.listens = False

    async def die(self) -> None:
        """End without a word."""
        self._task.cancel()
        await asyncio.wait({self._task})
        self.listens = False

    async def leave(self) -> None:
        """End in order."""
        await self.die()
        await self.seat.leave()


def a_store() -> Outage:
    return Outage(history_ttl=1e6, clock=asyncio.get_running_loop().time)


@asynccontextmanager
async def pair(store: Outage) -> AsyncIterator[tuple[Process, Process]]:
    """One that listens, and one that stands by."""
    first = Process(store)
    await asyncio.sleep(0.3)
    second = Process(store)
    await asyncio.sleep(3.1 * LEASE)
    assert (first.listens, first.seat.standing_by.is_set()) == (True, False)
    assert (second.listens, second.seat.standing_by.is_set()) == (False, True)
    yield first, second
    await first.die()
    await second.die()


async def test_the_dead_are_replaced_within_the_lease() -> None:
    """A second after its lease at the latest another process listens."""
    async with pair(a_store()) as (first, second):
        await first.die()
        await asyncio.sleep(LEASE + LOOK)
        assert (second.listens, second.seat.standing_by.is_set()) == (True, False)


async def test_who_leaves_is_replaced_at_once() -> None:
    """The lease is not waited for; and who only stood by gives nothing up that is another's."""
    store = a_store()
    async with pair(store) as (first, second):
        await second.leave()
        third = Process(store)
        await asyncio.sleep(LOOK)
        assert (first.listens, third.listens) == (True, False)
        await first.leave()
        await asyncio.sleep(LOOK)
        assert third.listens
        await third.die()


async def test_who_slept_hangs_up() -> None:
    """A process that wakes up after its lease learns that another listens, and stands by."""
    store = a_store()
    sleeper = Leadership(Reception(store, Access()), APPLICATION, LEASE)
    await sleeper.take()
    awake = Process(store)
    await asyncio.sleep(LEASE + LOOK)
    assert awake.listens
    await asyncio.wait_for(sleeper.keep(), LEASE / 3 + 0.1)
    again = asyncio.create_task(sleeper.take())
    await asyncio.wait_for(sleeper.standing_by.wait(), 0.1)
    await asyncio.sleep(5 * LEASE)
    assert not again.done()
    await awake.leave()
    await asyncio.wait_for(again, LOOK + 0.1)


@pytest.mark.parametrize("phase", [0.15 * number for number in range(50)])
async def test_an_outage_of_the_store_moves_nobody(phase: float) -> None:
    """Who listens keeps its one session through it and after it, however long it was; nobody else begins one."""
    store = a_store()
    async with pair(store) as (first, second):
        store.away = True
        await asyncio.sleep(10 * LEASE + phase)
        store.away = False
        await asyncio.sleep(5 * LEASE)
        assert (first.sessions, second.sessions) == (1, 0)
        assert first.listens


async def test_a_death_in_an_outage() -> None:
    """Whoever stands by takes over once the store is back and the dead had the time to speak."""
    store = a_store()
    async with pair(store) as (first, second):
        store.away = True
        await first.die()
        await asyncio.sleep(2 * LEASE)
        assert not second.listens
        store.away = False
        await asyncio.sleep(OUTLAST + 2 * LOOK)
        assert second.listens


async def test_alone_there_is_nobody_to_ask() -> None:
    """Where the inbox chooses nobody the place is one's own for ever."""
    seat = Leadership(Box(), APPLICATION, LEASE)
    await seat.take()
    keeping = asyncio.create_task(seat.keep())
    await asyncio.sleep(10 * LEASE)
    assert not keeping.done()
    keeping.cancel()
    await seat.leave()
