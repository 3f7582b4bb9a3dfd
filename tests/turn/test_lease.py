"""When a write may begin: a lease, the store's silence, and a process that slept. In virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bot.errors import LeaseLost, StoreUnavailable
from bot.testing.store import MemoryStore
from bot.turn.lease import FENCE_TIMEOUT, HeldClaim, Order
from bot.turn.record import RecordWriter
from tests.turn.fakes import message

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

LEASE = 15.0


class Outage(MemoryStore):
    """A store that can be away: `before` is awaited first, and it then says so. Counts renewals."""

    away = False
    renewals = 0
    before: Callable[[], Awaitable[None]] | None = None

    async def renew(self, claim, lease):
        self.renewals += 1
        if self.before:
            await self.before()
        if self.away:
            raise StoreUnavailable("away")
        return await super().renew(claim, lease)


class Scene:
    """A held claim, and a clock that goes on while the process is stopped."""

    def __init__(self) -> None:
        self.slept = 0.0
        loop = asyncio.get_running_loop()
        self.clock = lambda: loop.time() + self.slept
        self.store = Outage(history_ttl=1e6, clock=self.clock, monotonic=self.clock)

    @contextlib.asynccontextmanager
    async def holding(self) -> AsyncIterator[HeldClaim]:
        await self.store.submit(message())
        claim = await self.store.claim(["fake:T"], "w", LEASE)
        assert claim is not None
        hold = HeldClaim(self.store, claim, LEASE, clock=self.clock)
        keeping = asyncio.create_task(hold.keep())
        await asyncio.sleep(7)
        yield hold
        keeping.cancel()
        await asyncio.wait({keeping})

    async def take_over(self) -> None:
        assert await self.store.claim(["fake:T"], "heir", LEASE) is not None


async def test_a_reader_does_not_wait_for_the_store():
    """Who was awake all the time writes on while the store is away, however long, for nobody else can be reached."""
    scene = Scene()
    async with scene.holding() as hold:
        scene.store.away = True
        for _ in range(30):
            await asyncio.sleep(2)
            async with asyncio.timeout(0.1):
                await hold.fence()


async def test_who_slept_through_its_lease_asks_first():
    """Woken from a sleep, a process writes nothing until the store said whose the turn is: it may be another's."""
    scene = Scene()
    async with scene.holding() as hold:
        scene.slept += 4 * LEASE
        await scene.take_over()
        scene.store.away = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await hold.fence()
        scene.store.away = False
        with pytest.raises(LeaseLost):
            await hold.fence()


async def test_who_slept_and_still_holds_its_turn_writes_on():
    """When nobody took the turn over meanwhile, the sleeper goes on as soon as the store says so."""
    scene = Scene()
    async with scene.holding() as hold:
        scene.slept += 4 * LEASE
        scene.store.away = True
        asyncio.get_running_loop().call_later(20, setattr, scene.store, "away", False)
        async with asyncio.timeout(25):
            await hold.fence()
        scene.store.away = True
        await asyncio.sleep(LEASE)
        async with asyncio.timeout(0.1):
            await hold.fence()


async def test_a_nap_within_the_lease_holds_no_reader_up():
    """Who was stopped for less than its lease has lost nothing: while the store is away it writes on."""
    scene = Scene()
    async with scene.holding() as hold:
        scene.store.away = True
        scene.slept += LEASE / 4
        await asyncio.sleep(LEASE / 2)
        async with asyncio.timeout(FENCE_TIMEOUT + 0.1):
            await hold.fence()


async def test_who_slept_while_it_asked_writes_nothing_either():
    """A process that is stopped while the store is asked, and then hears nothing, does not write."""
    scene = Scene()

    async def nap() -> None:
        scene.slept += 4 * LEASE
        scene.store.before = None

    async with scene.holding() as hold:
        scene.store.away = True
        await asyncio.sleep(LEASE * 0.6)
        scene.store.before = nap
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await hold.fence()


