"""Fetches what was written while Slack could not deliver it: after a start, and after connections that were away.

Slack delivers an event again for some minutes only. So the store keeps a cursor, the time of the last event that was
taken in, and when that is older, the time since then is read from Slack's history. While anything may be missing the
cursor stays. Of several processes one reads at a time, by a lease in the store, and the others then find nothing to do.

The first start ever answers nothing old. It sets the cursor to whole seconds, which no time of Slack's is, and before
such a cursor nothing is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from adapters.slack.fields import is_time
from adapters.slack.history import LOOK_BACK
from adapters.slack.retrying import until_stored
from bot.errors import StoreUnavailable
from bot.log_limit import LimitedLog
from bot.ports import ChoosesLeader, Inbox, KnowsDirects

log = logging.getLogger(__name__)

REDELIVERED = 300.0
"""Seconds for which Slack surely delivers again what nobody acknowledged: at once, after one minute and after five."""

OVERLAP = 420.0
"""Seconds read again before the cursor: an event of then may have been refused, and Slack gave it up since."""

SAVE_EVERY = 5.0
"""Seconds between two writes of the cursor."""

LEASE = 30.0
"""Seconds after which another process may read in place of one that gives no sign of life."""

LOOK = 1.0
"""Seconds between two looks at whether another process has done with reading."""


class Reads(Protocol):
    """What reads Slack's history: `missed.Missed`."""

    async def read(self, since: float, directs: Iterable[str]) -> None:
        """Hand on what was written after `since` (Unix s), as far back as is answered. Raises nothing."""
        ...


class Backfill:
    """Says when to read, and from when on; keeps the cursor.

    Args:
        installation: whose messages they are.
        inbox: keeps the cursor and chooses who reads.
        missed: reads.
        clock: Unix seconds.
    """

    def __init__(
        self, installation: str, inbox: Inbox, missed: Reads, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._installation = installation
        self._inbox = inbox
        self._leader = inbox if isinstance(inbox, ChoosesLeader) else None
        self._name = secrets.token_hex(6)
        self._missed = missed
        self._clock = clock
        self._trouble = LimitedLog(log)
        self._gap = 1  # counts the times from which on something may be missing
        self._over = 0  # the last one that is over: events can come in again
        self._filled = 0  # the last one after which nothing is missing any more
        self._surely = False  # Slack may not deliver again what is missing
        self._heard = self._saved = "0"
        self._before_silence: float | None = None  # the last event before the latest silence that may be an outage
        self._from: float | None = None  # from when on something is missing, if not from the cursor on
        self._begun = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._saver: asyncio.Task[None] | None = None

    @property
    def pending(self) -> bool:
        """Whether messages may still be missing: the cursor must not be moved."""
        return self._filled != self._gap

    def hold(self) -> None:
        """Something may be missing from now on, until `begin`."""
        self._gap += 1

    def begin(self, *, surely: bool = False) -> None:
        """Events can come in (again): read what was missed.

        Args:
            surely: whether something may be missing that Slack does not deliver again, however short the time was.
        """
        self.hold()
        self._over = self._gap
        self._surely |= surely
        self._begun.set()
        if self._reader is None:
            self._reader = asyncio.create_task(self._work(), name="slack history")

    def late(self) -> None:
        """An event comes that could not be delivered for a while: so could others, which Slack gave up."""
        self._from, self._before_silence = self._before_silence or self._from, None
        self.begin()

    def heard(self, ts: str) -> None:
        """An event of that time was taken in."""
        if not is_time(ts) or not float(self._heard) < float(ts) <= self._clock() + LOOK_BACK:
            return
        if 0.0 < float(self._heard) < float(ts) - REDELIVERED:
            self._before_silence = float(self._heard)
        self._heard = ts
        if self._saver is None and self._reader is not None:
            self._saver = asyncio.create_task(self._save_soon(), name="slack cursor")

    async def stop(self) -> None:
        """Read nothing more; what was not read is read after the next start."""
        tasks = [task for task in (self._reader, self._saver) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._reader = self._saver = None
        with contextlib.suppress(StoreUnavailable):
            await self._save()

    # --- reading --------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            await self._begun.wait()
            self._begun.clear()
            gap, surely, self._surely = self._over, self._surely, False
            try:
                await self._fill(surely)
            except Exception as error:  # noqa: BLE001 - whatever it is, events that come in must move the cursor again
                self._trouble.warning(type(error).__name__, "reading missed messages failed", exc_info=True)
            self._filled = gap
            await until_stored(self._save)

    async def _fill(self, surely: bool) -> None:
        """Read what is missing, unless Slack delivers it again or another process has read it meanwhile."""
        while (cursor := await self._cursor()) is not None:
            if not (surely or self._is_old(cursor)):
                return
            if await self._lead():
                try:
                    if await self._fill_as_leader(surely):
                        return
                finally:
                    await self._leave()
            await asyncio.sleep(LOOK)
        await self._move(str(math.ceil(self._clock())))

    async def _fill_as_leader(self, surely: bool) -> bool:
        """Read while we lead; returns whether it was done to its end."""
        cursor, began = await self._cursor() or 0.0, self._clock()
        if not (surely or self._is_old(cursor)):
            return True
        log.info("reading what was missed", extra={"seconds": round(began - cursor)})
        directs = self._inbox.directs if isinstance(self._inbox, KnowsDirects) else None
        known = await until_stored(lambda: directs(self._installation)) if directs else ()
        since = cursor if cursor.is_integer() else cursor - OVERLAP
        reading = asyncio.create_task(self._missed.read(since, known))
        keeping = asyncio.create_task(self._keep_leading())
        try:
            await asyncio.wait({reading, keeping}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                log.warning("another process reads what was missed, this one stops reading")
                return False
            await reading
        finally:
            for task in (reading, keeping):
                task.cancel()
            await asyncio.gather(reading, keeping, return_exceptions=True)
        self._from = self._before_silence = None
        await self._move(f"{began - LOOK_BACK:.6f}")
        return True

    def _is_old(self, cursor: float) -> bool:
        return self._clock() - cursor >= REDELIVERED

    async def _lead(self) -> bool:
        leader = self._leader
        return leader is None or await until_stored(lambda: leader.lead(self._installation, self._name, LEASE))

    async def _keep_leading(self) -> None:
        """Return when another process leads."""
        while True:
            await asyncio.sleep(LEASE / 3)
            if not await self._lead():
                return

    async def _leave(self) -> None:
        if self._leader is not None:
            with contextlib.suppress(StoreUnavailable):
                await self._leader.lead(self._installation, self._name, 0.0)

    # --- the cursor -----------------------------------------------------------------------------------------

    async def _cursor(self) -> float | None:
        """From when on something may be missing (Unix s); None at the first start ever."""
        cursor = await until_stored(lambda: self._inbox.cursor(self._installation))
        if cursor is None:
            return None
        return float(cursor) if self._from is None else min(float(cursor), self._from)

    async def _move(self, ts: str) -> None:
        await until_stored(lambda: self._inbox.move_cursor(self._installation, ts))

    async def _save_soon(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY)
            with contextlib.suppress(StoreUnavailable):
                await self._save()

    async def _save(self) -> None:
        heard = self._heard
        if not self.pending and heard != self._saved:
            await self._inbox.move_cursor(self._installation, heard)
            self._saved = heard
