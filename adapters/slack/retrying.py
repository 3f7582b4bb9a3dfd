"""Waiting for the store where nobody could be told that it is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.backoff import growing
from bot.errors import StoreUnavailable
from bot.log_limit import LimitedLog

log = logging.getLogger(__name__)
trouble = LimitedLog(log)

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between tries; doubled each time."""


async def until_stored(job: Callable[[], Awaitable[T]]) -> T:
    """Do `job`, which may be repeated, until it does not raise StoreUnavailable; return what it returned."""
    pauses = growing(FIRST_PAUSE, LONGEST_PAUSE)
    while True:
        try:
            return await job()
        except StoreUnavailable as error:
            trouble.warning("store", "the store does not answer, trying again", error=str(error))
            await asyncio.sleep(next(pauses))
