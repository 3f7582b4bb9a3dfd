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

from bot._budget import Bucket
from bot._ticket import Ticket, room, soon
from bot._trial import Trial
from bot._viewer import Urgency, Viewer
from bot._worth import worth
from bot.ports import Budget, Observed

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

    viewers: set[Viewer] = field(default_factory=set)
    waiting: set[Ticket] = field(default_factory=set)
    blocked: dict[Ticket, float] = field(default_factory=dict)
    trial: Trial = field(default_factory=Trial)
    roots: float = 0.0
    roots_at: float = -math.inf


class Schedule:
    """The buckets, the live replies and the waiting writes of one process.

    Args:
        shares: how many workers divide the budgets.
    """

    def __init__(self, shares: int = 1) -> None:
        self._shares = max(1, shares)
        self._buckets: dict[str, Bucket] = {}  # least lately used first
        self._lines: dict[Bucket, _Line] = {}
        self._joined: dict[Viewer, set[Bucket]] = {}
        self._tickets: dict[Viewer, set[Ticket]] = {}
        self._heap: list[tuple[float, int, Ticket]] = []
        self._numbers = count()
        self._waiting = 0

    def __len__(self) -> int:
        """How many buckets are remembered."""
        return len(self._buckets)

    # --- what is known ---------------------------------------------------------------------------------------

    def bucket(self, budget: Budget, now: float) -> Bucket:
        """The bucket of that name. Making a new one forgets old ones that nobody uses and that are full."""
        bucket = self._buckets.pop(budget.name, None)
        if bucket is None:
            # The latest are spared: the others of the same write were looked up a moment ago.
            for name in list(islice(self._buckets, min(_FORGOTTEN_AT_ONCE, max(0, len(self._buckets) - _SPARED)))):
                old = self._buckets.pop(name)
                line = self._lines[old]
                if line.viewers or line.waiting or not old.idle(now):
                    self._buckets[name] = old
                else:
                    del self._lines[old]
            bucket = Bucket(budget, self._shares, now)
            self._lines[bucket] = _Line()
        bucket.change(budget, self._shares, now)
        self._buckets[budget.name] = bucket
        return bucket

    def share(self, shares: int, now: float) -> None:
        """Divide every budget by that many workers."""
        self._shares = max(1, shares)
        for bucket in self._buckets.values():
            bucket.change(bucket.budget, self._shares, now)
        self._stir(self._lines, now)

    def cut_off(self, workers: int, now: float) -> None:
        """Go on without knowing what the other workers do, on a share of every budget."""
        self._shares = workers
        for bucket in self._lines:
            bucket.cut_off(workers, now)
        self._stir(self._lines, now)

    def learned(self, bucket: Bucket, now: float) -> None:
        """It became known what other workers do on a bucket; one that was forgotten meanwhile is nobody's."""
        if bucket in self._lines:
            self._stir([bucket], now)

    def join_others(self, now: float) -> None:
        """Plan with whole budgets again; what others spent is learned with the next answer."""
        self._shares = 1
        for bucket in self._lines:
            bucket.join_others(now)
        self._stir(self._lines, now)

    def join(self, viewer: Viewer, budgets: Sequence[Budget], now: float) -> None:
        """Count the reply as live on those budgets, and on those of every write it asks for later."""
        joined = self._joined.setdefault(viewer, set())
        for budget in budgets:
            bucket = self.bucket(budget, now)
            joined.add(bucket)
            self._lines[bucket].viewers.add(viewer)

    def leave(self, viewer: Viewer, now: float) -> None:
        """The reply is done: what was kept back for it is free."""
        freed = []
        for bucket in self._joined.pop(viewer, ()):
            before = self._kept(bucket, Urgency.INTERIM)
            self._lines[bucket].viewers.discard(viewer)
            if self._kept(bucket, Urgency.INTERIM) < before:
                freed.append(bucket)
        self.changed(viewer, now)
        self._stir(freed, now)

    def crowded(self, budgets: Sequence[Budget], now: float) -> bool:
        """Whether more replies live on one of the budgets than may write at once, or within a second."""
        buckets = [self.bucket(budget, now) for budget in budgets]
        return any(
            len(self._lines[bucket].viewers) + bucket.elsewhere.replies > max(bucket.burst, bucket.rate)
            for bucket in buckets
        )

    def demand(self, bucket: Bucket, now: float) -> tuple[int, float]:
        """How many replies live on the bucket here, and the sum of the roots of their rates (see `_spacing`)."""
        if (line := self._lines.get(bucket)) is None:
            return 0, 0.0
        if now - line.roots_at >= _FRESH:
            asking = {ticket.who for ticket in line.waiting}
            editing = [each for each in line.viewers if each.sent_at > -math.inf or each in asking]
            line.roots = sum(math.sqrt(each.rate(now)) for each in editing if each.ended_at == math.inf)
            line.roots_at = now
        return len(line.viewers), line.roots

    def buckets(self) -> tuple[Bucket, ...]:
        """All that are remembered."""
        return tuple(self._lines)

    def refused(self, budgets: Sequence[Budget], retry_after: float, now: float) -> None:
        """The platform refused a call on those budgets."""
        for budget in budgets:
            bucket = self.bucket(budget, now)
            bucket.refused(retry_after, now)
            self._lines[bucket].trial.refused()

    def observe(self, observed: Observed, now: float) -> None:
        """The platform told how full a bucket is."""
        bucket = self._buckets.get(observed.bucket)
        if bucket is not None and bucket.observe(observed, now):
            self._stir([bucket], now)

    # --- who waits -------------------------------------------------------------------------------------------

    def ask(
        self, choices: Sequence[Sequence[Budget]], who: Viewer | Urgency, now: float, patience: float = math.inf
    ) -> Ticket:
        """Want to write; `run` says when it may go."""
        ways = tuple(tuple({self.bucket(budget, now): None for budget in budgets}) for budgets in choices)
        ticket = Ticket(ways, who, now, patience, next(self._numbers))
        if isinstance(who, Viewer) and (joined := self._joined.get(who)) is not None:
            joined.update(ways[0])
            for bucket in ways[0]:
                self._lines[bucket].viewers.add(who)
        self._enqueue(ticket, now)
        return ticket

    def again(self, ticket: Ticket, now: float, until: float = -math.inf) -> None:
        """Take back what was granted: it waits as before, and what was granted now not again before `until`."""
        way, ticket.granted = ticket.granted, -1
        for bucket in ticket.choices[way]:
            bucket.refund(ticket.granted_at)
        # Looked up again: those of its other ways may have been forgotten meanwhile.
        ticket.choices = tuple(tuple(self.bucket(it.budget, now) for it in ways) for ways in ticket.choices)
        ticket.defer(way, until, now)
        self._enqueue(ticket, now)
        self._stir(ticket.choices[way], now)

    def _enqueue(self, ticket: Ticket, now: float) -> None:
        for bucket in ticket.buckets():
            self._lines[bucket].waiting.add(ticket)
        if isinstance(ticket.who, Viewer):
            self._tickets.setdefault(ticket.who, set()).add(ticket)
        self._waiting += 1
        self._put(ticket, now)

    def cancel(self, ticket: Ticket, now: float) -> None:
        """It no longer wants to write; what it was granted is given back."""
        if ticket.granted < 0:
            self._drop(ticket)
            return
        buckets = ticket.way
        for bucket in buckets:
            bucket.refund(ticket.granted_at)
        self._stir(buckets, now)

    def changed(self, viewer: Viewer, now: float) -> bool:
        """The reply's state changed: look again at what it waits for; returns whether it waits for anything."""
        tickets = self._tickets.get(viewer, ())
        for ticket in tickets:
            self._put(ticket, now)
        return bool(tickets)

    def _stir(self, buckets: Iterable[Bucket], now: float) -> None:
        for bucket in buckets:
            for ticket in self._lines[bucket].waiting:
                if ticket.due > now:
                    self._put(ticket, now)

    def _put(self, ticket: Ticket, due: float) -> None:
        ticket.due = due
        if due == math.inf:
            return
        heapq.heappush(self._heap, (due, next(self._numbers), ticket))
        if len(self._heap) > 64 + 8 * self._waiting:
            self._heap = [entry for entry in self._heap if entry[0] == entry[2].due]
            heapq.heapify(self._heap)

    def _drop(self, ticket: Ticket) -> None:
        ticket.due = math.inf
        self._waiting -= 1
        for bucket in ticket.buckets():
            line = self._lines[bucket]
            line.waiting.discard(ticket)
            line.blocked.pop(ticket, None)
        if isinstance(ticket.who, Viewer):
            tickets = self._tickets[ticket.who]
            tickets.discard(ticket)
            if not tickets:
                del self._tickets[ticket.who]
                ticket.who.poke_at = math.inf

    # --- who goes --------------------------------------------------------------------------------------------

    def run(self, now: float) -> tuple[list[Ticket], float]:
        """Let go what may go at `now`.

        Returns:
            the writes that may go, most urgent first, and when to call this again (s; infinite: not before
            something changes).
        """
        looked: dict[Ticket, None] = {}
        while self._heap and self._heap[0][0] <= now + _EPSILON:
            due, _, ticket = heapq.heappop(self._heap)
            if ticket.due == due:
                looked[ticket] = None
        granted: list[Ticket] = []
        queues: dict[Bucket, int] = {}
        for ticket in sorted(looked, key=lambda each: each.rank(now)) if len(looked) > 1 else looked:
            way, due, scarce = self._decide(ticket, now)
            if way < 0:
                if scarce is not None:
                    queues[scarce] = ahead = queues.get(scarce, -1) + 1
                    # Far back in a long queue there is no need to look at every token that others will take.
                    due += max(0, ahead - _NEAR) / scarce.rate / 2.0
                self._put(ticket, due)
                continue
            for bucket in ticket.choices[way]:
                self._lines[bucket].trial.sending(bucket, now)
                bucket.spend(now)
            ticket.granted, ticket.granted_at = way, now
            self._drop(ticket)
            if isinstance(ticket.who, Viewer):
                ticket.who.sending(now)
            granted.append(ticket)
        while self._heap and self._heap[0][2].due != self._heap[0][0]:
            heapq.heappop(self._heap)
        return granted, self._heap[0][0] if self._heap else math.inf

    def _decide(self, ticket: Ticket, now: float) -> tuple[int, float, Bucket | None]:
        """Which way the ticket may go now (-1: none), and otherwise when to look again and which bucket is scarce."""
        urgency = ticket.urgency(now)
        interim = ticket.who if urgency is Urgency.INTERIM and isinstance(ticket.who, Viewer) else None
        if interim is not None and interim.unseen == 0:
            interim.poke_at = 1
            return -1, math.inf, None
        due, scarce = self._due(ticket, 0, urgency, now)
        if interim is not None:
            interim.poke_at = math.inf
            if due <= now:
                spacing = max((self._spacing(interim, bucket, now) for bucket in ticket.choices[0]), default=0.0)
                due, interim.poke_at = worth(interim, spacing, now)
        if due <= now + _EPSILON:
            return 0, now, None
        if len(ticket.choices) > 1 and interim is None:
            tired = ticket.urgent_since + ticket.patience
            for way in range(1, len(ticket.choices)):
                other = max(tired, self._due(ticket, way, urgency, now)[0])
                if other <= now + _EPSILON:
                    return way, now, None
                if other < due:
                    due, scarce = other, None
        return -1, due, scarce

    def _due(self, ticket: Ticket, way: int, urgency: Urgency, now: float) -> tuple[float, Bucket | None]:
        """When the ticket may go this way, as far as one can see now, and which bucket it waits for."""
        buckets = ticket.choices[way]
        times = [
            max(
                self._spendable(bucket, urgency, now),
                self._promised(bucket, ticket, now),
                self._lines[bucket].trial.due(bucket, now) if urgency < Urgency.INTERIM else now,
            )
            for bucket in buckets
        ]
        due = max(times, default=now)
        if due <= now:
            return max(now, ticket.deferred(way, urgency)), None
        if urgency is Urgency.ENDING and len(buckets) > 1:
            for bucket, at in zip(buckets, times, strict=True):
                if at < due:
                    self._lines[bucket].blocked[ticket] = due
                else:
                    self._lines[bucket].blocked.pop(ticket, None)
        return max(due, ticket.deferred(way, urgency)), buckets[times.index(due)]

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
        return len(self._lines[bucket].viewers) + bucket.elsewhere.replies

    def _promised(self, bucket: Bucket, ticket: Ticket, now: float) -> float:
        """Until when the bucket's tokens are promised to earlier endings that another bucket holds up; `now` if not.

        A token that will have come in again by then is not held back.
        """
        blocked = self._lines[bucket].blocked
        if not blocked:
            return now
        rank = ticket.rank(now)
        earlier = [until for other, until in blocked.items() if other is not ticket and other.rank(now) < rank]
        held = sum(max(0.0, 1.0 - bucket.rate * max(0.0, until - now)) for until in earlier)
        return min(earlier) if earlier and bucket.ready - held < 1.0 - _EPSILON else now

    def _spacing(self, viewer: Viewer, bucket: Bucket, now: float) -> float:
        """Seconds between edits of this reply that the bucket affords, tokens shared as the roots of the rates are.

        That sharing minimises the sum of all lags: an edit every s seconds costs rate * s / 2 in mean lag. What lies
        ready beyond a cushion is spent over a few seconds, since nobody knows how long the stream will be. Where all
        that is spent comes back as soon as that, there is no cushion.
        A reply that shows nothing yet takes part when it has a message to edit.
        """
        roots = self.demand(bucket, now)[1] + bucket.elsewhere.roots
        spare = bucket.ready - self._reserve(bucket)
        income = bucket.income(now, _HORIZON)
        cushion = min(_CUSHION, bucket.burst / 4.0) if bucket.budget.window > _HORIZON else 0.0
        spent_over = min(_SPENT_OVER, bucket.budget.window)
        pace = max(income / 4.0, income + (spare - cushion) / spent_over, _EPSILON)
        root = max(math.sqrt(viewer.rate(now)), _EPSILON)
        return max(roots, root) / root / pace
