"""When a silent stream is given up: one lazy timer a stream, so that a delta costs no timer of its own.

The HTTP client's own read time-out is not enough: pings reset it, and a response whose framing is broken can leave the
reader waiting with that timer switched off.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable


class Silent(TimeoutError):
    """A stream was silent, or made no progress, for too long; its text says for how long."""


class Watch:
    """Gives the read that goes on up when no byte came for `silence` seconds, no progress for `stall`, or at `longest`.

    Time in which nobody reads does not count as silence or stall: what arrived meanwhile waits in a buffer.

    Args:
        silence: seconds without a byte.
        stall: seconds without progress, whatever bytes come.
        give_up: makes the read raise what it is given.
        longest: seconds for the whole stream, however well it goes on.
    """

    def __init__(
        self, silence: float, stall: float, give_up: Callable[[Silent], None], *, longest: float = math.inf
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._silence, self._stall, self._give_up, self._longest = silence, stall, give_up, longest
        self._heard = self._progress = self._loop.time()
        self._ends = self._heard + longest
        self._timer = self._loop.call_at(self._due(), self._look)
        self.reading = False
        """Whether a read goes on."""

    def note(self, *, progress: bool) -> None:
        """Bytes arrived, with or without progress in them."""
        self._heard = self._loop.time()
        if progress:
            self._progress = self._heard

    def stop(self) -> None:
        """Watch no longer."""
        self._timer.cancel()

    def _due(self) -> float:
        return min(self._heard + self._silence, self._progress + self._stall, self._ends)

    def _look(self) -> None:
        now = self._loop.time()
        if now >= self._ends:
            self._give_up(Silent(f"Claude's answer did not end within {self._longest:g} s."))
            return
        if not self.reading:
            self._heard = self._progress = now
        elif now >= self._heard + self._silence:
            self._give_up(Silent(f"Claude's service sent nothing for {self._silence:g} s."))
            return
        elif now >= self._progress + self._stall:
            self._give_up(Silent(f"Claude made no progress for {self._stall:g} s."))
            return
        self._timer = self._loop.call_at(self._due(), self._look)
