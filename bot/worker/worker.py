"""Claims turns and carries them through, as many at once as the process may; drains when asked to.

It owns every task it starts. It is woken by the store's signals, by a turn that ended, and by a sweep every second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping

from bot.conversation import ThreadKey
from bot.errors import LeaseLost, StoreUnavailable
from bot.ports import Claim, Platform
from bot.turn import HeldClaim, Order, Services, TurnRun
from bot.worker.store_watch import StoreWatch
from bot.worker.waiting import Waiting

log = logging.getLogger(__name__)

SWEEP = 1.0
"""Seconds between looks at the store when nothing wakes the worker: due retries and ended leases send no signal."""

RENEWAL = 1.0
"""Seconds for which nothing is claimed after an outage of the store: who still lives renews its leases first."""

ATTENDANCE = 9.0
"""Seconds a worker counts as alive after it said so; it says so three times as often."""

LOOK = 0.5
"""Seconds between looks, while every hand is full, at who waits and does not know yet that they were heard."""

GIVE_BACK = 20.0
"""Seconds that turns get to end with the note and be given back, once draining ran out of time."""


class Worker:
    """The turns of one process.

    Args:
        services: what every turn works with.
        platforms: where turns are written, by installation, live; only these installations' turns are claimed.
        name: names this worker in the store.
        lease: seconds a claim lasts without renewal.
        limit: turns at once.
        watch: knows of the store's outages, also of those that no claim meets; None: one that nobody else asks.
    """

    def __init__(
        self,
        services: Services,
        platforms: Mapping[str, Platform],
        *,
        name: str,
        lease: float,
        limit: int,
        watch: StoreWatch | None = None,
    ) -> None:
        self._services = services
        self._platforms = platforms
        self._name = name
        self._lease = lease
        self._limit = limit
        self._carried: dict[ThreadKey, tuple[HeldClaim, TurnRun]] = {}
        self._turns: set[asyncio.Task[None]] = set()
        self._waiting = Waiting(services.store, platforms)
        self._wake = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._draining = False
        self._watch = watch or StoreWatch(services.store, platforms)
        self._outlasted = 0  # outages; -1: the last claim met one

    @property
    def running(self) -> int:
        """Turns being carried through now."""
        return len(self._turns)

    async def run(self) -> None:
        """Claim turns until `drain` is called or this is cancelled."""
        others = {
            asyncio.create_task(self._lasting(self._listen), name="signals"),
            asyncio.create_task(self._lasting(self._attend), name="attendance"),
            asyncio.create_task(self._lasting(self._comfort), name="waiting"),
        }
        try:
            while not self._draining:
                self._wake.clear()
                if len(self._turns) < self._limit:
                    async with self._claiming:
                        claimed = await self._claim_one()
                    if claimed:
                        continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SWEEP):
                        await self._wake.wait()
        finally:
            for task in others:
                task.cancel()
            await asyncio.wait(others)

    async def _lasting(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do what goes on beside the turns until cancelled: an error nobody foresaw must not end it unseen."""
        while True:
            try:
                await work()
            except Exception:
                log.exception("a worker's side task failed and begins again")
            await asyncio.sleep(SWEEP)

    async def drain(self, seconds: float, hurry: asyncio.Event) -> None:
        """Claim nothing more; let running turns finish, and give back those that do not.

        Args:
            seconds: how long they may go on.
            hurry: set when nobody wants to wait any longer.
        """
        self._draining = True
        self._wake.set()
        async with self._claiming:
            pass  # what is being claimed right now is begun, or given back, before the turns are counted
        if self._turns:
            log.info("letting running answers finish", extra={"running": len(self._turns), "seconds": seconds})
        hurried = asyncio.create_task(hurry.wait())
        finished = asyncio.create_task(self._all_done())
        await asyncio.wait({hurried, finished}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for hold, _ in self._carried.values():
            hold.give(Order.DRAIN)
        await asyncio.wait({finished}, timeout=GIVE_BACK)
        for task in (hurried, finished, *self._turns):
            task.cancel()
        await asyncio.wait({hurried, finished, *self._turns})

    async def _all_done(self) -> None:
        while self._turns:
            await asyncio.wait(self._turns)

    async def _claim_one(self) -> bool:
        try:
            outages = self._watch.outages
            if outages != self._outlasted:
                await self._outlast()
            claim = await self._services.store.claim(self._platforms.keys(), self._name, self._lease)
        except StoreUnavailable as error:
            self._watch.failed(error)
            self._outlasted = -1
            return False
        self._outlasted = outages
        if claim is None:
            return False
        platform = self._platforms.get(claim.installation)
        if self._draining or platform is None:  # the installation left while its turn was being claimed
            with contextlib.suppress(StoreUnavailable, LeaseLost):
                await self._services.store.release(claim)
            return False
        task = asyncio.create_task(self._carry(claim, platform), name=f"turn {claim.key}")
        self._turns.add(task)
        task.add_done_callback(self._ended)
        return True

    async def _outlast(self) -> None:
        """Let running turns, here and elsewhere, get hold of the leases that ended while the store was away."""
        for installation in tuple(self._platforms):
            await self._services.store.ping(installation)
        for hold, _ in self._carried.values():
            hold.look()
        await asyncio.sleep(RENEWAL)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._turns.discard(task)
        self._wake.set()

    async def _carry(self, claim: Claim, platform: Platform) -> None:
        hold = HeldClaim(self._services.store, claim, self._lease)
        turn = TurnRun(self._services, platform, hold)
        self._carried[claim.key] = carried = hold, turn
        keeping = asyncio.create_task(hold.keep(), name=f"lease {claim.key}")
        try:
            await turn.run()
        except Exception:
            # The lease ends by itself and the next claim counts: a turn that always fails ends with an apology.
            log.exception(
                "turn failed", extra={"conversation": str(claim.key), "turn": claim.turn_id, "claim": claim.claims}
            )
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})
            if self._carried.get(claim.key) is carried:
                del self._carried[claim.key]

    async def _comfort(self) -> None:
        """Show those who wait that they were heard, while no hand is free here."""
        while not self._draining:
            if len(self._turns) >= self._limit:
                await self._waiting.show()
            await asyncio.sleep(LOOK)

    async def _attend(self) -> None:
        """Tell who is alive, and let pacing know how many are, and thereby that the store answers."""
        platforms, store = self._platforms.keys(), self._services.store
        try:
            while True:
                with contextlib.suppress(StoreUnavailable):
                    self._services.pacer.share(max(1, await store.attend(platforms, self._name, ATTENDANCE)))
                await asyncio.sleep(ATTENDANCE / 3)
        finally:
            with contextlib.suppress(StoreUnavailable):
                await store.attend(platforms, self._name, 0.0)

    async def _listen(self) -> None:
        """Hear the signals of every installation; of others as soon as one comes or goes."""
        heard = frozenset(self._platforms)
        hearing = asyncio.create_task(self._hear(heard), name="hearing")
        try:
            while heard == frozenset(self._platforms) and not hearing.done():
                await asyncio.wait({hearing}, timeout=SWEEP)
        finally:
            hearing.cancel()
            await asyncio.wait({hearing})
        if not hearing.cancelled():
            hearing.result()

    async def _hear(self, installations: Collection[str]) -> None:
        with contextlib.suppress(StoreUnavailable):
            async for signal in self._services.store.signals(installations):
                if signal.kind == "ready":
                    self._wake.set()
                elif signal.key is not None and signal.key in self._carried:
                    hold, turn = self._carried[signal.key]
                    if signal.kind == "deleted":
                        turn.deleted(signal.message_id)
                    else:
                        hold.look()
