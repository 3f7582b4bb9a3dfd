"""What a worker knows of a bucket's shared counter: what the others said there, and what it entered itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class OtherWorkers:
    """What the shared counter that all workers share said of a bucket (see `bot.ports.rate_limits`).

    `replies` and `roots` are those of the other workers; `version` and `rest` name what is known of its calls and
    rests, the calls up to `known_at`; `told` is how many replies of ours the others were told of. `life` is the shared
    limits that was heard of at `heard_at`, and `entered` when the writes went that are ours, by their ids.
    """

    replies: int = 0
    roots: float = 0.0
    version: int = 0
    rest: int = 0
    life: int = 0
    told: int = 0
    known_at: float = -math.inf
    heard_at: float = -math.inf
    entered: dict[str, float] = field(default_factory=dict)

    def shares(self, workers: int) -> float:
        """How many times the share of a worker that is cut off the rate limit is: the shares of all add up to one.

        A worker's share is in proportion to its live replies and one more, since each may get new ones.
        """
        return (self.told + self.replies + max(workers, 2 if self.replies else 1)) / (self.told + 1)

    def forgot(self, life: int, now: float, window: float) -> bool:
        """Hear of the shared counter; returns whether it forgot what it knew less than `window` seconds ago."""
        known, heard_at = self.life, self.heard_at
        self.life, self.heard_at = life, now
        return known != life and now - heard_at < window

    def enter(self, id_: str, at: float, since: float) -> None:
        """A write of ours went, or will go, at `at`; what went before `since` counts no more."""
        self.entered[id_] = at
        while (oldest := next(iter(self.entered))) != id_ and self.entered[oldest] < since:
            del self.entered[oldest]
