"""When a silent stream is given up: one lazy timer a stream, so that a delta costs no timer of its own.

The HTTP client's own read time-out is not enough: pings reset it, and a response whose framing is broken can leave the
reader waiting with that timer switched off.
"""

from __future__ import annotations

import asyncio


class Watch:
    """Times out the read that goes on when no byte came for `silence` seconds or no progress for `stall`.

    Time in which nobody reads does not count: what arrived meanwhile waits in a buffer.

    Args:
        silence: seconds without a byte.
        stall: seconds without progress, whatever bytes come.
    """

    def __init__(self, silence: float, stall: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._silence, self._stall = silence, stall
        self._heard = self._progress = self._loop.time()
        self._timer = self._loop.call_at(self._due(), self._look)
        self.reading: asyncio.Timeout | None = None
        """The scope of the read that goes on; None while nobody reads."""
        self.reason = ""
        """Why the read was timed out; empty when it was not."""

    def note(self, *, progress: bool) -> None:
        """Bytes arrived, with or without progress in them."""
        self._heard = self._loop.time()
        if progress:
            self._progress = self._heard

    def stop(self) -> None:
        """Watch no longer."""
        self._timer.cancel()

    def _due(self) -> float:
        return min(self._heard + self._silence, self._progress + self._stall)

    def _look(self) -> None:
        now = self._loop.time()
        if self.reading is None:
            self._heard = self._progress = now
        elif now >= self._due():
            silent = now >= self._heard + self._silence
            self.reason = (
                f"Claude's service sent nothing for {self._silence:g} s."
                if silent
                else f"Claude made no progress for {self._stall:g} s."
            )
            self.reading.reschedule(now)
            return
        self._timer = self._loop.call_at(self._due(), self._look)
