"""How often each method may be called, per workspace and app: Slack's tiers, enforced with the clock passed in."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from sandbox.limits import Counting, Limiter

TIER_2 = (20, 60.0)
TIER_3 = (50, 60.0)
TIER_4 = (100, 60.0)

LIMITS: Mapping[str, tuple[int, float]] = {
    # calls, seconds; tiers by Slack's documentation of each method
    "chat.update": TIER_3,
    "chat.delete": TIER_3,
    "chat.postMessage": (300, 60.0),  # "several hundred a minute" in a workspace; a channel's own limit is below
    "chat.postEphemeral": TIER_4,
    "chat.startStream": TIER_2,
    "chat.stopStream": TIER_2,
    "chat.appendStream": TIER_4,
    "chat.getPermalink": (600, 60.0),
    "assistant.threads.setStatus": (600, 60.0),
    "auth.test": (600, 60.0),
    "apps.connections.open": (60, 60.0),  # tier 1 on paper, but clients that reconnect in a hurry are served
    "conversations.history": TIER_3,
    "conversations.replies": TIER_3,
    "conversations.info": TIER_3,
    "conversations.open": TIER_3,
    "conversations.list": TIER_2,
    "conversations.members": TIER_4,
    "users.info": TIER_4,
    "users.list": TIER_2,
    "users.conversations": TIER_3,
    "reactions.add": TIER_3,
    "bots.info": TIER_3,
    "team.info": TIER_3,
    "views.publish": TIER_4,
}

PER_CHANNEL: Mapping[str, tuple[int, float]] = {
    # one a second, "short bursts" tolerated: five is our reading of it
    "chat.postMessage": (5, 5.0),
}


class Rates:
    """The limits in force.

    Args:
        counting: how a minute is counted; Slack does not say.
        enforced: False lets everything through.
        factor: multiplies every number of calls: 0.5 halves them without a word.
        limits: (calls, seconds) by method, in place of those of `LIMITS`.
        per_channel: likewise for `PER_CHANNEL`.
        clock: seconds.
    """

    def __init__(
        self,
        counting: Counting = "sliding",
        *,
        enforced: bool = True,
        factor: float = 1.0,
        limits: Mapping[str, tuple[int, float]] | None = None,
        per_channel: Mapping[str, tuple[int, float]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.enforced = enforced
        self._counting = counting
        self._factor = factor
        self._limits = {**LIMITS, **(limits or {})}
        self._per_channel = {**PER_CHANNEL, **(per_channel or {})}
        self._clock = clock
        self._limiters: dict[tuple[str, str], Limiter] = {}

    def change(self, *, counting: Counting | None = None, factor: float | None = None) -> None:
        """Count otherwise from now on; what was counted so far is forgotten."""
        self._counting = counting or self._counting
        self._factor = self._factor if factor is None else factor
        self._limiters.clear()

    def admit(self, method: str, channel: str) -> int:
        """Count one call. Returns 0 when it may pass, else the whole seconds of `Retry-After`."""
        if not self.enforced:
            return 0
        now = self._clock()
        tables = [(self._per_channel, channel)] if channel else []
        held = [self._limiter(table, method, of) for table, of in [*tables, (self._limits, "")] if method in table]
        # an empty limiter counts nothing when asked, so a refused call counts nowhere
        waits = [limiter.admit(now) for limiter in held if limiter.state(now)[0] < 1]
        if any(waits):
            return max(1, math.ceil(max(waits)))
        for limiter in held:
            limiter.admit(now)
        return 0

    def _limiter(self, table: Mapping[str, tuple[int, float]], method: str, of: str) -> Limiter:
        if (method, of) not in self._limiters:
            calls, window = table[method]
            self._limiters[method, of] = Limiter(max(1, int(calls * self._factor)), window, self._counting)
        return self._limiters[method, of]
