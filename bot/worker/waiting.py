"""Tells people that their message was taken while every worker's hands are full: typing or a status where they asked.

Best effort, a few calls at a time, and never for a turn that began: its own status is `bot.turn.status`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from bot.conversation import Place
from bot.errors import PlatformError, RateLimited, StoreUnavailable
from bot.ports import Mailbox, Platform, ShowsStatus
from bot.turn import WAITING

log = logging.getLogger(__name__)

REST = 60.0
"""Seconds without a status after a refusal for rate that names none."""


class Waiting:
    """The statuses of turns that wait; of all workers one shows each (see `Mailbox.waiting`).

    Args:
        store: where turns wait.
        platforms: where to show it, by installation, live; those that show none are left out.
    """

    def __init__(self, store: Mailbox, platforms: Mapping[str, Platform]) -> None:
        self._store = store
        self._platforms = platforms
        self._rests: dict[str, float] = {}

    async def show(self) -> None:
        """Show what is to be shown now; returns when every call has ended, also when it is cancelled meanwhile."""
        now = asyncio.get_running_loop().time()
        calls: set[asyncio.Task[None]] = set()
        try:
            for name, platform in tuple(self._platforms.items()):
                if isinstance(platform, ShowsStatus) and self._rests.get(name, 0.0) <= now:
                    for place in await self._store.waiting(name, platform.status_lasts):
                        calls.add(asyncio.create_task(self._show(name, platform, place), name=f"waiting {name}"))
        except StoreUnavailable as error:
            log.debug("cannot see who waits", extra={"error": str(error)})
        finally:
            while under_way := {call for call in calls if not call.done()}:
                await asyncio.wait(under_way)

    async def _show(self, name: str, platform: ShowsStatus, place: Place) -> None:
        try:
            await platform.show_status(place, WAITING)
        except PlatformError as error:
            log.debug("no status", extra={"error": str(error)})
            if isinstance(error, RateLimited):
                self._rests[name] = asyncio.get_running_loop().time() + (error.retry_after or REST)
