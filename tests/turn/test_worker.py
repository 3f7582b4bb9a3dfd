"""Who carries a turn on when the store was away, on fakes at the boundary and in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest

from bot.conversation import StopReason, ThreadKey
from bot.errors import RateLimited, StoreUnavailable
from bot.pacing.pacer import Pacer, Urgency
from bot.ports import Write
from bot.testing.store import MemoryStore
from bot.turn import phrases
from bot.turn.services import Policy, Services
from bot.worker.worker import Worker
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

    async def ping(self, *args, **more):
        return await self._answer(super().ping(*args, **more))

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
    services = Services(
        model=model, store=store, pacer=Pacer(), policy=Policy(system_prompt=""), backoff=lambda _attempt, _after: 1.0
    )
    workers = [Worker(services, {"fake:T": platform}, name=name, lease=LEASE, limit=4) for name in "ab"]
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


class Stumbles(MemoryStore):
    """A store whose signals end once with an error that nobody foresaw."""

    stumbled = False

    async def signals(self, installations):
        if not self.stumbled:
            self.stumbled = True
            raise RuntimeError("an error nobody foresaw")
        async for signal in super().signals(installations):
            yield signal


async def test_a_bug_beside_the_turns_is_logged_and_outlived(caplog):
    """A worker whose listening failed says so and listens again: a deleted placeholder is still believed at once."""
    store = Stumbles(history_ttl=1e6, clock=asyncio.get_running_loop().time)
    platform, model = FakePlatform(), ScriptedModel([3600.0, "never seen"])
    services = Services(
        model=model, store=store, pacer=Pacer(), policy=Policy(system_prompt=""), backoff=lambda *_: 1.0
    )
    worker = Worker(services, {"fake:T": platform}, name="a", lease=LEASE, limit=4)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(5.0)
    await store.submit(message("Why?", "a question"))
    await asyncio.sleep(5.0)
    assert worker.running == 1
    [placeholder] = platform.messages
    await store.amend(message().key, "fake:T", message_id=placeholder)
    await asyncio.sleep(1.0)
    assert worker.running == 0
    assert "an error nobody foresaw" in caplog.text
    await worker.drain(0.0, asyncio.Event())
    await running


async def test_workers_divide_the_budgets_by_who_is_alive():
    """Two workers of an installation write half as much each; when one ends, the other has it all again."""
    store = MemoryStore(history_ttl=1e6, clock=asyncio.get_running_loop().time)
    platform = FakePlatform()
    rate_limits = platform.rate_limits(Write.EDIT, message().place)
    desks = [
        Services(
            model=ScriptedModel(), store=store, pacer=Pacer(), policy=Policy(system_prompt=""), backoff=lambda *_: 1.0
        )
        for _ in "ab"
    ]
    workers = [
        Worker(services, {"fake:T": platform}, name=name, lease=LEASE, limit=4)
        for services, name in zip(desks, "ab", strict=True)
    ]

    async def within(seconds: float) -> int:
        """Edits that the first worker is let make in that time."""
        count, ends = 0, asyncio.get_running_loop().time() + seconds
        while True:
            try:
                async with asyncio.timeout_at(ends):
                    await desks[0].pacer.admit(rate_limits, Urgency.ENDING)
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


class Asked(MemoryStore):
    """Counts how often somebody wanted to know who waits."""

    looks = 0

    async def waiting(self, *args):
        self.looks += 1
        return await super().waiting(*args)


async def waiting(platform: Telling, first: float, seconds: float, *, hands: int = 1) -> Asked:
    """A worker with one hand answers for `first` seconds while somebody waits; `seconds` in all."""
    store = Asked(history_ttl=1e6, clock=asyncio.get_running_loop().time)
    model = ScriptedModel([first, "one"], [50.0, "two"])
    services = Services(
        model=model, store=store, pacer=Pacer(), policy=Policy(system_prompt=""), backoff=lambda *_: 1.0
    )
    worker = Worker(services, {"fake:T": platform}, name="a", lease=LEASE, limit=hands)
    running = asyncio.create_task(worker.run())
    await store.submit(message("first", "1", thread="1"))
    await asyncio.sleep(1.0)
    await store.submit(message("second", "2", thread="2"))
    await asyncio.sleep(seconds)
    await worker.drain(0.0, asyncio.Event())
    await running
    return store


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
    """A worker with room for more answers at once, says nothing of waiting, and does not ask the store for it."""
    platform = Telling()
    store = await waiting(platform, 20.0, 45.0, hands=3)
    assert (platform.told, store.looks) == ([], 0)


async def test_a_status_refused_for_rate_rests():
    """A platform that wants fewer of them gets none for as long as it says."""
    platform = Telling()
    platform.refusing, platform.status_lasts = True, 1.0
    await waiting(platform, 150.0, 62.0)
    assert len(platform.told) == 4


class House:
    """One store and one platform, and workers on them that answer by the same script."""

    def __init__(self, *scripts, latency: float = 0.05) -> None:
        self.loop = asyncio.get_running_loop()
        self.store = Outage(history_ttl=1e6, clock=self.loop.time)
        self.platform, self.model = FakePlatform(latency=latency), ScriptedModel(*scripts)
        self._running: dict[Worker, asyncio.Task[None]] = {}

    def worker(self, name: str = "a") -> Worker:
        services = Services(
            model=self.model,
            store=self.store,
            pacer=Pacer(),
            policy=Policy(system_prompt=""),
            backoff=lambda _attempt, _after: 1.0,
        )
        worker = Worker(services, {"fake:T": self.platform}, name=name, lease=LEASE, limit=4)
        self._running[worker] = asyncio.create_task(worker.run())
        return worker

    async def drain(self, worker: Worker, seconds: float, hurry: asyncio.Event | None = None) -> float:
        """Returns how long it took (s)."""
        began = self.loop.time()
        await worker.drain(seconds, hurry or asyncio.Event())
        await self._running.pop(worker)
        return self.loop.time() - began


async def test_a_drain_waits_for_running_answers_and_no_longer():
    """An answer that ends within DRAIN_SECONDS is shown whole, and the process leaves as soon as it is."""
    house = House(["half ", 20.0, "and half"])
    worker = house.worker()
    await house.store.submit(message())
    await asyncio.sleep(5.0)
    await house.store.submit(message("late", "2", thread="2"))
    took = await house.drain(worker, 60.0)
    assert house.platform.shown == ["half and half"]
    assert 10 < took < 20
    assert len(house.model.requests) == 1, "nothing new is begun"


@pytest.mark.parametrize("way", ["time is over", "hurried"])
async def test_what_a_drain_cannot_wait_for_is_given_back(way: str):
    """When time is over, or nobody wants to wait, the answer ends with the note and the next worker answers at once."""
    house = House(["half ", 500.0, "and half"], ["the whole answer"])
    worker, hurry = house.worker(), asyncio.Event()
    await house.store.submit(message())
    await asyncio.sleep(5.0)
    if way == "hurried":
        house.loop.call_later(8.0, hurry.set)
    took = await house.drain(worker, 60.0 if way == "hurried" else 8.0, hurry)
    assert 8 <= took < 10
    heir = house.worker("b")
    await asyncio.sleep(5.0)
    assert house.platform.shown == [f"half\n\n{phrases.INTERRUPTED_AGAIN}", "the whole answer"]
    await house.drain(heir, 0.0)


async def test_a_slow_platform_costs_nobody_the_turn():
    """A call that takes longer than the lease is covered by renewals: no other worker begins the answer anew."""
    house = House(["an answer"], ["another answer"], latency=3 * LEASE)
    workers = [house.worker(name) for name in "ab"]
    await house.store.submit(message())
    await asyncio.sleep(20 * LEASE)
    assert house.platform.shown == ["an answer"]
    assert len(house.model.requests) == 1
    for worker in workers:
        await house.drain(worker, 0.0)


async def test_what_falls_due_is_found_without_a_signal():
    """A turn that rests in the store is taken up within about a second of its time: nobody signals that."""
    house = House(["an answer"])
    await house.store.submit(message())
    claim = await house.store.claim(["fake:T"], "gone", LEASE)
    await house.store.release(claim, delay=30.0)
    worker = house.worker()
    await asyncio.sleep(29.5)
    assert house.platform.calls == []
    await asyncio.sleep(2.5)
    assert house.platform.shown == ["an answer"]
    await house.drain(worker, 0.0)


async def test_after_an_outage_the_worker_goes_on_by_itself():
    """What came in while the store was away for this worker is answered soon after it is back, without a signal."""
    house = House(["an answer"])
    worker = house.worker()
    await asyncio.sleep(1.0)
    house.store.away = True
    await house.store.submit(message())
    await asyncio.sleep(300.0)
    assert house.platform.calls == []
    house.store.away = False
    await asyncio.sleep(4.0)
    assert house.platform.shown == ["an answer"]
    await house.drain(worker, 0.0)


async def test_a_workspace_that_comes_while_the_worker_runs_is_served_and_heard():
    """Turns of an installation added later are claimed and can be stopped; one that left is served no more."""
    store = MemoryStore(history_ttl=1e6, clock=asyncio.get_running_loop().time)
    first, second = FakePlatform(), FakePlatform()
    model = ScriptedModel(["partial ", 600.0, "never"])
    services = Services(
        model=model, store=store, pacer=Pacer(), policy=Policy(system_prompt=""), backoff=lambda _attempt, _after: 1.0
    )
    platforms = {"fake:T": first}
    worker = Worker(services, platforms, name="w", lease=600.0, limit=4)
    task = asyncio.create_task(worker.run())
    await asyncio.sleep(5.0)
    asked = replace(message(), installation="fake:U", key=ThreadKey("fake", "U", "1"))
    await store.submit(asked)
    await asyncio.sleep(5.0)
    assert not model.requests
    platforms["fake:U"] = second
    await asyncio.sleep(5.0)
    assert len(model.requests) == 1
    await store.amend(asked.key, "fake:U")
    await asyncio.sleep(2.0)
    assert second.shown == [f"partial\n\n{phrases.sentence_below(StopReason.STOPPED)}"]
    del platforms["fake:U"]
    await store.submit(replace(asked, id="2", sent_at=2.0))
    await asyncio.sleep(5.0)
    await worker.drain(0.0, asyncio.Event())
    await task
    assert len(model.requests) == 1
    assert first.shown == []
