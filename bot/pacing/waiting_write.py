"""A write that waits, how urgent it is, and what it must leave to others. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from bot.pacing.bucket import Bucket
from bot.pacing.live_reply import LiveReply, Urgency
from bot.ports import Room

_KEPT_PER_REPLY: Final = 0.6
_KEPT_FROM_FIRST: Final = 0.4
_AGED: Final = 15.0
_NEAR: Final = 10.0

BRIEF: Final = 0.5
"""Seconds an ending may wait for a token without being noticed: what comes in again by then counts as left."""


def soon(bucket: Bucket) -> float:
    """Seconds within which what comes in again counts as left for endings: where few calls are all there are."""
    return BRIEF if bucket.rate_limit.window <= _NEAR else 0.0


def room(bucket: Bucket, urgency: Urgency) -> Room:
    """What a write of that urgency leaves in the bucket for the endings of live replies."""
    if urgency is Urgency.ENDING:
        return Room(0.0, 0.0, 0.0, 0.0)
    most = bucket.burst - 2.0
    if urgency is Urgency.FIRST:
        # Where the next window is near, readers who see nothing wait for a whole one if a call is kept from them.
        share = _KEPT_FROM_FIRST if bucket.rate_limit.window > _NEAR else 0.0
        return Room(_KEPT_PER_REPLY * share, most * share, 0.0, soon(bucket))
    # The last token is no interim edit's: an ending would have to wait for the next.
    return Room(_KEPT_PER_REPLY, most, min(1.0, bucket.burst - 1.0), soon(bucket))


@dataclass(slots=True, eq=False)
class PendingWrite:
    """One write that wants to go.

    Attributes:
        choices: the ways to write, the preferred first; a way spends from all of its buckets.
        who: whose write it is.
        since: when it was asked for (s).
        fallback_after: seconds the first way may make it wait before another is taken.
        order: breaks ties.
        granted: the index of the way it may go; -1 while it waits.
        granted_at: when that was decided.
        due: when to look at it again.
        entry: what the workers' common shared counter knows its grant by; empty while it does not.
    """

    choices: tuple[tuple[Bucket, ...], ...]
    who: LiveReply | Urgency
    since: float
    fallback_after: float
    order: int
    granted: int = -1
    granted_at: float = 0.0
    due: float = math.inf
    entry: str = ""
    _deferred: dict[int, tuple[Urgency, float]] | None = None

    @property
    def way(self) -> tuple[Bucket, ...]:
        """What the way it may go spends from."""
        return self.choices[self.granted]

    def buckets(self) -> set[Bucket]:
        """All it may spend from."""
        return {bucket for choice in self.choices for bucket in choice}

    def urgency(self, now: float) -> Urgency:
        """How urgent it is now; housekeeping does not wait for ever."""
        if isinstance(self.who, LiveReply):
            if self.who.closed and self.who.urgency is Urgency.INTERIM:
                return Urgency.HOUSEKEEPING
            return self.who.urgency
        if self.who is Urgency.HOUSEKEEPING and now - self.since >= _AGED:
            return Urgency.FIRST
        return self.who

    @property
    def urgent_since(self) -> float:
        """When it was asked for, or when its reply ended meanwhile."""
        if isinstance(self.who, LiveReply) and self.since < self.who.ended_at < math.inf:
            return self.who.ended_at
        return self.since

    def rank(self, now: float) -> tuple[int, float, int]:
        """Sorts before what is less urgent."""
        urgency = self.urgency(now)
        if isinstance(self.who, LiveReply):
            if urgency is Urgency.INTERIM:
                return urgency, -self.who.area(now), self.order
            if urgency is Urgency.ENDING:
                return urgency, self.who.ended_at, self.order
        return urgency, self.since, self.order

    def defer(self, way: int, until: float, now: float) -> None:
        """Do not go this way before `until`, unless it becomes more urgent."""
        self._deferred = self._deferred or {}
        self._deferred[way] = (self.urgency(now), until)

    def deferred(self, way: int, urgency: Urgency) -> float:
        """Until when it may not go this way; infinitely long ago mostly."""
        if self._deferred is None:
            return -math.inf
        then, until = self._deferred.get(way, (urgency, -math.inf))
        return until if urgency >= then else -math.inf
