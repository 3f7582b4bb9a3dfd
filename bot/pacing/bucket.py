"""One bucket's arithmetic: whether a write may go now, and when the next may. Pure: takes `now` (s), never waits.

A bucket is a pool of `calls` tokens. A write takes one away for a whole window, so no window, wherever it is placed,
holds more than `calls` writes: a platform that counts by token bucket, sliding or fixed window admits them all.

    free    may be spent, at most `burst` of them
    stock   was not needed and becomes free so slowly that it lasts for nearly a window
    away    spent within the last window; free again after it

The sum of the three is always `calls`. A bucket that merely refills at (calls - burst) / window is as safe, but the
pool sustains calls / window: a quarter more for Slack's edits. A second level, `burst` deep and refilled at
calls / window, spaces what comes back: writes of any span of t seconds number at most burst + t * calls / window.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from typing import Final

from bot.pacing.other_workers import OtherWorkers
from bot.ports import ANEW, Observed, RateLimit

# Platforms count a call when it arrives, we when it leaves: a latency that falls moves calls together.
_JITTER: Final = 1.02
_TRUST_LOST: Final = 0.45
_BELOW_HALF: Final = 0.95
_LEAST_TRUST: Final = 0.2
_RECOVERY: Final = 1200.0
_TOGETHER: Final = 2.0
# Stock may run out this long before the first tokens of a long burst come back.
_DRY: Final = 6.0
_EPSILON: Final = 1e-9


class Bucket:
    """The tokens of one rate limit, as one worker sees it.

    Args:
        rate_limit: the limit as the platform's adapter states it.
        shares: how many workers divide it.
        now: seconds on the clock of all later calls.

    Attributes:
        burst: tokens that can be ready at once.
        rate: tokens a second in the long run.
        others: what is known of the other workers.
    """

    __slots__ = (
        "_at",
        "_away",
        "_calls",
        "_cut_at",
        "_cut_weight",
        "_free",
        "_level",
        "_limit",
        "_paused_until",
        "_refused_at",
        "_shares",
        "_slow",
        "_stock",
        "_trust",
        "_trust_at",
        "_window",
        "burst",
        "others",
        "rate",
        "rate_limit",
    )

    def __init__(self, rate_limit: RateLimit, shares: float, now: float) -> None:
        self.rate_limit = rate_limit
        self.others = OtherWorkers()
        self._shares = shares
        self._limit = rate_limit.calls
        self._away: list[float] = []  # when each was spent, oldest first
        self._cut_at, self._cut_weight = -math.inf, 1.0
        self._trust, self._trust_at = 1.0, now
        self._paused_until = self._refused_at = -math.inf
        self._at = now
        self._calls = self._stock = 0.0
        self._resize()
        self._free = self._level = self.burst
        self._stock -= self.burst

    def _resize(self) -> None:
        """Work out the share; tokens that come or go with it are stock's, which may fall below zero."""
        share = self._limit / self._shares
        calls = max(1.0, share)  # less than one call a window is one call in a longer window
        self._window = self.rate_limit.window * _JITTER * max(1.0, 1.0 / share)
        self._stock += calls - self._calls
        self._calls = calls
        self.burst = min(calls, max(1.0, self.rate_limit.burst / self._shares))
        self.rate = calls / self._window
        self._slow = min(self.rate, (calls - self.burst) / max(self._window - _DRY, _EPSILON))

    def change(self, rate_limit: RateLimit, shares: float, now: float) -> None:
        """Go on with another limit or another number of workers; while cut off from them with the share that it has."""
        if self._cut_at > -math.inf:
            shares = self._shares
        if rate_limit == self.rate_limit and shares == self._shares:
            return
        self.advance(now)
        if rate_limit.calls != self.rate_limit.calls:
            self._limit = rate_limit.calls
        self.rate_limit, self._shares = rate_limit, shares
        self._resize()

    @property
    def stated(self) -> tuple[float, float, float]:
        """Calls, window (s) and burst of the whole rate limit, whatever the share."""
        return self._limit, self.rate_limit.window * _JITTER, min(self._limit, max(1.0, self.rate_limit.burst))

    def learn(self, spent: Sequence[float], now: float) -> None:
        """Begin anew from what all workers spent in the last window (s, oldest first), as if it had been known then."""
        begin = min(now - self._window, spent[0] if spent else now)
        drained = self._refused_at <= begin
        self._cut_at, self._cut_weight = -math.inf, 1.0
        self._at = begin
        self._free = self._level = self.burst
        self._stock = self._calls - self.burst
        trust = self.trust(now)
        for at in spent:
            if not drained and self._refused_at <= at:
                drained = self._drain(trust)
            self._flow(min(at, now), trust)
            self._level -= 1.0
            # Where more went at once than was free, it had come back meanwhile from what was spent before.
            lacking = max(0.0, min(1.0 - self._free, self._stock))
            self._free += lacking - 1.0
            self._stock -= lacking
        if not drained:
            self._drain(trust)
        self._away = list(spent)
        self._flow(now, trust)
        self.advance(now)

    def _drain(self, trust: float) -> bool:
        """At the last refusal nothing is left but the one call that the platform has promised to take afterwards."""
        self._flow(self._refused_at, trust)
        self._stock += self._free - 1.0
        self._free = self._level = 1.0
        return True

    def cut_off(self, workers: int, now: float) -> None:
        """Go on with a share of all there is and of all that comes back: the other workers take the rest.

        What they may have spent since they were heard of last counts as spent.
        """
        self.advance(now)
        if workers > 1 and self.others.known_at > -math.inf:
            unseen = math.ceil(min(self.rate * (now - self.others.known_at), self._free + max(0.0, self._stock)))
            self._free -= unseen
            self._away += [now] * unseen
        shares = self.others.shares(workers)
        self._shares, weight = shares, 1.0 / shares
        before = math.nextafter(now, -math.inf)
        self._away = [min(at, before) for at in self._away]
        self._cut_at, self._cut_weight = before, weight
        self._resize()
        self._free *= weight
        self._level *= weight
        self.others.replies, self.others.roots = 0, 0.0
        self._stock = self._calls - self._free - weight * len(self._away)

    def join_others(self, now: float) -> None:
        """Go on with the whole of it, once `learn` told what it is."""
        self._cut_at, self._cut_weight, self.others.version = -math.inf, 1.0, ANEW
        self.change(self.rate_limit, 1.0, now)

    def _weight(self, spent: float) -> float:
        return self._cut_weight if spent <= self._cut_at else 1.0

    @property
    def rests_until(self) -> float:
        """When the rest is over that the platform asked for last (s)."""
        return self._paused_until

    def trust(self, now: float) -> float:
        """How much of the stated limit is used, in (0, 1]: falls with a refusal and comes back over ten minutes."""
        return min(1.0, self._trust + (now - self._trust_at) / _RECOVERY)

    def _cap(self, trust: float) -> float:
        return self.burst if trust >= 1.0 else max(1.0, math.floor(self.burst * trust))

    def advance(self, now: float) -> None:
        """Bring the tokens up to `now`."""
        if now <= self._at:
            return
        trust = self.trust(now)
        returned = 0
        for spent in self._away:
            if (at := spent + self._window) > now:
                break
            self._flow(at, trust)
            returned += 1
            if self._stock < 0.0 or at < self._paused_until:
                self._stock += self._weight(spent)
            else:
                self._free += self._weight(spent)
        del self._away[:returned]
        self._flow(now, trust)

    def _flow(self, until: float, trust: float) -> None:
        elapsed = until - max(self._at, self._paused_until)
        self._at = max(self._at, until)
        cap = self._cap(trust)
        moved = cap - self._free
        if moved > 0.0:
            moved = max(0.0, min(moved, self._stock, self._slow * trust * elapsed))
        self._stock -= moved
        self._free += moved
        self._level = min(cap, self._level + max(0.0, self.rate * trust * elapsed))

    @property
    def ready(self) -> float:
        """Tokens that might be spent at the last `advance`; a write needs 1.0."""
        return min(self._free, self._level)

    def has(self, tokens: float, now: float) -> bool:
        """Whether that many tokens are ready; more than there can ever be count as all there can be."""
        self.advance(now)
        return now >= self._paused_until and self.ready >= min(tokens, self._cap(self.trust(now))) - _EPSILON

    def when(self, tokens: float, now: float) -> float:
        """When `has(tokens)` will hold if nothing is spent before; `now` if it does."""
        if self.has(tokens, now):
            return now
        trust = self.trust(now)
        tokens = min(tokens, self._cap(trust))
        begin = max(now, self._paused_until)
        level_at = begin + max(0.0, tokens - self._level) / (self.rate * trust)
        return max(level_at, self._free_at(tokens - self._free, begin, trust))

    def _free_at(self, need: float, at: float, trust: float) -> float:
        """When `need` tokens more will be free, counted from `at`."""
        slow, stock = self._slow * trust, self._stock
        for spent in self._away:
            back = spent + self._window
            if need <= _EPSILON:
                return at
            if slow > 0.0 and need <= stock + _EPSILON and at + need / slow <= back:
                return at + need / slow
            if back > at:
                moved = max(0.0, min(stock, slow * (back - at)))
                need, stock, at = need - moved, stock - moved, back
            if stock < 0.0 or back < self._paused_until:
                stock += self._weight(spent)
            else:
                need -= self._weight(spent)
        if need <= _EPSILON:
            return at
        return at + need / slow if slow > 0.0 and need <= stock + _EPSILON else at + self._window

    def income(self, now: float, horizon: float) -> float:
        """Tokens a second that become ready over the next `horizon` s, or window, if they are spent as they come."""
        self.advance(now)
        trust = self.trust(now)
        horizon = min(horizon, self._window)
        until = now + horizon - self._window
        back = sum(self._weight(spent) for spent in self._away if spent <= until)
        stock = max(0.0, min(self._stock, self._slow * trust * horizon))
        return min(self.rate * trust, (back + stock) / horizon)

    def out(self, now: float) -> int:
        """How many calls were spent within the last window."""
        self.advance(now)
        return len(self._away)

    def spend(self, now: float) -> None:
        """Take one token; `has(1)` was asked before."""
        self._free -= 1.0
        self._level -= 1.0
        insort(self._away, now)

    def refund(self, spent_at: float) -> None:
        """Give back the token spent at that time, for a write that never left."""
        if spent_at in self._away:
            self._away.remove(spent_at)
            self._free += 1.0
            self._level += 1.0

    def rests(self, now: float) -> float:
        """Return for how many seconds nothing may go because the platform said so."""
        return max(0.0, self._paused_until - now)

    def refused(self, retry_after: float, now: float) -> None:
        """The platform refused a call: rest for `retry_after` s, trust less. Calls in flight together count once.

        Nothing is left but the one call that the platform has promised to take afterwards.
        """
        self.advance(now)
        if now >= self._paused_until and now - self._refused_at >= _TOGETHER:
            half = max(1.0, self._limit // 2) / self._limit  # a small limit that was halved was rounded down
            self._trust = max(_LEAST_TRUST, self.trust(now) * min(_TRUST_LOST, half * _BELOW_HALF))
            self._trust_at = now
        self._refused_at = now
        self._paused_until = max(self._paused_until, now + max(0.0, retry_after))
        self._drain(self.trust(now))

    def observe(self, observed: Observed, now: float) -> bool:
        """Believe what the platform said where it leaves less than was thought; returns whether there is more now.

        Calls that it counted and we did not make (another process, a restart) are away until its window resets.
        That it counted less is not believed: calls in flight are not in its count yet. No more than what remains
        comes back before the reset: a window begins when its first call arrives, however late that was.
        """
        self.advance(now)
        raised = observed.limit > self._limit
        if observed.limit > 0 and observed.limit != self._limit:
            self._limit = observed.limit
            self._resize()
        until = now + observed.reset_after - self._window
        for _ in range(math.floor(self._free + max(0.0, self._stock) - observed.remaining + _EPSILON)):
            if self._stock >= 1.0:
                self._stock -= 1.0
            else:
                self._free, self._stock = self._free - 1.0 + max(0.0, self._stock), min(0.0, self._stock)
            insort(self._away, until)
        early = sum(1 for spent in self._away if spent < until)
        kept = max(0, math.floor(observed.remaining - self._free - max(0.0, self._stock) + _EPSILON))
        if kept < early:
            self._away[kept:early] = [until] * (early - kept)
        return raised

    def idle(self, now: float) -> bool:
        """Whether it is as good as new, so that nothing is lost by forgetting it."""
        self.advance(now)
        return (
            not self._away
            and self.trust(now) >= 1.0
            and now >= self._paused_until
            and self.ready >= self.burst - _EPSILON
            and self._limit == self.rate_limit.calls
        )
