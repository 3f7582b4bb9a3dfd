"""A claim held by this process: its lease renewed in time, and what people or the operator order meanwhile.

The turn asks `fence` before every write and waits for `ordered`; the worker passes signals in by `look`.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import time

from bot.errors import LeaseLost, StoreUnavailable
from bot.ports import Claim, TurnStore

log = logging.getLogger(__name__)


class Order(enum.IntEnum):
    """What a running turn must do, the weightier the higher."""

    DRAIN = 1  # the process shuts down: give the turn back
    EDITED = 2  # a person changed the question: give the turn back, its next claim asks the new one
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


class Hold(Orders):
    """One held claim.

    Args:
        store: where it was claimed.
        claim: what was claimed.
        lease: seconds; renewed every third of it.
    """

    def __init__(self, store: TurnStore, claim: Claim, lease: float) -> None:
        super().__init__()
        self.claim = claim
        self._store = store
        self._lease = lease
        self._until = claim.lease_until
        self._looking = asyncio.Lock()
        self._wake = asyncio.Event()
        if claim.stopped:
            self.give(Order.STOP)

    def look(self) -> None:
        """Ask the store now what was ordered: somebody changed this thread."""
        self._wake.set()

    async def keep(self) -> None:
        """Renew the lease until cancelled or lost."""
        while self._order is not Order.LOST:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._lease / 3):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._renew()
            except LeaseLost:
                return
            except StoreUnavailable as error:
                log.warning("cannot renew the lease, the answer goes on", extra={"error": str(error)})

    async def fence(self) -> None:
        """Return when a write may begin; raises LeaseLost when the turn is no longer ours.

        Near the lease's end the store is asked first: this process may have slept. When the store cannot be reached the
        write goes on, since a reader waits for it (two answers may then be seen, as the README says).
        """
        if self._order is Order.LOST:
            raise LeaseLost("another worker holds this turn")
        if time.monotonic() < self._until - self._lease / 3:
            return
        try:
            await self._renew()
        except StoreUnavailable:
            self._until = time.monotonic() + self._lease / 2

    async def _renew(self) -> None:
        async with self._looking:
            try:
                renewed = await self._store.renew(self.claim, self._lease)
            except LeaseLost:
                self.give(Order.LOST)
                raise
            self._until = renewed.until
            if renewed.stopped:
                self.give(Order.STOP)
            elif renewed.edited:
                self.give(Order.EDITED)
