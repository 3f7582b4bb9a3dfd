"""Stops calls that were refused again and again, or until a time that Discord named. Pure, with the clock passed in.

Discord bans an address after 10,000 answers of 401, 403 or 429 within 10 minutes (Developer Docs, "Rate Limits").
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.discord.recent import Recent

STRIKES = 3
"""Refusals in a row after which calls are no longer made."""

REST = 60.0
"""Seconds until one is tried again."""


class Cooldown:
    """Which channels rest.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._strikes: Recent[str, tuple[int, float]] = Recent(1000)
        self._limited: Recent[str, float] = Recent(1000)

    def rests(self, channel: str) -> bool:
        """Whether a call there would only be refused once more."""
        strikes, until = self._strikes.get(channel) or (0, 0.0)
        return self._clock() < max(until if strikes >= STRIKES else 0.0, self._limited.get(channel) or 0.0)

    def refused(self, channel: str) -> None:
        """A call was refused for want of access."""
        strikes, _ = self._strikes.get(channel) or (0, 0.0)
        self._strikes[channel] = (strikes + 1, self._clock() + REST)

    def limited(self, channel: str, retry_after: float) -> None:
        """A call was refused for its rate: none for `retry_after` s."""
        self._limited[channel] = self._clock() + retry_after

    def accepted(self, channel: str) -> None:
        """A call succeeded."""
        if channel in self._strikes:
            self._strikes[channel] = (0, 0.0)
