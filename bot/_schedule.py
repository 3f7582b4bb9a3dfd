"""Who may write now, and when to look again. Pure: takes `now` (s) and returns values; it never waits.

A write goes when every bucket it spends from has a token for it. Tokens go to the most urgent first: endings in
the order they ended, then replies that show nothing yet, then the one with the largest unseen area. One token per
live reply is kept back for its ending. An interim edit goes once what it would show outweighs what will arrive
before the next one could go: u >= rate * spacing. For an even stream that is the spacing that is best for the
tokens there are; in a stall the rate vanishes, all that has arrived is shown, and nothing more is spent.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from bot._budget import Bucket
from bot._viewer import Urgency, Viewer
from bot.ports import Budget, Observed

_HORIZON: Final = 12.0
_AGED: Final = 15.0
_SOON: Final = 0.02
_EPSILON: Final = 1e-9


@dataclass(slots=True, eq=False)
class Ticket:
    """One write that wants to go: on one of `choices`, as `who`.

    Attributes:
        granted: the index of the choice it may go on; -1 while it waits.
        granted_at: when.
        due: when to look at it again.
    """

    choices: tuple[tuple[Bucket, ...], ...]
    who: Viewer | Urgency
    since: float
    patience: float = math.inf
    granted: int = -1
    granted_at: float = 0.0
    due: float = math.inf
    order: int = 0

    @property
    def viewer(self) -> Viewer | None:
        """The reply it is for, where there is one."""
        return self.who if isinstance(self.who, Viewer) else None

    def urgency(self, now: float) -> Urgency:
        """How urgent it is now."""
        urgency = self.who.urgency if isinstance(self.who, Viewer) else self.who
        if urgency is Urgency.HOUSEKEEPING and now - self.since >= _AGED:
            return Urgency.FIRST
        return urgency

    @property
    def wanted_since(self) -> float:
        """When its present urgency began."""
        ended = self.who.ended_at if isinstance(self.who, Viewer) else math.inf
        return max(self.since, ended) if ended < math.inf else self.since

    def rank(self, now: float) -> tuple[int, float, int]:
        """Sorts before what is less urgent."""
        urgency = self.urgency(now)
        if isinstance(self.who, Viewer) and urgency is Urgency.INTERIM:
            return urgency, -self.who.area(now), self.order
        return urgency, self.wanted_since, self.order


@dataclass(slots=True, eq=False)
class _Line:
    """Who lives on and waits for one bucket."""

    viewers: set[Viewer] = field(default_factory=set)
    waiting: set[Ticket] = field(default_factory=set)


class Schedule:
    """The buckets, the live replies and the waiting writes of one process."""

    def __init__(self, shares: int = 1) -> None:
        self._shares = shares
        self._buckets: dict[str, Bucket] = {}
        self._lines: dict[Bucket, _Line] = {}
        self._joined: dict[Viewer, set[Bucket]] = {}
        self._tickets: dict[Viewer, set[Ticket]] = {}
        self._heap: list[tuple[float, int, Ticket]] = []
        self._orders = count()

    # --- what is known ---------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """How many buckets are remembered."""
        return len(self._buckets)

    def bucket(self, budget: Budget, now: float) -> Bucket:
        """The bucket of that name, made when it is new; two idle old ones are forgotten for each new one."""
        bucket = self._buckets.pop(budget.name, None)
        if bucket is None:
            for name in list(self._buckets)[:2] if len(self._buckets) < 64 else self._oldest():
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

    def _oldest(self) -> list[str]:
        names = iter(self._buckets)
        return [next(names), next(names)]

    def share(self, shares: int, now: float) -> None:
        """Divide every budget by that many workers."""
        self._shares = max(1, shares)
        for bucket in self._buckets.values():
            bucket.change(bucket.budget, self._shares, now)
        self._stir(self._lines, now)

    def join(self, viewer: Viewer, budgets: Sequence[Budget], now: float) -> None:
        """Count the reply as live, on those budgets and on every other it asks for."""
        joined = self._joined.setdefault(viewer, set())
        for budget in budgets:
            bucket = self.bucket(budget, now)
            joined.add(bucket)
            self._lines[bucket].viewers.add(viewer)

    def leave(self, viewer: Viewer, now: float) -> None:
        """The reply is done: what was kept back for it is free."""
        buckets = self._joined.pop(viewer, set())
        for bucket in buckets:
            self._lines[bucket].viewers.discard(viewer)
        self._stir(buckets, now)

    def crowded(self, budgets: Sequence[Budget], now: float) -> bool:
        """Whether more replies live on one of the budgets than may write at once."""
        return any(
            len(self._lines[bucket].viewers) > bucket.burst
            for bucket in [self.bucket(budget, now) for budget in budgets]
        )

    def refused(self, budgets: Sequence[Budget], retry_after: float, now: float) -> None:
        """The platform refused a call on those budgets."""
        for budget in budgets:
            self.bucket(budget, now).refused(retry_after, now)

    def observe(self, observed: Observed, now: float) -> None:
        """The platform told how full a bucket is."""
        if bucket := self._buckets.get(observed.bucket):
            bucket.observe(observed, now)
            self._stir([bucket], now)

    # --- who goes --------------------------------------------------------------------------------------------

    def ask(
        self, choices: Sequence[Sequence[Budget]], who: Viewer | Urgency, now: float, patience: float = math.inf
    ) -> Ticket:
        """Want to write; `run` says when it may go."""
        buckets = tuple(tuple(self.bucket(budget, now) for budget in choice) for choice in choices)
        ticket = Ticket(buckets, who, now, patience, order=next(self._orders))
        for choice in buckets:
            for bucket in choice:
                self._lines[bucket].waiting.add(ticket)
        if isinstance(who, Viewer):
            self._tickets.setdefault(who, set()).add(ticket)
            if who in self._joined:
                for bucket in buckets[0]:
                    self._joined[who].add(bucket)
                    self._lines[bucket].viewers.add(who)
        self._put(ticket, now)
        return ticket

    def _put(self, ticket: Ticket, due: float) -> None:
        ticket.due = due
        if due < math.inf:
            heapq.heappush(self._heap, (due, next(self._orders), ticket))

    def _drop(self, ticket: Ticket) -> None:
        ticket.due = math.inf
        for choice in ticket.choices:
            for bucket in choice:
                self._lines[bucket].waiting.discard(ticket)
        if isinstance(ticket.who, Viewer):
            tickets = self._tickets[ticket.who]
            tickets.discard(ticket)
            if not tickets:
                del self._tickets[ticket.who]
                ticket.who.poke_at = math.inf

    def cancel(self, ticket: Ticket, now: float) -> None:
        """It no longer wants to write; what it was granted is given back."""
        if ticket.granted < 0:
            self._drop(ticket)
            return
        buckets = ticket.choices[ticket.granted]
        for bucket in buckets:
            bucket.refund(ticket.granted_at)
        self._stir(buckets, now)

    def _stir(self, buckets: Iterable[Bucket], now: float) -> None:
        """Look again at everything that waits for those buckets."""
        for bucket in buckets:
            for ticket in self._lines[bucket].waiting:
                if ticket.due > now:
                    self._put(ticket, now)

    def changed(self, viewer: Viewer, now: float) -> bool:
        """The reply's state changed: look again at what it waits for. Returns whether it waits."""
        tickets = self._tickets.get(viewer, ())
        for ticket in tickets:
            self._put(ticket, now)
        return bool(tickets)

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
        granted = []
        for ticket in sorted(looked, key=lambda t: t.rank(now)):
            choice, due = self._decide(ticket, now)
            if choice < 0:
                self._put(ticket, due)
                continue
            for bucket in ticket.choices[choice]:
                bucket.spend(now)
            ticket.granted, ticket.granted_at = choice, now
            self._drop(ticket)
            if isinstance(ticket.who, Viewer):
                ticket.who.mark(now)
            granted.append(ticket)
        while self._heap and self._heap[0][2].due != self._heap[0][0]:
            heapq.heappop(self._heap)
        return granted, self._heap[0][0] if self._heap else math.inf

    def _decide(self, ticket: Ticket, now: float) -> tuple[int, float]:
        """Which choice the ticket may take now (-1: none), and otherwise when to look again."""
        urgency = ticket.urgency(now)
        viewer = ticket.viewer
        if viewer is not None:
            viewer.poke_at = math.inf
            if urgency is Urgency.INTERIM and viewer.unseen == 0:
                viewer.poke_at = 1
                return -1, math.inf
        due = self._due(ticket, ticket.choices[0], urgency, now)
        if due <= now:
            return 0, now
        if len(ticket.choices) > 1 and urgency is not Urgency.INTERIM:
            fed_up = ticket.wanted_since + ticket.patience
            for index, buckets in enumerate(ticket.choices[1:], 1):
                other = max(fed_up, self._due(ticket, buckets, urgency, now))
                if other <= now + _EPSILON:
                    return index, now
                due = min(due, other)
        return -1, due

    def _due(self, ticket: Ticket, buckets: tuple[Bucket, ...], urgency: Urgency, now: float) -> float:
        """When the ticket may go on those buckets, as far as one can see now."""
        due = max(
            (b.when(1.0 + self._kept(b, urgency) + self._held(b, ticket, now), now) for b in buckets), default=now
        )
        if due > now or urgency is not Urgency.INTERIM or not isinstance(ticket.who, Viewer):
            return due
        return max((self._worth(ticket.who, bucket, now) for bucket in buckets), default=now)

    def _kept(self, bucket: Bucket, urgency: Urgency) -> float:
        """Tokens that a write of that urgency must leave for endings."""
        if urgency is Urgency.ENDING:
            return 0.0
        kept = max(0.0, min(len(self._lines[bucket].viewers), bucket.burst - 2.0))
        if urgency is Urgency.FIRST:
            return kept / 2.0
        # The last call of a window is never an interim edit's: some clients sleep through the rest of it.
        return max(kept, min(1.0, bucket.burst - 1.0))

    def _held(self, bucket: Bucket, ticket: Ticket, now: float) -> float:
        """Tokens that endings need which wait for another bucket, but not for so long that new ones come meanwhile."""
        return 0.0

    def _worth(self, viewer: Viewer, bucket: Bucket, now: float) -> float:
        """When an interim edit of this reply is worth a token: `now`, or when to look again."""
        fast, slow = viewer.rates(now)
        gap = self._spacing(viewer, bucket, slow, now)
        unseen = viewer.unseen
        wanted = fast * gap
        if unseen >= wanted:
            return now
        viewer.poke_at = wanted * 1.5 + 1
        grows = gap - unseen / fast
        fades = 0.25 * (wanted / unseen - 1.0)
        return now + max(_SOON, min(grows / 2 if grows > 0.1 else grows, fades))

    def _spacing(self, viewer: Viewer, bucket: Bucket, slow: float, now: float) -> float:
        """Seconds between two edits of this reply that the tokens allow, shared as the square root of the rates."""
        spare = bucket.ready - self._kept(bucket, Urgency.INTERIM) - 1.0
        income = bucket.income(now, _HORIZON)
        pace = max(income / 4.0, income + spare / _HORIZON, _EPSILON)
        roots = sum(math.sqrt(v.rates(now)[1]) for v in self._lines[bucket].viewers if v.ended_at == math.inf)
        return roots / math.sqrt(max(slow, _EPSILON)) / pace
