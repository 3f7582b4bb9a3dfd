"""Who may write now, and when to look again. Pure: takes `now` (s) and returns values; it never waits.

A write goes when every bucket it spends from has a token for it. Tokens go to the most urgent first: endings in the
order they ended, then replies that show nothing yet, then the reply with the largest unseen area (characters ×
seconds). Some tokens are kept back for the endings of the live replies. Among endings, one that waits for a second
bucket is not overtaken for the token it will need. When an interim edit is worth a token stands in `_worth`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Final

from bot.pacing.bucket import Bucket
from bot.pacing.live_reply import LiveReply, Urgency
from bot.pacing.probe import LimitProbe
from bot.pacing.timing import when_to_edit
from bot.pacing.waiting_write import PendingWrite, room, soon
from bot.ports import Observed, RateLimit

_HORIZON: Final = 10.0
_SPENT_OVER: Final = 7.0
_CUSHION: Final = 2.0
_FRESH: Final = 0.25
_FORGOTTEN_AT_ONCE: Final = 2
_NEAR: Final = 16
_SPARED: Final = 16
_EPSILON: Final = 1e-9


@dataclass(slots=True, eq=False)
class _Line:
    """Who lives on one bucket, who waits for it, and which endings will need it once another bucket lets them."""

    live_replies: set[LiveReply] = field(default_factory=set)
    waiting: set[PendingWrite] = field(default_factory=set)
    blocked: dict[PendingWrite, float] = field(default_factory=dict)
    probe: LimitProbe = field(default_factory=LimitProbe)
    roots: float = 0.0
    roots_at: float = -math.inf


class Schedule:
    """The buckets, the live replies and the waiting writes of one process.

    Args:
        shares: how many workers divide the rate limits.
    """

    def __init__(self, shares: int = 1) -> None:
        self._shares = max(1, shares)
        self._buckets: dict[str, Bucket] = {}  # least lately used first
        self._lines: dict[Bucket, _Line] = {}
        self._joined: dict[LiveReply, set[Bucket]] = {}
        self._pending_of: dict[LiveReply, set[PendingWrite]] = {}
        self._heap: list[tuple[float, int, PendingWrite]] = []
        self._numbers = count()
        self._waiting = 0

    # --- what is known ---------------------------------------------------------------------------------------

    def bucket(self, rate_limit: RateLimit, now: float) -> Bucket:
        """The bucket of that name. Making a new one forgets old ones that nobody uses and that are full."""
        bucket = self._buckets.pop(rate_limit.name, None)
        if bucket is None:
            # The latest are spared: the others of the same write were looked up a moment ago.
            for name in list(islice(self._buckets, min(_FORGOTTEN_AT_ONCE, max(0, len(self._buckets) - _SPARED)))):
                old = self._buckets.pop(name)
                line = self._lines[old]
                if line.live_replies or line.waiting or not old.idle(now):
                    self._buckets[name] = old
                else:
                    del self._lines[old]
            bucket = Bucket(rate_limit, self._shares, now)
            self._lines[bucket] = _Line()
        bucket.change(rate_limit, self._shares, now)
        self._buckets[rate_limit.name] = bucket
        return bucket

    def share(self, shares: int, now: float) -> None:
        """Divide every rate limit by that many workers."""
        self._shares = max(1, shares)
        for bucket in self._buckets.values():
            bucket.change(bucket.rate_limit, self._shares, now)
        self._stir(self._lines, now)

    def cut_off(self, workers: int, now: float) -> None:
        """Go on without knowing what the other workers do, on a share of every rate limit."""
        self._shares = workers
        for bucket in self._lines:
            bucket.cut_off(workers, now)
        self._stir(self._lines, now)

    def learned(self, bucket: Bucket, now: float) -> None:
        """It became known what other workers do on a bucket; one that was forgotten meanwhile is nobody's."""
        if bucket in self._lines:
            self._stir([bucket], now)

    def join_others(self, now: float) -> None:
        """Plan with whole rate limits again; what others spent is learned with the next answer."""
        self._shares = 1
        for bucket in self._lines:
            bucket.join_others(now)
        self._stir(self._lines, now)

    def join(self, live_reply: LiveReply, rate_limits: Sequence[RateLimit], now: float) -> None:
        """Count the reply as live on those rate limits, and on those of every write it asks for later."""
        joined = self._joined.setdefault(live_reply, set())
        for rate_limit in rate_limits:
            bucket = self.bucket(rate_limit, now)
            joined.add(bucket)
            self._lines[bucket].live_replies.add(live_reply)

    def leave(self, live_reply: LiveReply, now: float) -> None:
        """The reply is done: what was kept back for it is free."""
        freed = []
        for bucket in self._joined.pop(live_reply, ()):
            before = self._kept(bucket, Urgency.INTERIM)
            self._lines[bucket].live_replies.discard(live_reply)
            if self._kept(bucket, Urgency.INTERIM) < before:
                freed.append(bucket)
        self.changed(live_reply, now)
        self._stir(freed, now)

    def crowded(self, rate_limits: Sequence[RateLimit], now: float) -> bool:
        """Whether more replies live on one of the rate limits than may write at once, or within a second."""
        buckets = [self.bucket(rate_limit, now) for rate_limit in rate_limits]
        return any(
            len(self._lines[bucket].live_replies) + bucket.others.replies > max(bucket.burst, bucket.rate)
            for bucket in buckets
        )

    def demand(self, bucket: Bucket, now: float) -> tuple[int, float]:
        """How many replies live on the bucket here, and the sum of the roots of their rates (see `_spacing`)."""
        if (line := self._lines.get(bucket)) is None:
            return 0, 0.0
        if now - line.roots_at >= _FRESH:
            asking = {pending.who for pending in line.waiting}
            editing = [each for each in line.live_replies if each.sent_at > -math.inf or each in asking]
            line.roots = sum(math.sqrt(each.rate(now)) for each in editing if each.ended_at == math.inf)
            line.roots_at = now
        return len(line.live_replies), line.roots

    def buckets(self) -> tuple[Bucket, ...]:
        """All that are remembered."""
        return tuple(self._lines)

    def refused(self, rate_limits: Sequence[RateLimit], retry_after: float, now: float) -> None:
        """The platform refused a call on those rate limits."""
        for rate_limit in rate_limits:
            bucket = self.bucket(rate_limit, now)
            bucket.refused(retry_after, now)
            self._lines[bucket].probe.refused()

    def observe(self, observed: Observed, now: float) -> None:
        """The platform told how full a bucket is."""
        bucket = self._buckets.get(observed.bucket)
        if bucket is not None and bucket.observe(observed, now):
            self._stir([bucket], now)

    # --- who waits -------------------------------------------------------------------------------------------

    def ask(
        self,
        choices: Sequence[Sequence[RateLimit]],
        who: LiveReply | Urgency,
        now: float,
        fallback_after: float = math.inf,
    ) -> PendingWrite:
        """Want to write; `run` says when it may go."""
        ways = tuple(
            tuple({self.bucket(rate_limit, now): None for rate_limit in rate_limits}) for rate_limits in choices
        )
        pending = PendingWrite(ways, who, now, fallback_after, next(self._numbers))
        if isinstance(who, LiveReply) and (joined := self._joined.get(who)) is not None:
            joined.update(ways[0])
            for bucket in ways[0]:
                self._lines[bucket].live_replies.add(who)
        self._enqueue(pending, now)
        return pending

    def again(self, pending: PendingWrite, now: float, until: float = -math.inf) -> None:
        """Take back what was granted: it waits as before, and what was granted now not again before `until`."""
        way, pending.granted = pending.granted, -1
        for bucket in pending.choices[way]:
            bucket.refund(pending.granted_at)
        # Looked up again: those of its other ways may have been forgotten meanwhile.
        pending.choices = tuple(tuple(self.bucket(it.rate_limit, now) for it in ways) for ways in pending.choices)
        pending.defer(way, until, now)
        self._enqueue(pending, now)
        self._stir(pending.choices[way], now)

    def _enqueue(self, pending: PendingWrite, now: float) -> None:
        for bucket in pending.buckets():
            self._lines[bucket].waiting.add(pending)
        if isinstance(pending.who, LiveReply):
            self._pending_of.setdefault(pending.who, set()).add(pending)
        self._waiting += 1
        self._put(pending, now)

    def cancel(self, pending: PendingWrite, now: float) -> None:
        """It no longer wants to write; what it was granted is given back."""
        if pending.granted < 0:
            self._drop(pending)
            return
        buckets = pending.way
        for bucket in buckets:
            bucket.refund(pending.granted_at)
        self._stir(buckets, now)

    def changed(self, live_reply: LiveReply, now: float) -> bool:
        """The reply's state changed: look again at what it waits for; returns whether it waits for anything."""
        pendings = self._pending_of.get(live_reply, ())
        for pending in pendings:
            self._put(pending, now)
        return bool(pendings)

    def _stir(self, buckets: Iterable[Bucket], now: float) -> None:
        for bucket in buckets:
            for pending in self._lines[bucket].waiting:
                if pending.due > now:
                    self._put(pending, now)

    def _put(self, pending: PendingWrite, due: float) -> None:
        pending.due = due
        if due == math.inf:
            return
        heapq.heappush(self._heap, (due, next(self._numbers), pending))
        if len(self._heap) > 64 + 8 * self._waiting:
            self._heap = [entry for entry in self._heap if entry[0] == entry[2].due]
            heapq.heapify(self._heap)

    def _drop(self, pending: PendingWrite) -> None:
        pending.due = math.inf
        self._waiting -= 1
        for bucket in pending.buckets():
            line = self._lines[bucket]
            line.waiting.discard(pending)
            line.blocked.pop(pending, None)
        if isinstance(pending.who, LiveReply):
            pendings = self._pending_of[pending.who]
            pendings.discard(pending)
            if not pendings:
                del self._pending_of[pending.who]
                pending.who.poke_at = math.inf

    # --- who goes --------------------------------------------------------------------------------------------

    def run(self, now: float) -> tuple[list[PendingWrite], float]:
        """Let go what may go at `now`.

        Returns:
            the writes that may go, most urgent first, and when to call this again (s; infinite: not before
            something changes).
        """
        looked: dict[PendingWrite, None] = {}
        while self._heap and self._heap[0][0] <= now + _EPSILON:
            due, _, pending = heapq.heappop(self._heap)
            if pending.due == due:
                looked[pending] = None
        granted: list[PendingWrite] = []
        queues: dict[Bucket, int] = {}
        for pending in sorted(looked, key=lambda each: each.rank(now)) if len(looked) > 1 else looked:
            way, due, scarce = self._decide(pending, now)
            if way < 0:
                if scarce is not None:
                    queues[scarce] = ahead = queues.get(scarce, -1) + 1
                    # Far back in a long queue there is no need to look at every token that others will take.
                    due += max(0, ahead - _NEAR) / scarce.rate / 2.0
                self._put(pending, due)
                continue
            for bucket in pending.choices[way]:
                self._lines[bucket].probe.sending(bucket, now)
                bucket.spend(now)
            pending.granted, pending.granted_at = way, now
            self._drop(pending)
            if isinstance(pending.who, LiveReply):
                pending.who.sending(now)
            granted.append(pending)
        while self._heap and self._heap[0][2].due != self._heap[0][0]:
            heapq.heappop(self._heap)
        return granted, self._heap[0][0] if self._heap else math.inf

    def _decide(self, pending: PendingWrite, now: float) -> tuple[int, float, Bucket | None]:
        """Which way a write may go now (-1: none), and otherwise when to look again and which bucket is scarce."""
        urgency = pending.urgency(now)
        interim = pending.who if urgency is Urgency.INTERIM and isinstance(pending.who, LiveReply) else None
        if interim is not None and interim.unseen == 0:
            interim.poke_at = 1
            return -1, math.inf, None
        due, scarce = self._due(pending, 0, urgency, now)
        if interim is not None:
            interim.poke_at = math.inf
            if due <= now:
                spacing = max((self._spacing(interim, bucket, now) for bucket in pending.choices[0]), default=0.0)
                due, interim.poke_at = when_to_edit(interim, spacing, now)
        if due <= now + _EPSILON:
            return 0, now, None
        if len(pending.choices) > 1 and interim is None:
            tired = pending.urgent_since + pending.fallback_after
            for way in range(1, len(pending.choices)):
                other = max(tired, self._due(pending, way, urgency, now)[0])
                if other <= now + _EPSILON:
                    return way, now, None
                if other < due:
                    due, scarce = other, None
        return -1, due, scarce

    def _due(self, pending: PendingWrite, way: int, urgency: Urgency, now: float) -> tuple[float, Bucket | None]:
        """When the pending write may go this way, as far as one can see now, and which bucket it waits for."""
        buckets = pending.choices[way]
        times = [
            max(
                self._spendable(bucket, urgency, now),
                self._promised(bucket, pending, now),
                self._lines[bucket].probe.due(bucket, now) if urgency < Urgency.INTERIM else now,
            )
            for bucket in buckets
        ]
        due = max(times, default=now)
        if due <= now:
            return max(now, pending.deferred(way, urgency)), None
        if urgency is Urgency.ENDING and len(buckets) > 1:
            for bucket, at in zip(buckets, times, strict=True):
                if at < due:
                    self._lines[bucket].blocked[pending] = due
                else:
                    self._lines[bucket].blocked.pop(pending, None)
        return max(due, pending.deferred(way, urgency)), buckets[times.index(due)]

    def _spendable(self, bucket: Bucket, urgency: Urgency, now: float) -> float:
        """When the bucket has a token for a write of that urgency beside those it must leave.

        What comes in again before an ending would notice counts as left: in a small bucket tokens that always lie
        ready are a large share of all there are.
        """
        at = bucket.when(1.0 + self._kept(bucket, urgency), now)
        return at if at <= now else max(at - soon(bucket), bucket.when(1.0, now))

    def _reserve(self, bucket: Bucket) -> float:
        """Tokens that should lie ready for the endings of the live replies."""
        return room(bucket, Urgency.INTERIM)._replace(least=0.0).calls(self._live(bucket))

    def _kept(self, bucket: Bucket, urgency: Urgency) -> float:
        """Tokens that a write of that urgency must leave for endings, here and elsewhere."""
        return room(bucket, urgency).calls(self._live(bucket))

    def _live(self, bucket: Bucket) -> int:
        """How many replies live on the bucket, here and elsewhere."""
        return len(self._lines[bucket].live_replies) + bucket.others.replies

    def _promised(self, bucket: Bucket, pending: PendingWrite, now: float) -> float:
        """Until when the bucket's tokens are promised to earlier endings that another bucket holds up; `now` if not.

        A token that will have come in again by then is not held back.
        """
        blocked = self._lines[bucket].blocked
        if not blocked:
            return now
        rank = pending.rank(now)
        earlier = [until for other, until in blocked.items() if other is not pending and other.rank(now) < rank]
        held = sum(max(0.0, 1.0 - bucket.rate * max(0.0, until - now)) for until in earlier)
        return min(earlier) if earlier and bucket.ready - held < 1.0 - _EPSILON else now

    def _spacing(self, live_reply: LiveReply, bucket: Bucket, now: float) -> float:
        """Seconds between edits of this reply that the bucket affords, tokens shared as the roots of the rates are.

        That sharing minimises the sum of all lags: an edit every s seconds costs rate * s / 2 in mean lag. What lies
        ready beyond a cushion is spent over a few seconds, since nobody knows how long the stream will be. Where all
        that is spent comes back as soon as that, there is no cushion.
        A reply that shows nothing yet takes part when it has a message to edit.
        """
        roots = self.demand(bucket, now)[1] + bucket.others.roots
        spare = bucket.ready - self._reserve(bucket)
        income = bucket.income(now, _HORIZON)
        cushion = min(_CUSHION, bucket.burst / 4.0) if bucket.rate_limit.window > _HORIZON else 0.0
        spent_over = min(_SPENT_OVER, bucket.rate_limit.window)
        pace = max(income / 4.0, income + (spare - cushion) / spent_over, _EPSILON)
        root = max(math.sqrt(live_reply.rate(now)), _EPSILON)
        return max(roots, root) / root / pace
