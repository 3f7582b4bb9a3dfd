"""How far the readers of one live reply are behind. Noted at every delta, so it costs next to nothing; never waits."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Final

_TREND: Final = 3.0
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


class LiveReply:
    """The readers of one live reply. Made by `Pacer.live_reply()`; `close()` it when the reply is done.

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
        "_changed",
        "_clock",
        "_clump",
        "_gap",
        "_last_at",
        "_left",
        "_marks",
        "_pause",
        "_sent",
        "_shown",
        "closed",
        "ended_at",
        "poke_at",
        "sent_at",
        "unseen",
    )

    def __init__(
        self, clock: Callable[[], float], changed: Callable[[LiveReply], None], left: Callable[[LiveReply], None]
    ) -> None:
        self._clock = clock
        self._changed = changed
        self._left = left
        self.unseen = self._shown = 0
        self.ended_at = self.poke_at = math.inf
        self.sent_at = -math.inf
        self.closed = False
        self._last_at = -math.inf
        self._area = 0.0  # as it was at the last delta
        self._gap, self._pause = _FIRST_GAP, _FIRST_PAUSE
        self._clump = (0.0, 0)
        self._marks = [(0.0, 0), (0.0, 0)]
        self._sent = (0, 0, 0.0)

    def received(self, chars: int) -> None:
        """Note a delta of that many characters. Costs well below a microsecond, unless it lets a write go."""
        now = self._clock()
        silence = now - self._last_at
        self._last_at = now
        if silence > _PAUSE * self._gap:
            self._resumed(now, silence)
        else:
            self._gap += 0.1 * (silence - self._gap)
            self._area += self.unseen * silence
        self.unseen = unseen = self.unseen + chars
        if unseen >= self.poke_at:
            self._changed(self)

    def _resumed(self, now: float, silence: float) -> None:
        """A delta came at `now`, the first or the first after a pause."""
        total = self._shown + self.unseen
        self._clump = (now, total)
        if silence == math.inf:
            self._marks = [self._clump, self._clump]
            return
        self._area += self.unseen * silence
        self._pause += 0.2 * (silence - self._pause)
        self._gap *= 1.1  # so that a stream that became slow is not all pauses for ever

    def shown(self, total_chars: int) -> None:
        """Note that an edit returned, and that `total_chars` of all that was received are shown now."""
        now = self._clock()
        received = self._shown + self.unseen
        area = self.area(now)
        sent, unseen, before = self._sent
        total = min(max(total_chars, self._shown), received)
        rest = received - total
        if total >= sent > self._shown:
            # What was sent waited until now; only what came after goes on waiting.
            since = received - sent
            area -= before + unseen * (now - self.sent_at)
            area = max(0.0, area) * rest / since if since else 0.0
        else:
            area = area * rest / self.unseen if self.unseen else 0.0
        self._shown, self.unseen = total, rest
        self._area = area - rest * (now - self._last_at) if rest else 0.0
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
        return self._area + self.unseen * (now - self._last_at) if self.unseen else 0.0

    def sending(self, now: float) -> None:
        """Note that a write was let go: it will show what is there now, and nothing that comes later."""
        self._sent = (self._shown + self.unseen, self.unseen, self.area(now))
        self.sent_at = now

    def rate(self, now: float) -> float:
        """Characters a second: the mean of a young stream, of the last few seconds of an older one."""
        older, newer = self._marks
        total = self._shown + self.unseen
        if now - newer[0] >= _TREND:
            self._marks = [newer, (now, total)]
        return (total - older[1]) / (now - older[0] + 2.0 * self._gap) if total else 0.0

    def clumped(self) -> float:
        """Characters a second since the last pause: far above `rate` within a clump."""
        began, before = self._clump
        return (self._shown + self.unseen - before) / (self._last_at - began + 2.0 * self._gap)

    def silence(self, now: float) -> tuple[float, float, float]:
        """Seconds since the last delta; between two deltas in ordinary flow; and of an ordinary pause in the flow."""
        return now - self._last_at, self._gap, self._pause
