"""One bucket's arithmetic: whether a write may go now, and when the next may. Pure: takes `now` (s), never waits.

A bucket is a pool of `calls` tokens. A write takes one away for a whole window, so no window, wherever it is placed,
holds more than `calls` writes: a platform that counts by token bucket, sliding or fixed window admits them all.

    ready   may be spent now; at most `burst`
    back    was away for a window and becomes ready at calls / window
    stock   was never needed and becomes ready at (calls - burst) / window, so that a burst never empties the pool
    away    spent within the last window

The sum of the four is always `calls`. A bucket that merely refills at (calls - burst) / window is as safe, but this
one sustains calls / window: a fifth more for Slack's edits, five thirds for Discord's. Writes of any span of t
seconds number at most burst + t * calls / window.
"""

from __future__ import annotations

import math
from bisect import insort
from typing import Final

from bot.ports import Budget, Observed

# Platforms count a call when it arrives, we when it leaves: a latency that falls moves calls together.
_JITTER: Final = 1.02
_TRUST_LOST: Final = 0.45
_LEAST_TRUST: Final = 0.2
_RECOVERY: Final = 1200.0
_TOGETHER: Final = 2.0
_EPSILON: Final = 1e-9


class Bucket:
    """The tokens of one budget, as one of `shares` workers that divide it.

    Args:
        budget: the limit as the platform's adapter states it.
        shares: how many workers divide it.
        now: seconds on the clock of all later calls.
    """

    __slots__ = (
        "_at",
        "_away",
        "_back",
        "_calls",
        "_limit",
        "_paused_until",
        "_refused_at",
        "_shares",
        "_slow",
        "_stock",
        "_trust",
        "_trust_at",
        "_window",
        "budget",
        "burst",
        "rate",
        "ready",
    )

    def __init__(self, budget: Budget, shares: int, now: float) -> None:
        self.budget = budget
        self._shares = shares
        self._limit = budget.calls
        self._away: list[float] = []  # when each was spent, oldest first
        self._trust, self._trust_at = 1.0, now
        self._paused_until = self._refused_at = -math.inf
        self._at = now
        self._calls = self._stock = self._back = 0.0
        self._resize()
        self.ready = self.burst
        self._stock = self._calls - self.burst

    def _resize(self) -> None:
        """Work out the share; tokens that come or go with it are stock's, which may fall below zero."""
        share = self._limit / self._shares
        calls = max(1.0, share)  # less than one call a window is one call in a longer window
        self._window = self.budget.window * _JITTER * max(1.0, 1.0 / share)
        self._stock += calls - self._calls
        self._calls = calls
        self.burst = min(calls, max(1.0, self.budget.burst / self._shares))
        self.rate = calls / self._window
        self._slow = (calls - self.burst) / self._window

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
        """How much of the stated limit is used, in (0, 1]: falls with a refusal and comes back over ten minutes."""
        return min(1.0, self._trust + (now - self._trust_at) / _RECOVERY)

    def paused(self, now: float) -> bool:
        """Whether the platform asked for a rest that is not over."""
        return now < self._paused_until

    def advance(self, now: float) -> None:
        """Bring the tokens up to `now`."""
        if now <= self._at:
            return
        trust = self.trust(now)
        returned = 0
        for spent in self._away:
            if (at := spent + self._window / trust) > now:
                break
            self._flow(at, trust)
            self._return()
            returned += 1
        del self._away[:returned]
        self._flow(now, trust)

    def _return(self) -> None:
        if self._stock < 0.0:
            self._stock += 1.0
        else:
            self._back += 1.0

    def _flow(self, until: float, trust: float) -> None:
        elapsed = until - max(self._at, self._paused_until)
        self._at = max(self._at, until)
        room = max(1.0, self.burst * trust) - self.ready
        if elapsed > 0.0 and room > 0.0:
            moved = min(self._back, self.rate * trust * elapsed, room)
            self._back -= moved
            elapsed -= moved / (self.rate * trust)
            more = max(0.0, min(self._stock, self._slow * trust * elapsed, room - moved))
            self._stock -= more
            self.ready += moved + more
            room -= moved + more
        if room <= _EPSILON:
            self._stock += self._back - room
            self.ready += room
            self._back = 0.0

    def has(self, tokens: float, now: float) -> bool:
        """Whether that many tokens are ready; more than there can ever be count as all there can be."""
        self.advance(now)
        most = max(1.0, self.burst * self.trust(now))
        return now >= self._paused_until and self.ready >= min(tokens, most) - _EPSILON

    def when(self, tokens: float, now: float) -> float:
        """When `has(tokens)` will hold if nothing is spent before; `now` if it does."""
        if self.has(tokens, now):
            return now
        trust = self.trust(now)
        need = min(tokens, max(1.0, self.burst * trust)) - self.ready
        fast, slow = self.rate * trust, self._slow * trust
        back, stock = self._back, self._stock
        at = max(now, self._paused_until)
        for spent in (*self._away, math.inf):
            following = spent + self._window / trust
            if need <= back:
                reached = at + max(0.0, need) / fast
            elif need - back <= stock and slow > 0.0:
                reached = at + back / fast + (need - back) / slow
            else:
                reached = math.inf
            if reached <= following:
                return reached if reached < math.inf else at + self._window
            if following > at:
                moved = min(back, fast * (following - at))
                more = max(0.0, min(stock, slow * (following - at - moved / fast)))
                need, back, stock, at = need - moved - more, back - moved, stock - more, following
            if stock < 0.0:
                stock += 1.0
            else:
                back += 1.0
        return at + self._window

    def income(self, now: float, horizon: float) -> float:
        """Tokens a second that become ready over the next `horizon` s if they are spent as they come."""
        self.advance(now)
        trust = self.trust(now)
        until = now + horizon - self._window / trust
        back = self._back
        for spent in self._away:
            if spent > until:
                break
            back += 1.0
        moved = min(back, self.rate * trust * horizon)
        rest = horizon - moved / (self.rate * trust)
        return (moved + max(0.0, min(self._stock, self._slow * trust * rest))) / horizon

    def spend(self, now: float) -> None:
        """Take one token; `has(1)` was asked before."""
        self.ready -= 1.0
        insort(self._away, now)

    def refund(self, spent_at: float) -> None:
        """Give back the token spent at that time, for a write that never left."""
        if spent_at in self._away:
            self._away.remove(spent_at)
            self.ready += 1.0

    def refused(self, retry_after: float, now: float) -> None:
        """The platform refused a call: rest for `retry_after` s, trust less. Calls in flight together count once.

        Nothing is left but the one call that the platform has promised to take afterwards.
        """
        self.advance(now)
        if now >= self._paused_until and now - self._refused_at >= _TOGETHER:
            self._trust = max(_LEAST_TRUST, self.trust(now) * _TRUST_LOST)
            self._trust_at = now
        self._refused_at = now
        self._paused_until = max(self._paused_until, now + max(0.0, retry_after))
        self._stock += self.ready + self._back - 1.0
        self.ready, self._back = 1.0, 0.0

    def observe(self, observed: Observed, now: float) -> bool:
        """Believe what the platform said where it leaves less than was thought; returns whether there is more now.

        Calls that it counted and we did not make (another process, a restart) are away until its window resets.
        That it counted less is not believed: calls in flight are not in its count yet.
        """
        self.advance(now)
        raised = observed.limit > self._limit
        if observed.limit > 0 and observed.limit != self._limit:
            self._limit = observed.limit
            self._resize()
        ours = self.ready + self._back + max(0.0, self._stock)
        until = now + observed.reset_after - self._window / self.trust(now)
        for _ in range(math.floor(ours - observed.remaining + _EPSILON)):
            if self._stock >= 1.0:
                self._stock -= 1.0
            elif self._back >= 1.0:
                self._back -= 1.0
            else:
                self._stock, self._back, self.ready = self._stock + self._back + self.ready - 1.0, 0.0, 0.0
            insort(self._away, until)
        return raised

    def idle(self, now: float) -> bool:
        """Whether it is as good as new, so that nothing is lost by forgetting it."""
        self.advance(now)
        return (
            not self._away
            and self.trust(now) >= 1.0
            and now >= self._paused_until
            and self.ready >= self.burst - _EPSILON
            and self._limit == self.budget.calls
        )
