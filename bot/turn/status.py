"""The platform's own "is thinking" while there is no text: shown at once, kept up, gone when the first text comes.

Best effort: a status that cannot be shown costs nothing but a debug line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from bot.conversation import Place
from bot.errors import PlatformError, RateLimited
from bot.ports import ShowsStatus
from bot.turn import phrases
from bot.turn.writer import Writer

log = logging.getLogger(__name__)


class Status:
    """The status of one turn; without a platform that shows one it does nothing."""

    def __init__(self, platform: ShowsStatus | None, writer: Writer) -> None:
        self._platform = platform
        self._writer = writer
        self._place: Place | None = None
        self._again = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    def show(self, place: Place) -> None:
        """Show the status there, or show it again (posting a message takes it away on some platforms)."""
        self._place = place
        self._again.set()
        if self._task is None and self._platform is not None:
            self._task = asyncio.create_task(self._keep_up(self._platform, place, self._ending), name="status")

    def hide(self) -> None:
        """Take the status away; returns at once."""
        if self._task is not None:
            self._task.cancel()
            self._task, self._ending = None, self._task

    async def close(self) -> None:
        """Take the status away and wait until it went."""
        self.hide()
        if self._ending is not None:
            await asyncio.wait({self._ending})

    async def _keep_up(self, platform: ShowsStatus, place: Place, before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await asyncio.wait({before})
            while True:
                self._again.clear()
                place = self._place or place
                try:
                    await self._writer.once(platform.show_status(place, phrases.STATUS))
                except RateLimited as error:
                    await asyncio.sleep(error.retry_after or platform.status_lasts)
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(platform.status_lasts):
                        await self._again.wait()
        except PlatformError as error:
            log.debug("no status", extra={"error": str(error)})
        finally:
            with contextlib.suppress(PlatformError):
                await self._writer.once(platform.clear_status(place))
