"""Whether the store answers, for everybody in the process: found out by itself, whatever else happens or does not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

from bot.errors import StoreUnavailable
from bot.ports import Presence

log = logging.getLogger(__name__)

EVERY = 3.0
"""Seconds between two questions while it answers."""

AWAY = 0.5
"""Seconds between two questions while it does not."""


class StoreWatch:
    """Asks the store for a sign of life as long as `run` runs.

    Args:
        store: what is watched.
        installations: whose turns it keeps, live; those of each may lie on another node of a cluster.

    Attributes:
        answers: whether it did when it was asked last.
        outages: how often it was away: who keeps the number sees whether it was since.
    """

    def __init__(self, store: Presence, installations: Collection[str]) -> None:
        self.answers = True
        self.outages = 0
        self._store = store
        self._installations = installations

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                for installation in tuple(self._installations):
                    await self._store.ping(installation)
            except StoreUnavailable as error:
                self.failed(error)
            else:
                if not self.answers:
                    log.info("the store answers again")
                self.answers = True
            await asyncio.sleep(EVERY if self.answers else AWAY)

    def failed(self, error: StoreUnavailable) -> None:
        """Somebody asked it for something and it did not answer."""
        if self.answers:
            log.warning("the store does not answer; running answers go on", extra={"error": str(error)})
            self.outages += 1
        self.answers = False
