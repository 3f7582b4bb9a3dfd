"""What a platform has let through so far, so that a limit lower than stated refuses one call and not several. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from bot.pacing.bucket import Bucket

_SURE: Final = 0.5
_APART: Final = 0.25
_SHORT: Final = 2.0


@dataclass(slots=True)
class LimitProbe:
    """How far one bucket's stated limit is proven.

    More calls in a window than half of what is stated, and than ever went through, go so far apart that the answer to
    one is mostly known before the next. A window so short that this would hold up more than it saves is not tried.
    """

    _proven: int = 0
    _last: float = -math.inf

    def due(self, bucket: Bucket, now: float) -> float:
        """When the next call may go as far as this is concerned; `now` mostly."""
        calls, window, _ = bucket.stated
        if window < _SHORT or bucket.out(now) < max(self._proven, math.floor(calls * _SURE)):
            return now
        return max(now, self._last + _APART)

    def sending(self, bucket: Bucket, now: float) -> None:
        """Note that a call goes; those before it went through if none of them was refused until now."""
        if now - self._last >= _APART:
            self._proven = max(self._proven, bucket.out(now))
        self._last = now

    def refused(self) -> None:
        """Note that a call was refused."""
        self._proven = 0