@pytest.mark.parametrize("leases", [0.55, 1.5])
async def test_a_store_that_hangs_is_no_sleep(leases: float):
    """Calls that hang before they fail, also for longer than a lease, are an outage whose end no reader waits for."""
    scene = Scene()

    async def hang() -> None:
        await asyncio.sleep(LEASE * leases)

    async with scene.holding() as hold:
        scene.store.away, scene.store.before = True, hang
        await asyncio.sleep(3 * LEASE)
        async with asyncio.timeout(2 * LEASE):
            await hold.fence()


async def test_a_store_that_hangs_holds_a_write_up_for_a_moment_only():
    """While calls hang before they fail, a reader waits for half a second now and then, and never for their end."""
    scene = Scene()

    async def hang() -> None:
        await asyncio.sleep(LEASE * 0.3)

    async with scene.holding() as hold:
        scene.store.away, scene.store.before = True, hang
        for _ in range(40):
            await asyncio.sleep(1.0)
            async with asyncio.timeout(FENCE_TIMEOUT + 0.1):
                await hold.fence()


async def test_a_committed_turn_is_not_renewed():
    """It has no lease: a store that forgot all would be told of the turn anew, and it would be answered again."""
    scene = Scene()
    async with scene.holding() as hold:
        await RecordWriter(scene.store, hold).commit(None)
        renewals = scene.store.renewals
        await asyncio.sleep(LEASE)
        assert (scene.store.renewals, hold.lost) == (renewals, False)


async def test_a_lease_is_renewed_as_soon_as_the_store_is_back():
    """Whoever lived through an outage holds its turn again before others may claim."""
    scene = Scene()
    async with scene.holding():
        scene.store.away = True
        await asyncio.sleep(2 * LEASE + 1.2)
        scene.store.away = False
        await asyncio.sleep(0.6)
        assert await scene.store.claim(["fake:T"], "heir", LEASE) is None


async def test_who_lost_its_turn_writes_nothing_whatever_the_clock_says():
    """Once it is known that another worker holds the turn, no write begins, however young the lease is."""
    scene = Scene()
    async with scene.holding() as hold:
        hold.give(Order.LOST)
        with pytest.raises(LeaseLost):
            await hold.fence()


async def test_the_lease_is_renewed_every_third():
    """A turn that takes long stays with its worker, at three renewals a lease and no more."""
    scene = Scene()
    async with scene.holding() as hold:
        assert scene.store.renewals == 1
        for _ in range(100):
            await asyncio.sleep(1.0)
            await hold.fence()
            assert await scene.store.claim(["fake:T"], "heir", LEASE) is None
        assert scene.store.renewals == 21


async def test_a_write_begins_only_while_a_third_of_the_lease_is_left():
    """Where no renewal came through, the fence asks the store itself before the last third begins."""
    scene = Scene()
    await scene.store.submit(message())
    claim = await scene.store.claim(["fake:T"], "w", LEASE)
    hold = HeldClaim(scene.store, claim, LEASE, clock=scene.clock)
    await asyncio.sleep(LEASE * 2 / 3 - 0.1)
    await hold.fence()
    assert scene.store.renewals == 0
    await asyncio.sleep(0.2)
    await hold.fence()
    assert scene.store.renewals == 1


async def test_who_lost_its_turn_in_an_outage_stops_at_once():
    """When the store comes back and the turn is another's, the worker is told within a second and writes nothing."""
    scene = Scene()
    async with scene.holding() as hold:
        scene.store.away = True
        await asyncio.sleep(2 * LEASE)
        await scene.take_over()
        scene.store.away = False
        async with asyncio.timeout(1.0):
            await hold.ordered.wait()
        assert hold.weightiest() is Order.LOST
        with pytest.raises(LeaseLost):
            await hold.fence()


async def test_a_signal_is_looked_at_at_once():
    """A person's stop does not wait for the next renewal."""
    scene = Scene()
    async with scene.holding() as hold:
        await scene.store.amend(hold.claim.key, "fake:T")
        hold.look()
        async with asyncio.timeout(0.1):
            await hold.ordered.wait()
        assert hold.weightiest() is Order.STOP
