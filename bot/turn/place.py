"""Makes the place of an answer ready: opens the thread it goes to, or turns to a reply where that takes too long."""

from __future__ import annotations

import logging
from dataclasses import replace

from bot.conversation import Place
from bot.pacing import Urgency
from bot.ports import Write
from bot.turn.writer import Writer

log = logging.getLogger(__name__)

OPEN_FALLBACK = 2.0
"""Seconds an answer waits until a thread may be opened for it; where it is longer, the answer is a reply instead."""


async def opened(writer: Writer, place: Place, title: str) -> Place:
    """Open `place` and return where to write. Raises PlatformError where nothing can be written at all."""
    platform = writer.platform
    ways = (platform.rate_limits(Write.OPEN, place), ())
    if await writer.pacer.admit_any(ways, Urgency.FIRST, fallback_after=OPEN_FALLBACK):
        log.info("too many threads are being opened there, replying instead", extra={"channel": place.channel})
        return replace(place, reply_to=place.root, root=None)
    return await writer.once(platform.open(place, title))
