"""The one place at Discord's gateway: of all processes that could listen, one does, and the others stand by.

Discord sends every event to each connection of an application, and allows 1,000 new sessions a day. So whoever listens
leads by a lease in the store. One that dies or leaves is replaced by another, which reads what was missed; one that
slept through its lease hangs up. While the store is away everybody stays as they are: who listens keeps what comes in,
and who stands by lets them ask first when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets

from bot.errors import StoreUnavailable
from bot.ports import ChoosesLeader, Inbox

log = logging.getLogger(__name__)

LOOK = 1.0
"""Seconds between two looks of who stands by at whether the place is free."""

RETRY = 0.5
"""Seconds between two tries to keep the place while the store does not answer."""

OUTLAST = 6.0
"""Seconds for which nobody new takes the place after an outage: a call of who has it may hang for almost as long."""


class Leadership:
    """This process's part in it. Where the inbox chooses nobody there are no others, and the place is always its own.

    Args:
        inbox: chooses.
        installation: whose events they are.
        lasts: seconds after which the place of one that gives no sign of life is free.
    """

    def __init__(self, inbox: Inbox, installation: str, lasts: float) -> None:
        self._inbox = inbox if isinstance(inbox, ChoosesLeader) else None
        self._installation = installation
        self._lasts = lasts
        self._name = secrets.token_hex(6)
        self.standing_by = asyncio.Event()
        """Set while another process listens."""

    async def take(self) -> None:
        """Return when the place is ours."""
        away = False
        while True:
            try:
                if away:
                    await self._ask(0.0)
                    await asyncio.sleep(OUTLAST)
                    away = False
                if await self._ask(self._lasts):
                    break
            except StoreUnavailable as error:
                if not away:
                    log.warning("the store does not tell who listens to Discord", extra={"error": str(error)})
                away = True
            else:
                if not self.standing_by.is_set():
                    log.info("another process listens to Discord, this one stands by")
                self.standing_by.set()
            await asyncio.sleep(LOOK)
        self.standing_by.clear()

    async def keep(self) -> None:
        """Return when another process has the place."""
        pause = self._lasts / 3
        while True:
            await asyncio.sleep(pause)
            try:
                if not await self._ask(self._lasts):
                    log.warning("another process has begun to listen to Discord, this one hangs up")
                    return
            except StoreUnavailable:
                pause = min(RETRY, self._lasts / 3)
            else:
                pause = self._lasts / 3

    async def leave(self) -> None:
        """Give the place up, if it is ours, to whoever stands by."""
        self.standing_by.clear()
        with contextlib.suppress(StoreUnavailable):
            await self._ask(0.0)

    async def _ask(self, lasts: float) -> bool:
        return self._inbox is None or await self._inbox.lead(self._installation, self._name, lasts)
