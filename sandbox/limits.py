"""How a platform may count its calls: token bucket, sliding or fixed window. Pure, with the clock passed in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

Counting = Literal["bucket", "sliding", "fixed", "anchored"]
"""A "fixed" window follows the clock's multiples; an "anchored" one opens with the first call after the last closed."""


@dataclass(slots=True)
class Limiter:
    """At most `calls` per `window` seconds, counted in one of these ways. A refused call does not count."""

    calls: int
    window: float
    counting: Counting = "sliding"
    _times: deque[float] = field(default_factory=deque)
    _level: float = -1.0
    _last: float = 0.0

    def admit(self, now: float) -> float:
        """Count one call at `now` (s). Returns 0.0 when it is let through, else seconds until one would be."""
        if self.counting == "bucket":
            rate = self.calls / self.window
            if self._level < 0:
                self._level = float(self.calls)
            else:
                self._level = min(float(self.calls), self._level + (now - self._last) * rate)
            self._last = now
            if self._level >= 1.0:
                self._level -= 1.0
                return 0.0
            return (1.0 - self._level) / rate
        if self.counting == "anchored":
            if self._times and now - self._times[0] >= self.window:
                self._times.clear()
            if len(self._times) < self.calls:
                self._times.append(now)
                return 0.0
            return max(0.001, self._times[0] + self.window - now)
        start = now - now % self.window if self.counting == "fixed" else now - self.window
        while self._times and self._times[0] <= start and not (self.counting == "fixed" and self._times[0] == start):
            self._times.popleft()
        if len(self._times) < self.calls:
            self._times.append(now)
            return 0.0
        return max(0.001, (start + self.window if self.counting == "fixed" else self._times[0] + self.window) - now)

    def state(self, now: float) -> tuple[int, float]:
        """Calls remaining and seconds until the window resets, as response headers tell them."""
        if self.counting == "bucket":
            level = (
                float(self.calls)
                if self._level < 0
                else min(float(self.calls), self._level + (now - self._last) * self.calls / self.window)
            )
            return int(level), (self.calls - level) * self.window / self.calls
        if self.counting == "anchored":
            if not self._times or now - self._times[0] >= self.window:
                return self.calls, 0.0
            return self.calls - len(self._times), self._times[0] + self.window - now
        start = now - now % self.window if self.counting == "fixed" else now - self.window
        live = [at for at in self._times if at > start or (self.counting == "fixed" and at == start)]
        reset = (
            (start + self.window - now) if self.counting == "fixed" else (live[0] + self.window - now if live else 0.0)
        )
        return self.calls - len(live), reset
