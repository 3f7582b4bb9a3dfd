"""Who carries a turn on when the store was away, on fakes at the boundary and in virtual time."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from bot import phrases
from bot.desk import Desk, Policy
from bot.errors import RateLimited, StoreUnavailable
from bot.pacing import Pacer, Urgency
from bot.ports import Write
from bot.store.memory import MemoryStore
from bot.worker import Worker
from tests.turn.fakes import FakePlatform, ScriptedModel, message

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

LEASE = 10.0


class Outage(MemoryStore):
    """A store that can be away for what a worker asks of it while nothing happens."""

    away = False

    async def claim(self, *args, **more):
        return await self._answer(super().claim(*args, **more))

    async def renew(self, *args, **more):
        return await self._answer(super().renew(*args, **more))

    async def cursor(self, *args, **more):
        return await self._answer(super().cursor(*args, **more))

    async def _answer(self, asked):
        if self.away:
            asked.close()
            raise StoreUnavailable("away")
        return await asked


@pytest.mark.parametrize("phase", [0.0, 0.2, 0.4, 0.6, 0.8])
async def test_who_lives_keeps_its_turn_through_an_outage(phase: float):
    """A running answer whose lease ended while the store was away is carried on by its own worker, not begun anew."""
    store = Outage(history_ttl=1e6, clock=asyncio.get_running_loop().time)
    platform, model = FakePlatform(), ScriptedModel(["half ", 60.0, "and half"], ["another answer"])
    desk = Desk(
        model=model, store=store, pacer=Pacer(), policy=Policy(system_prompt=""), backoff=lambda _attempt, _after: 1.0
    )
    workers = [Worker(desk, {"fake:T": platform}, name=name, lease=LEASE, limit=4) for name in "ab"]
    await store.submit(message())
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    await asyncio.sleep(15.3)
    store.away = True
    await asyncio.sleep(3 * LEASE + phase)
    store.away = False
    await asyncio.sleep(60.0)
    for worker in workers:
        await worker.drain(0.0, asyncio.Event())
    await asyncio.gather(*tasks)
    assert platform.shown == ["half and half"]
    assert len(model.requests) == 1


async def test_workers_divide_the_budgets_by_who_is_alive():
    """Two workers of an installation write half as much each; when one ends, the other has it all again."""
    store = MemoryStore(history_ttl=1e6, clock=asyncio.get_running_loop().time)
    platform = FakePlatform()
    budgets = platform.budgets(Write.EDIT, message().place)
    desks = [
        Desk(model=ScriptedModel(), store=store, pacer=Pacer(), policy=Policy(system_prompt=""), backoff=lambda *_: 1.0)
        for _ in "ab"
    ]
    workers = [
        Worker(desk, {"fake:T": platform}, name=name, lease=LEASE, limit=4)
        for desk, name in zip(desks, "ab", strict=True)
    ]

    async def within(seconds: float) -> int:
        """Edits that the first worker is let make in that time."""
        count, ends = 0, asyncio.get_running_loop().time() + seconds
        while True:
            try:
                async with asyncio.timeout_at(ends):
                    await desks[0].pacer.admit(budgets, Urgency.ENDING)
            except TimeoutError:
                return count
            count += 1

    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    await asyncio.sleep(20.0)
    shared = await within(120.0)
    await workers[1].drain(0.0, asyncio.Event())
    await asyncio.sleep(60.0)
    alone = await within(120.0)
    await workers[0].drain(0.0, asyncio.Event())
    await asyncio.gather(*tasks)
    assert 40 <= shared <= 55
    assert 90 <= alone <= 105


class Telling(FakePlatform):
    """Notes when somebody was told to wait; refuses for rate while `refusing`."""

    status_lasts = 60.0
    refusing = False

    def __init__(self) -> None:
        super().__init__()
        self.told: list[float] = []

    async def show_status(self, place, text):
        if text == phrases.WAITING:
            self.told.append(asyncio.get_running_loop().time())
            if self.refusing:
                raise RateLimited("too many", retry_after=20.0)


async def waiting(platform: Telling, first: float, seconds: float) -> None:
    """A worker with one hand answers for `first` seconds while somebody waits; `seconds` in all."""
    store = MemoryStore(history_ttl=1e6, clock=asyncio.get_running_loop().time)
    model = ScriptedModel([first, "one"], [50.0, "two"])
    desk = Desk(model=model, store=store, pacer=Pacer(), policy=Policy(system_prompt=""), backoff=lambda *_: 1.0)
    worker = Worker(desk, {"fake:T": platform}, name="a", lease=LEASE, limit=1)
    running = asyncio.create_task(worker.run())
    await store.submit(message("first", "1", thread="1"))
    await asyncio.sleep(1.0)
    await store.submit(message("second", "2", thread="2"))
    await asyncio.sleep(seconds)
    await worker.drain(0.0, asyncio.Event())
    await running


async def test_who_waits_is_told_within_a_second_and_again_while_they_wait():
    """A status is shown when nobody comes, again each time it would go, and no more once their turn has begun."""
    platform, began = Telling(), asyncio.get_running_loop().time()
    await waiting(platform, 150.0, 190.0)
    assert platform.shown[0] == "one"
    told = [at - began - 1.0 for at in platform.told]
    assert len(told) == 3
    assert told[0] <= 1.0
    assert [round(after - before) for before, after in itertools.pairwise(told)] == [60, 60]


async def test_nobody_is_told_while_a_hand_is_free():
    """A worker with room for more answers at once and says nothing of waiting."""
    platform = Telling()
    await waiting(platform, 0.5, 30.0)
    assert platform.told == []


async def test_a_status_refused_for_rate_rests():
    """A platform that wants fewer of them gets none for as long as it says."""
    platform = Telling()
    platform.refusing, platform.status_lasts = True, 1.0
    await waiting(platform, 150.0, 62.0)
    assert len(platform.told) == 4
