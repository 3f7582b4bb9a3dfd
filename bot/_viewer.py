"""How far the readers of one live reply are behind. Noted at every delta, so it costs next to nothing; never waits."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Final

_SHORT: Final = 0.25
_LONG: Final = 3.0


class Urgency(enum.IntEnum):
    """Which writes go before which."""

    ENDING = 0
    """Finals and interruption notes."""
    FIRST = 1
    """Placeholders and first text."""
    INTERIM = 2
    """Text that goes on."""
    HOUSEKEEPING = 3
    """Stubs to remove, notices."""


class Viewer:
    """The readers of one live reply. Made by `Pacer.viewer()`; `close()` when the reply is done.

    Attributes:
        unseen: characters received and not yet shown.
    """

    __slots__ = (
        "_area",
        "_at",
        "_changed",
        "_clock",
        "_closed",
        "_fast",
        "_marked",
        "_received",
        "_shown",
        "_slow",
        "ended_at",
        "on_close",
        "poke_at",
        "unseen",
    )

    def __init__(
        self, clock: Callable[[], float], changed: Callable[[Viewer], None], on_close: Callable[[Viewer], None]
    ) -> None:
        self._clock = clock
        self._changed = changed
        self.on_close = on_close
        self.unseen = 0
        self.ended_at = math.inf
        self.poke_at = math.inf
        self._received = 0
        self._shown = 0
        self._area = 0.0
        self._at = clock()
        self._fast = 0.0
        self._slow = 0.0
        self._marked = (0, 0.0, 0, 0.0)
        self._closed = False

    def received(self, chars: int) -> None:
        """Note a delta of that many characters. Costs well below a microsecond, unless somebody waits for it."""
        now = self._clock()
        elapsed = now - self._at
        self._at = now
        self._area += self.unseen * elapsed
        self._fast = self._fast / (1.0 + elapsed / _SHORT) + chars / _SHORT
        self._slow = self._slow / (1.0 + elapsed / _LONG) + chars / _LONG
        self._received += chars
        self.unseen += chars
        if self.unseen >= self.poke_at:
            self._changed(self)

    def mark(self, now: float) -> None:
        """A write was let go at `now`: what arrives from here on is not in it."""
        self._marked = (self._received, now, self.unseen, self.area(now))

    def shown(self, total_chars: int) -> None:
        """Note that an edit returned and that `total_chars` of all received are shown now."""
        now = self._clock()
        area = self.area(now)
        received, at, unseen, before = self._marked
        total = min(max(total_chars, self._shown), self._received)
        rest = self._received - total
        since = self._received - received
        if total >= received > self._shown or (received and total >= received):
            later = max(0.0, area - before - unseen * (now - at))
            area = later * rest / since if since else 0.0
        elif self.unseen:
            area *= rest / self.unseen
        self._area = area
        self._at, elapsed = now, now - self._at
        self._fast /= 1.0 + elapsed / _SHORT
        self._slow /= 1.0 + elapsed / _LONG
        self._shown = total
        self.unseen = rest
        self._changed(self)

    def end(self) -> None:
        """Note that the stream ended: what waits for this reply goes before everything else, from now on."""
        if self.ended_at == math.inf:
            self.ended_at = self._clock()
            self._changed(self)

    def close(self) -> None:
        """Leave the live replies. Repeating it is harmless."""
        if not self._closed:
            self._closed = True
            self.on_close(self)

    def area(self, now: float) -> float:
        """Characters × seconds that have gone by unseen."""
        return self._area + self.unseen * (now - self._at)

    def rates(self, now: float) -> tuple[float, float]:
        """Characters a second arriving of late: over about a quarter of a second, and over some seconds."""
        elapsed = now - self._at
        return self._fast / (1.0 + elapsed / _SHORT), self._slow / (1.0 + elapsed / _LONG)

    @property
    def sent_at(self) -> float:
        """When a write of this reply was last let go."""
        return self._marked[1]

    @property
    def urgency(self) -> Urgency:
        """What a write of this reply is now."""
        if self.ended_at < math.inf:
            return Urgency.ENDING
        return Urgency.INTERIM if self._shown else Urgency.FIRST
