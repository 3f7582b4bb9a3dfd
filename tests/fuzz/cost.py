"""Whether a piece of work costs no more than its length: processor time against processor time, in the same run."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

MOST = 2.6
"""How many times as much twice the text may cost."""

FLOOR = 0.02
"""Seconds of processor time below which nothing is measured: clocks and caches would decide."""

TRIES = 6
PARTS = (1.0, 0.85, 0.7, 0.55, 0.4)


def spent(work: Callable[[], object]) -> float:
    """Return the processor seconds that `work` takes in this thread."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _spent_on(work: Callable[[str], object], text: str) -> float:
    return spent(lambda: work(text))


def _factor(work: Callable[[str], object], make: Callable[[int], str], length: int) -> float:
    """Return by what factor twice the length costs more, where that is too much; 0 where it is not.

    A page that is full of noise costs less than one that is nearly so. Therefore the longer text is held against the
    dearest of several shorter ones, by their length.

    Args:
        work: what is done with a text; it may remember nothing.
        make: makes a text of a length.
        length: characters of the longest of the shorter texts.
    """
    shorter = [(part, make(round(length * part))) for part in PARTS]
    long = make(2 * length)
    once = twice = float("inf")
    gc.disable()  # a collection falls on whoever comes by
    try:
        for _ in range(TRIES):
            twice = min(twice, spent(lambda: work(long)))
            if twice < FLOOR:
                return 0.0
            once = min(once, max(_spent_on(work, text) / part for part, text in shorter))
            if twice <= MOST * once:
                return 0.0
    finally:
        gc.enable()
    return twice / once


def grows_too_fast(work: Callable[[str], object], make: Callable[[int], str], length: int) -> float:
    """Return by what factor twice the length costs more, where that is too much at this length and at twice it; else 0.

    What costs more than its length does so at any length. A step that only one length meets, such as one page more,
    or a machine that was busy, is no such growth.
    """
    return _factor(work, make, length) and _factor(work, make, 2 * length)
