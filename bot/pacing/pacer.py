"""When a write may go: each asks the `Pacer`, which shares every bucket fairly among the live replies.

This file only waits; what is decided is in `_schedule`, what is counted in `_rate_limit` and `_live_reply`, and what is
agreed with other workers in `_sharing`. It owns one timer, and none while nobody waits.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence

from bot.errors import LONGEST_PAUSE
from bot.log_limit import LimitedLog
from bot.pacing.live_reply import LiveReply, Urgency
from bot.pacing.schedule import Schedule
from bot.pacing.sharing import Sharing
from bot.pacing.waiting_write import PendingWrite
from bot.ports import Observed, RateLimit, SharedRateLimits

__all__ = ["LiveReply", "Pacer", "Urgency"]


log = logging.getLogger(__name__)

LONG_REST = 60.0
"""Seconds of a rest above which the log tells of it: platforms count by the minute."""


class Pacer:
    """The gate that no write passes by. For one event loop.

    Args:
        clock: seconds that never go back; None for the running event loop's own time.
        shares: how many live workers divide the rate limits.
        shared: what all workers spend is agreed on there; None where a process has its rate limits, or a share, to
            itself.
    """

    def __init__(
        self, clock: Callable[[], float] | None = None, shares: int = 1, shared: SharedRateLimits | None = None
    ) -> None:
        self._given_clock = clock
        self._log = LimitedLog(log)
        self._schedule = Schedule(shares)
        self._sharing = Sharing(shared, self._schedule, self._now, self._go, self._look) if shared else None
        self._waiting: dict[PendingWrite, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def _now(self) -> float:
        return self._given_clock() if self._given_clock is not None else asyncio.get_running_loop().time()

    def live_reply(self, rate_limits: Sequence[RateLimit] = ()) -> LiveReply:
        """Join the live replies.

        Args:
            rate_limits: what the reply's edits will spend from. Naming them keeps room for its ending, and counts it
                in `crowded`, from the start; otherwise that begins with its first `admit`.
        """
        clock = self._given_clock or asyncio.get_running_loop().time
        live_reply = LiveReply(clock, self._changed, self._left)
        self._schedule.join(live_reply, rate_limits, clock())
        return live_reply

    def crowded(self, rate_limits: Sequence[RateLimit]) -> bool:
        """Whether more replies live on one of `rate_limits` than may write at once: show a status, no placeholder."""
        return self._schedule.crowded(rate_limits, self._now())

    def share(self, shares: int) -> None:
        """Divide every rate limit by `shares` live workers; with a shared counter only while it does not answer.

        The call itself says that the store answers, and should come every few seconds.
        """
        if self._sharing is not None:
            self._sharing.attend(shares)
            return
        self._schedule.share(shares, self._now())
        self._look()

    def observe(self, observed: Observed) -> None:
        """Note what a platform's answer said about a bucket; one never asked for is ignored."""
        self._schedule.observe(observed, self._now())
        self._look()

    def refused(self, rate_limits: Sequence[RateLimit], retry_after: float) -> None:
        """Note a refusal for rate: all of `rate_limits` rest for `retry_after` s. The write has to ask again."""
        now = self._now()
        retry_after = min(retry_after, LONGEST_PAUSE)
        if retry_after > LONG_REST:
            names = [rate_limit.name for rate_limit in rate_limits]
            self._log.warning(str(names), "a platform asks for a long rest", limits=names, seconds=round(retry_after))
        self._schedule.refused(rate_limits, retry_after, now)
        if self._sharing is not None and rate_limits:
            self._sharing.rest([self._schedule.bucket(rate_limit, now) for rate_limit in rate_limits], retry_after)
        self._look()

    def resting(self, longer_than: float) -> dict[str, float]:
        """Return the rate limits on which nothing may be written for more than `longer_than` seconds, and how long."""
        now = self._now()
        rests = {bucket.rate_limit.name: bucket.rests(now) for bucket in self._schedule.buckets()}
        return {name: seconds for name, seconds in rests.items() if seconds > longer_than}

    async def close(self) -> None:
        """Ask the other workers nothing more, and wait for what is under way."""
        if self._sharing is not None:
            await self._sharing.close()

    async def admit(self, rate_limits: Sequence[RateLimit], who: LiveReply | Urgency) -> None:
        """Wait until one write may go on all of `rate_limits` at once; one call of each is spent on return.

        An interim write of a live reply that has nothing unseen waits for text: pass an `Urgency` for one that brings
        none. Cancelling spends nothing.
        """
        await self.admit_any((rate_limits,), who, fallback_after=math.inf)

    async def admit_any(
        self, choices: Sequence[Sequence[RateLimit]], who: LiveReply | Urgency, *, fallback_after: float
    ) -> int:
        """Wait like `admit` for one of several ways to write; returns the index of the one that may go.

        Args:
            choices: the rate limits of each way, the preferred first.
            who: whose write it is; an interim one waits for the first way alone.
            fallback_after: seconds the first way may make an urgent write wait before another is taken; for a live
                reply's final write they count from the stream's end.
        """
        pending = self._schedule.ask(choices, who, self._now(), fallback_after)
        future = asyncio.get_running_loop().create_future()
        self._waiting[pending] = future
        try:
            self._look()
            await future
        except asyncio.CancelledError:
            self._schedule.cancel(pending, self._now())
            if self._sharing is not None:
                self._sharing.withdraw(pending)
            self._look()
            raise
        finally:
            self._waiting.pop(pending, None)
        return pending.granted

    def _changed(self, live_reply: LiveReply) -> None:
        if self._schedule.changed(live_reply, self._now()):
            self._look()

    def _left(self, live_reply: LiveReply) -> None:
        self._schedule.leave(live_reply, self._now())
        self._look()

    def _go(self, pending: PendingWrite) -> None:
        if (future := self._waiting.get(pending)) is not None and not future.done():
            future.set_result(None)

    def _look(self) -> None:
        """Let go what may go, and set the one timer to when the next may."""
        granted, again = self._schedule.run(self._now())
        for pending in granted:
            if self._sharing is None or not self._sharing.ask(pending):
                self._go(pending)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if again < math.inf:
            self._timer = asyncio.get_running_loop().call_later(max(0.001, again - self._now()), self._look)
