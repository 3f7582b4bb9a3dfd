"""How long to wait before asking again: exponential with jitter, or what the other side asked for. Pure."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from bot.errors import LONGEST_PAUSE

LONGEST = 60.0
"""Seconds of it that are waited for while a person looks on."""

_MOST_DIGITS = 64  # characters of a header that may hold a time

_FIRST = 1.0  # s, upper end of the first wait
_CEILING = 20.0  # s, upper end of any wait nobody asked for
_SPREAD = 0.1  # of a Retry-After, added at random so that those told the same do not come back together


def backoff(attempt: int, retry_after: float | None = None, *, rng: random.Random) -> float:
    """Return the seconds to wait after failed attempt number `attempt`, counted from 1.

    Args:
        attempt: how many attempts failed so far; each doubles the wait, up to 20 s.
        retry_after: seconds the other side asked for, if it did; never undercut, except that 60 s are enough.
        rng: where the jitter comes from.
    """
    if retry_after is not None:
        asked = min(max(retry_after, 0.0), LONGEST)
        return asked + rng.uniform(0.0, _SPREAD * max(asked, _FIRST))
    ceiling = min(_CEILING, _FIRST * 2.0 ** min(max(attempt, 1) - 1, 16))
    return rng.uniform(ceiling / 2, ceiling)


def seconds_named(named: object, *, unit: float = 1.0, now: float | None = None) -> float | None:
    """Return the seconds that an answer asks to wait, at most `LONGEST_PAUSE`; None where it names no time.

    Args:
        named: the value of a `Retry-After` header (a number of seconds or a date, RFC 9110), or of a field in JSON.
            What is neither, not finite or below zero names no time.
        unit: seconds that a number counts.
        now: Unix seconds that a date is counted from; the system's clock when None.
    """
    number = _number(named)
    seconds = None if number is None else number * unit
    if seconds is None and isinstance(named, str) and any(map(str.isalpha, named[:_MOST_DIGITS])):
        seconds = _until(named[:_MOST_DIGITS], time.time() if now is None else now)
    return None if seconds is None else min(seconds, LONGEST_PAUSE)


def _number(named: object) -> float | None:
    if isinstance(named, bool) or not isinstance(named, (str, int, float)):
        return None
    try:
        value = float(named[:_MOST_DIGITS] if isinstance(named, str) else named)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _until(date: str, now: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def growing(first: float, longest: float) -> Iterator[float]:
    """Yield pauses in seconds without end: `first`, doubled each time up to `longest`, the second half of it random."""
    while True:
        yield random.uniform(first / 2, first)  # noqa: S311 - jitter
        first = min(2 * first, longest)
