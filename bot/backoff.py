"""How long to wait before asking again: exponential with jitter, or what the other side asked for. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator

LONGEST = 60.0
"""Seconds beyond which nobody's Retry-After is obeyed: a person is waiting, and some say hours."""

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


def growing(first: float, longest: float) -> Iterator[float]:
    """Yield pauses in seconds without end: `first`, doubled each time up to `longest`, the second half of it random."""
    while True:
        yield random.uniform(first / 2, first)  # noqa: S311 - jitter
        first = min(2 * first, longest)
