"""The REST API's rate limits: a bucket per call and channel, one for the whole bot, and two that no header shows."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

from sandbox.limits import Counting, Limiter


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `calls` in `window` seconds."""

    calls: int
    window: float


BUDGETS: dict[str, RateLimit] = {
    "POST message": RateLimit(5, 5.0),
    "PATCH message": RateLimit(5, 5.0),
    "DELETE message": RateLimit(5, 1.0),
    "POST thread": RateLimit(50, 300.0),
    "POST typing": RateLimit(5, 5.0),
    "PUT reaction": RateLimit(1, 0.25),
    "DELETE reaction": RateLimit(1, 0.25),
    "PATCH channel": RateLimit(10, 15.0),
}
"""What the community has measured, per call and channel. Calls that are not named meet the bot's own limit only."""

WHOLE_BOT = RateLimit(50, 1.0)
"""All calls of a bot together, interactions apart (Discord's documentation, "Global Rate Limit")."""

OLD_EDITS = RateLimit(3, 6.0)
"""Edits of messages older than 1 h, per channel: 30046 beyond it, and no header tells (community)."""

RENAMES = RateLimit(2, 600.0)
"""Renames of a channel; no header tells (community)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that came too early: seconds until it would be let through, and whose limit it met."""

    retry_after: float
    scope: str = "user"

    @property
    def whole_bot(self) -> bool:
        """Whether the limit of the whole bot was met."""
        return self.scope == "global"


@dataclass(slots=True)
class RateLimits:
    """Counts calls and says what the headers say.

    Args:
        counting: how windows are counted. "anchored", as Discord's headers describe, opens one with its first call.
        enforced: False lets everything through and sends no headers.
        share: the part of each rate limit that is truly granted while the headers go on naming the whole: 0.5 is
            "secretly halved". At least one call is granted.
        rate_limits: the rate limits by call; may be changed before the first call of its kind.
    """

    counting: Counting = "anchored"
    enforced: bool = True
    share: float = 1.0
    rate_limits: dict[str, RateLimit] = field(default_factory=lambda: dict(BUDGETS))
    whole_bot: RateLimit = WHOLE_BOT
    _granted: dict[tuple[str, str], Limiter] = field(default_factory=dict)
    _shown: dict[tuple[str, str], Limiter] = field(default_factory=dict)

    def admit_any(self, now: float) -> Refusal | None:
        """Count a call against the limit of the whole bot."""
        wait = self._admit("", "", self.whole_bot, now)
        return Refusal(wait, "global") if wait else None

    def admit(self, call: str, channel: str, now: float) -> tuple[Refusal | None, dict[str, str]]:
        """Count a call against its bucket; the answer's `X-RateLimit-*` headers are empty when it has none."""
        rate_limit = self.rate_limits.get(call)
        if rate_limit is None or not self.enforced:
            return None, {}
        wait = self._admit(call, channel, rate_limit, now)
        shown = self._shown.setdefault((call, channel), Limiter(rate_limit.calls, rate_limit.window, self.counting))
        if not wait:
            shown.admit(now)
        remaining, reset_after = (0, wait) if wait else shown.state(now)
        reset_after = milliseconds(reset_after)
        headers = {
            "X-RateLimit-Limit": str(rate_limit.calls),
            "X-RateLimit-Remaining": str(max(0, remaining)),
            "X-RateLimit-Reset": f"{now + reset_after:.3f}",
            "X-RateLimit-Reset-After": f"{reset_after:.3f}",
            "X-RateLimit-Bucket": hashlib.blake2s(call.encode(), digest_size=16).hexdigest(),
        }
        return (Refusal(wait) if wait else None), headers

    def admit_old_edit(self, channel: str, now: float) -> float:
        """Count an edit of a message older than 1 h; seconds to wait, 0.0 when it may go."""
        return self._admit("old edits", channel, OLD_EDITS, now)

    def admit_rename(self, channel: str, now: float) -> float:
        """Count a rename; seconds to wait, 0.0 when it may go."""
        return self._admit("renames", channel, RENAMES, now)

    def _admit(self, call: str, channel: str, rate_limit: RateLimit, now: float) -> float:
        if not self.enforced:
            return 0.0
        limiter = self._granted.setdefault((call, channel), Limiter(rate_limit.calls, rate_limit.window, self.counting))
        limiter.calls = max(1, int(rate_limit.calls * self.share))
        return milliseconds(limiter.admit(now))


def milliseconds(seconds: float) -> float:
    """Rounded up to whole milliseconds, so that who waits exactly that long does not come too early."""
    return math.ceil(seconds * 1000) / 1000


def refusal_headers(refusal: Refusal) -> dict[str, str]:
    """The headers of a 429 beside those of its bucket."""
    headers = {"Retry-After": str(math.ceil(refusal.retry_after)), "X-RateLimit-Scope": refusal.scope}
    if refusal.whole_bot:
        headers["X-RateLimit-Global"] = "true"
    return headers


def refusal_body(refusal: Refusal) -> dict[str, object]:
    """The JSON body of a 429."""
    return {
        "message": "You are being rate limited.",
        "retry_after": refusal.retry_after,
        "global": refusal.whole_bot,
    }
