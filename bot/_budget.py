"""One bucket's arithmetic: how many writes may go now, and when the next may. Pure: takes `now` (s), never waits.

A bucket is a pool of `calls` tokens. A write takes a token away for a whole window, so that no window, wherever
it is placed, holds more than `calls` writes: token bucket, sliding and fixed windows alike admit them all. At
most `burst` tokens are *ready*; the rest are *stock* and become ready over a window, so that a burst never empties
the pool. Unlike a bucket that refills at (calls - burst) / window, the pool sustains calls / window.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from typing import Final

from bot.ports import Budget, Observed

# Platforms count a call when it arrives, we when it leaves; latency that shrinks moves calls together.
_SLACK_FOR_JITTER: Final = 1.02
_TRUST_AFTER_REFUSAL: Final = 0.45
_LEAST_TRUST: Final = 0.2
_RECOVERY: Final = 600.0
_EPSILON: Final = 1e-9


class Bucket:
    """The tokens of one budget, as one of `shares` workers that divide it.

    Attributes:
        budget: the limit as the platform's adapter states it.
        ready: tokens that may be spent now; whole writes need 1.0.
        stock: tokens that become ready over time; below zero after the limit was lowered.
    """

    __slots__ = (
        "_at",
        "_calls",
        "_flow",
        "_limit",
        "_paused_until",
        "_shares",
        "_spent",
        "_trust",
        "_trust_at",
        "_window",
        "budget",
        "burst",
        "ready",
        "stock",
    )

    def __init__(self, budget: Budget, shares: int, now: float) -> None:
        self.budget = budget
        self._shares = shares
        self._limit = budget.calls
        self._spent: list[float] = []
        self._trust = 1.0
        self._trust_at = now
        self._paused_until = -math.inf
        self._at = now
        self._calls = self.burst = self._window = self._flow = 0.0
        self.ready = self.stock = 0.0
        self._resize()
        self.ready, self.stock = self.burst, self._calls - self.burst

    def _resize(self) -> None:
        """Take over the budget, the platform's limit and the share; what changes is added to or taken from stock."""
        before = self._calls
        share = self._limit / self._shares
        # A share below one call is one call in a longer window.
        self._calls = max(1.0, share)
        self._window = self.budget.window * _SLACK_FOR_JITTER * max(1.0, 1.0 / share)
        self.burst = min(self._calls, max(1.0, self.budget.burst / self._shares))
        self._flow = (self._calls - self.burst) / self._window
        self.stock += self._calls - before

    def change(self, budget: Budget, shares: int, now: float) -> None:
        """Go on with another limit or another number of workers."""
        if budget == self.budget and shares == self._shares:
            return
        self.advance(now)
        if budget.calls != self.budget.calls:
            self._limit = budget.calls
        self.budget, self._shares = budget, shares
        self._resize()

    def trust(self, now: float) -> float:
        """How much of the stated rate is used, in (0, 1]: falls at a refusal and recovers within ten minutes."""
        return min(1.0, self._trust + (now - self._trust_at) / _RECOVERY)

    def _cap(self, trust: float) -> float:
        return max(1.0, self.burst * trust)

    def advance(self, now: float) -> None:
        """Bring the tokens up to `now`."""
        elapsed = now - self._at
        if elapsed <= 0:
            return
        self._at = now
        trust = self.trust(now)
        cap = self._cap(trust)
        back = bisect_right(self._spent, now - self._window / trust)
        del self._spent[:back]
        if now < self._paused_until:
            self.stock += back
            return
        debt = min(float(back), max(0.0, -self.stock))
        self.stock += debt
        self.ready += back - debt
        elapsed = min(elapsed, now - self._paused_until)
        moved = max(0.0, min(self._flow * trust * elapsed, self.stock, cap - self.ready))
        self.stock -= moved
        self.ready += moved
        if self.ready > cap:
            self.stock += self.ready - cap
            self.ready = cap

    def has(self, tokens: float, now: float) -> bool:
        """Whether that many tokens are ready."""
        self.advance(now)
        return now >= self._paused_until and self.ready >= min(tokens, self._cap(self.trust(now))) - _EPSILON

    def when(self, tokens: float, now: float) -> float:
        """When that many tokens will be ready if nothing is spent before (s on the same clock); at least `now`."""
        if self.has(tokens, now):
            return now
        trust = self.trust(now)
        at = max(now, self._paused_until)
        need = min(tokens, self._cap(trust)) - self.ready
        flow = self._flow * trust
        stock = self.stock
        for spent in self._spent:
            back = max(at, spent + self._window / trust)
            if flow > 0 and need <= min(stock, flow * (back - at)):
                break
            moved = max(0.0, min(stock, flow * (back - at)))
            stock -= moved
            need -= moved
            at = back
            if stock < 0:
                stock += 1.0
            else:
                need -= 1.0
            if need <= 0:
                return at
        return at + need / flow if flow > 0 else at + self._window

    def income(self, now: float, horizon: float) -> float:
        """Tokens a second that will become ready over the next `horizon` s if they are spent as they come."""
        self.advance(now)
        trust = self.trust(now)
        back = bisect_right(self._spent, now + horizon - self._window / trust)
        return (back + min(max(0.0, self.stock), self._flow * trust * horizon)) / horizon

    def spend(self, now: float) -> None:
        """Take one token; `has` was asked before."""
        self.ready -= 1.0
        insort(self._spent, now)

    def refund(self, spent_at: float) -> None:
        """Give back the token taken at `spent_at`, for a write that never left."""
        if spent_at in self._spent:
            self._spent.remove(spent_at)
            self.ready += 1.0

    def refused(self, retry_after: float, now: float) -> None:
        """The platform refused a call: rest for `retry_after` s, begin from an empty level, trust less."""
        self.advance(now)
        if now >= self._paused_until:  # calls that were in flight together are one refusal
            self._trust = max(_LEAST_TRUST, self.trust(now) * _TRUST_AFTER_REFUSAL)
            self._trust_at = now
        self.stock += self.ready
        self.ready = 0.0
        self._paused_until = max(self._paused_until, now + max(0.0, retry_after))

    def observe(self, observed: Observed, now: float) -> None:
        """Believe what the platform said, where it leaves less than was thought.

        Calls it has counted and we have not made (another process, a restart) come back when its window resets.
        More than was thought is not believed: calls in flight are not in its count yet.
        """
        self.advance(now)
        if observed.limit > 0 and observed.limit != self._limit:
            self._limit = observed.limit
            self._resize()
        excess = math.floor(self.ready + max(0.0, self.stock) - observed.remaining + _EPSILON)
        for _ in range(excess):
            if self.stock >= 1.0:
                self.stock -= 1.0
            else:
                self.ready, self.stock = self.ready - (1.0 - max(0.0, self.stock)), min(0.0, self.stock)
            insort(self._spent, now + observed.reset_after - self._window / self.trust(now))

    def idle(self, now: float) -> bool:
        """Whether it is as good as new, so that nothing is lost by forgetting it."""
        self.advance(now)
        return not self._spent and self.trust(now) >= 1.0 and now >= self._paused_until and self.ready >= self.burst
