"""What the operator must mend before answers can be written somewhere again."""

from __future__ import annotations

import time
from collections.abc import Callable

FRESH = 660.0
"""Seconds an alert stands unless it is met again: twice as long as a write is tried (`writer.RETRY_WINDOW`) and its
turn rests then (`turn.RETURN_DELAY`). Whoever takes that turn next may be another worker, and find all well."""


class Alerts:
    """Alerts by installation.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, tuple[float, str]] = {}

    def tell(self, installation: str, sentence: str) -> None:
        """Something is in the way there."""
        self._told[installation] = (self._clock() + FRESH, sentence)

    def clear(self, installation: str) -> None:
        """An answer was written there."""
        self._told.pop(installation, None)

    def of(self, installation: str) -> str:
        """What is in the way there; empty for nothing."""
        until, sentence = self._told.get(installation, (0.0, ""))
        return sentence if self._clock() < until else ""
