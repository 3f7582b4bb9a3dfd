"""A claim held by this process: its lease renewed in time, and what people or the operator order meanwhile.

The turn asks `fence` before every write and waits for `ordered`; the worker passes signals in by `look`.

A write begins while a third of the lease or more is confirmed, and renewals go on while it is under way: however slow
the platform, no call outlives the lease of a process that is awake and reaches the store. Of one that falls asleep or
is cut off then, a call may (platforms are given 30 s). It is not cut short at the lease's end, which would leave its
outcome unknown each time the store is slow; the successor writes its note again when it commits (`bot.turn.abandoned`).
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import time
from collections.abc import Callable

from bot.errors import LeaseLost, StoreUnavailable
from bot.ports import Claim, Claims

log = logging.getLogger(__name__)


RETRY = 0.5
"""Seconds between renewals while the store does not answer."""

FENCE_TIMEOUT = 0.5
"""Seconds a write waits for a store that was silent for two thirds of the lease: a reader waits behind it."""


class Order(enum.IntEnum):
    """What a running turn must do, the weightier the higher."""

    DRAIN = 1  # the process shuts down: give the turn back
    EDITED = 2  # a person changed what is asked: give the turn back, its next claim asks the new one
    STOP = 3  # a person wants no more of it
    LOST = 4  # another worker holds it: write nothing more


class Orders:
    """What was ordered of one turn, the weightiest only.

    Attributes:
        ordered: set when there is an order.
    """

    def __init__(self) -> None:
        self.ordered = asyncio.Event()
        self._order: Order | None = None

    def give(self, order: Order) -> None:
        """Order the turn to do something; a lighter order than the one before changes nothing."""
        if self._order is None or order > self._order:
            self._order = order
            self.ordered.set()

    def weightiest(self) -> Order | None:
        """The weightiest order so far; None while there is none."""
        return self._order

    async def pause(self, seconds: float) -> None:
        """Wait, but not longer than until there is an order."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.ordered.wait()


class HeldClaim(Orders):
    """One held claim.

    Args:
        store: where it was claimed.
        claim: what was claimed.
        lease: seconds; renewed every third of it.
        clock: seconds, as those of `Claim.lease_until`; goes on while this process is stopped.
    """

    def __init__(
        self, store: Claims, claim: Claim, lease: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self.claim = claim
        self._store = store
        self._lease = lease
        self._until = claim.lease_until
        self._clock = clock
        self._awake = clock()
        self._slept = False
        self._over = False
        self._looking = asyncio.Lock()
        self._wake = asyncio.Event()
        if claim.stopped:
            self.give(Order.STOP)

    @property
    def lost(self) -> bool:
        """Whether another worker holds the turn."""
        return self.weightiest() is Order.LOST

    def look(self) -> None:
        """Ask the store now what was ordered: somebody changed this thread."""
        self._wake.set()

    def end(self) -> None:
        """The turn is committed: there is nothing to renew. A store that forgot all would be told of it anew."""
        self._over = True
        self._wake.set()

    async def keep(self) -> None:
        """Renew the lease until the turn ends, is lost or this is cancelled; while the store is away more often."""
        pause = self._lease / 3
        while self._order is not Order.LOST:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            if self._over:
                return
            self._wake.clear()
            self._look_at_clock()
            try:
                await self._renew()
            except LeaseLost:
                return
            except StoreUnavailable as error:
                if pause > RETRY:
                    log.warning("cannot renew the lease, the answer goes on", extra={"error": str(error)})
                pause = RETRY
            else:
                pause = self._lease / 3

    async def fence(self) -> None:
        """Return when a write may begin; raises LeaseLost when the turn is no longer ours.

        Near the lease's end the store is asked first. When it does not answer the write goes on, since a reader waits
        for it (two answers may then be seen, as the README says); but not when this process has slept, for then another
        worker had all the time to take over.
        """
        if self._order is Order.LOST:
            raise LeaseLost("another worker holds this turn")
        while self._clock() >= self._until - self._lease / 3:
            self._look_at_clock()
            try:
                async with asyncio.timeout(FENCE_TIMEOUT):
                    await self._renew()
            except (StoreUnavailable, TimeoutError):
                if not self._slept:
                    self._until = self._clock() + self._lease / 2
                    return
                await asyncio.sleep(RETRY)
            else:
                return

    async def confirm(self) -> None:
        """Return when the store says that the turn is ours; raises LeaseLost, and StoreUnavailable."""
        await self._renew()

    def _look_at_clock(self) -> None:
        """Notice whether this process has slept: awake, it comes by at least every third of the lease."""
        now = self._clock()
        self._slept = self._slept or now - self._awake > self._lease * 2 / 3
        self._awake = now

    async def _renew(self) -> None:
        async with self._looking:
            try:
                # A call that hangs is given up in time to tell a silent store from a process that slept.
                async with asyncio.timeout(self._lease / 3):
                    renewed = await self._store.renew(self.claim, self._lease)
            except TimeoutError:
                raise StoreUnavailable("The store did not answer in time.") from None
            except LeaseLost:
                self.give(Order.LOST)
                raise
            finally:
                self._look_at_clock()
            self._until, self._slept = renewed.until, False
            if renewed.stopped:
                self.give(Order.STOP)
            elif renewed.edited:
                self.give(Order.EDITED)
