"""What a running turn writes to the store: in order, through outages, and never in the reader's way.

Notes are written one after the other in the background. The outbox waits two seconds at most; the commit waits until
the store is back. A stale token ends everything: the hold is told, and nothing more is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol, TypeVar

from bot.backoff import growing
from bot.conversation import MessageRef, Turn
from bot.errors import LeaseLost, StoreUnavailable
from bot.ports import Claims, History, Mailbox, Part, StoredAnswer
from bot.turn.lease import HeldClaim, Order

log = logging.getLogger(__name__)

T = TypeVar("T")

OUTBOX_TIMEOUT = 2.0
"""Seconds the last edit waits for the outbox: a reader waits behind it."""

BACKOFF, BACKOFF_CAP = 0.2, 5.0


class Records(Claims, History, Mailbox, Protocol):
    """What a running turn writes and reads."""


class RecordWriter:
    """The records of one claim."""

    def __init__(self, store: Records, hold: HeldClaim) -> None:
        self._store = store
        self._hold = hold
        self._notes: deque[dict[str, Any]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self.posted: set[MessageRef] = set()
        """Every message that this claim posted."""
        self.unknown: list[Part] = []
        """Messages that were posted and could not be recorded, because another worker holds the turn."""
        self.finished = hold.claim.outcome is not None
        """Whether the turn's answer is in the outbox: any worker brings it to its end, in its attempt's messages."""
        self.offered = False
        """Whether the store was asked to take an answer of this claim: it may have, though nobody heard it say so."""

    def note(self, **record: Any) -> None:
        """Have `record` written soon (the arguments of `Claims.record`); returns at once."""
        if "part" in record:
            self.posted.add(record["part"].ref)
        self._notes.append(record)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_notes(), name="ledger")

    async def recorded(self, ref: MessageRef) -> bool:
        """Whether a message of ours was ever recorded, of any turn."""
        claim = self._hold.claim
        name = f"{ref.channel}:{ref.id}"
        return await self._through(lambda: self._store.key_of(claim.installation, name)) is not None

    async def ended(self) -> Turn | None:
        """How this turn ended, whoever ended it; None while that is not known. Raises StoreUnavailable."""
        turns = await self._store.load(self._hold.claim.key)
        return next((turn for turn in turns if turn.id == self._hold.claim.turn_id), None)

    async def confirm(self) -> None:
        """Return when the store says that the turn is still ours, however long that takes; raises as `commit` does."""
        await self._through(self._hold.confirm)

    async def finish(self, outcome: StoredAnswer) -> bool:
        """Put the answer into the outbox; False when the store did not answer in time. Raises LeaseLost."""
        self.offered = True
        try:
            with self._losing():
                async with asyncio.timeout(OUTBOX_TIMEOUT):
                    await self._noted()
                    await self._store.finish(self._hold.claim, outcome)
        except (TimeoutError, StoreUnavailable) as error:
            log.warning("the outbox cannot be written, delivering without it", extra={"error": str(error)})
            return False
        self.finished = True
        return True

    async def commit(self, turn: Turn | None, *, replaces: str | None = None) -> None:
        """End the turn in the store, however long that takes.

        Raises LeaseLost, and StoreUnavailable when the process shuts down during an outage.
        """
        self.offered = True
        await self._noted()
        await self._through(lambda: self._store.commit(self._hold.claim, turn, replaces=replaces))
        self._hold.end()

    async def release(self, delay: float = 0.0) -> None:
        """Give the turn back: what is not given back in time is taken when the lease ends. Raises LeaseLost."""
        try:
            with self._losing():
                async with asyncio.timeout(OUTBOX_TIMEOUT):
                    await self._noted()
                    await self._store.release(self._hold.claim, delay=delay)
        except (TimeoutError, StoreUnavailable) as error:
            log.warning("the turn could not be given back", extra={"error": str(error)})

    async def settle(self) -> None:
        """Wait, but not long, until all notes are written or refused."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OUTBOX_TIMEOUT):
                await self._noted()

    async def close(self) -> None:
        """Stop writing notes."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})

    async def _noted(self) -> None:
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def _write_notes(self) -> None:
        while self._notes:
            try:
                await self._through(lambda: self._store.record(self._hold.claim, **self._notes[0]))
            except LeaseLost:
                self.unknown += [record["part"] for record in self._notes if "part" in record]
                self._notes.clear()
                return
            except StoreUnavailable:
                self._notes.clear()
                return
            self._hold.claim = self._hold.claim.noted(**self._notes.popleft())

    @contextlib.contextmanager
    def _losing(self) -> Iterator[None]:
        """Tell the hold when a token turns out to be stale."""
        try:
            yield
        except LeaseLost:
            self._hold.give(Order.LOST)
            raise

    async def _through(self, call: Callable[[], Awaitable[T]]) -> T:
        pauses = growing(BACKOFF, BACKOFF_CAP)
        while True:
            try:
                with self._losing():
                    return await call()
            except StoreUnavailable as error:
                if self._hold.weightiest() is Order.DRAIN:
                    raise
                log.warning("the store does not answer, trying again", extra={"error": str(error)})
                # An order ends the first pause: a shutdown leaves no time to sit it out.
                rest = self._hold.pause if self._hold.weightiest() is None else asyncio.sleep
                await rest(next(pauses))
