"""How far the readers of one live reply are behind. Noted at every delta, so it costs next to nothing; never waits."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Final

_CLUMP: Final = 0.25
_TREND: Final = 3.0
_YOUNG: Final = 9.0
_PAUSE: Final = 3.0
_FIRST_GAP: Final = 0.05
_FIRST_PAUSE: Final = 0.3


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
    """The readers of one live reply. Made by `Pacer.viewer()`; `close()` it when the reply is done.

    Args:
        clock: seconds.
        changed: told when something happened that a waiting write may be waiting for.
        left: told once, when the reply leaves.

    Attributes:
        unseen: characters received and not yet shown.
        ended_at: when the stream ended; infinite before.
        sent_at: when a write of this reply was last let go.
        poke_at: with this many characters unseen, `changed` is told.
        closed: whether the reply has left.
    """

    __slots__ = (
        "_area",
        "_at",
        "_changed",
        "_clock",
        "_clump",
        "_first_at",
        "_gap",
        "_last_at",
        "_left",
        "_pause",
        "_received",
        "_sent",
        "_shown",
        "_trend",
        "closed",
        "ended_at",
        "poke_at",
        "sent_at",
        "unseen",
    )

    def __init__(
        self, clock: Callable[[], float], changed: Callable[[Viewer], None], left: Callable[[Viewer], None]
    ) -> None:
        self._clock = clock
        self._changed = changed
        self._left = left
        self.unseen = 0
        self.ended_at = self.poke_at = math.inf
        self.sent_at = -math.inf
        self.closed = False
        self._received = self._shown = 0
        self._at = self._first_at = self._last_at = clock()
        self._area = self._clump = self._trend = 0.0
        self._gap, self._pause = _FIRST_GAP, _FIRST_PAUSE
        self._sent = (0, 0, 0.0)

    def received(self, chars: int) -> None:
        """Note a delta of that many characters. Costs well below a microsecond, unless it lets a write go."""
        now = self._clock()
        self._area += self.unseen * (now - self._at)
        self._at = now
        if not self._received:
            self._first_at = self._last_at = now
        silence = now - self._last_at
        self._last_at = now
        self._clump = self._clump / (1.0 + silence / _CLUMP) + chars / _CLUMP
        self._trend = self._trend / (1.0 + silence / _TREND) + chars / _TREND
        if silence > _PAUSE * self._gap:
            self._pause += 0.2 * (silence - self._pause)
            self._gap *= 1.1  # so that a stream that became slow is not all pauses for ever
        else:
            self._gap += 0.1 * (silence - self._gap)
        self._received += chars
        self.unseen += chars
        if self.unseen >= self.poke_at:
            self._changed(self)

    def shown(self, total_chars: int) -> None:
        """Note that an edit returned, and that `total_chars` of all that was received are shown now."""
        now = self._clock()
        area = self.area(now)
        sent, unseen, before = self._sent
        total = min(max(total_chars, self._shown), self._received)
        rest = self._received - total
        if total >= sent > self._shown:
            # What was sent waited until now; only what came after goes on waiting.
            since = self._received - sent
            area -= before + unseen * (now - self.sent_at)
            self._area = max(0.0, area) * rest / since if since else 0.0
        else:
            self._area = area * rest / self.unseen if self.unseen else 0.0
        self._at = now
        self._shown = total
        self.unseen = rest
        self._changed(self)

    def end(self) -> None:
        """Note that the stream ended: what this reply still writes goes before everything else from now on."""
        if self.ended_at == math.inf:
            self.ended_at = self._clock()
            self._changed(self)

    def close(self) -> None:
        """Leave the live replies. Repeating it is harmless."""
        if not self.closed:
            self.closed = True
            self._left(self)

    @property
    def urgency(self) -> Urgency:
        """What a write of this reply is now."""
        if self.ended_at < math.inf:
            return Urgency.ENDING
        return Urgency.INTERIM if self._shown else Urgency.FIRST

    def area(self, now: float) -> float:
        """Characters × seconds that have gone by unseen, of the text that is unseen at `now`."""
        return self._area + self.unseen * (now - self._at)

    def sending(self, now: float) -> None:
        """Note that a write was let go: it will show what is there now, and nothing that comes later."""
        self._sent = (self._received, self.unseen, self.area(now))
        self.sent_at = now

    def rate(self, now: float) -> float:
        """Characters a second: the mean of a young stream, of the last few seconds of an older one."""
        age = now - self._first_at
        if age < _YOUNG:
            return self._received / (age + 2.0 * self._gap)
        return self._trend / (1.0 + (now - self._last_at) / _TREND)

    def clumped(self) -> float:
        """Characters a second over the quarter of a second before the last delta: far above `rate` within a clump."""
        return self._clump

    def silence(self, now: float) -> tuple[float, float, float]:
        """Seconds since the last delta; between two deltas in ordinary flow; and of an ordinary pause in the flow."""
        return now - self._last_at, self._gap, self._pause
