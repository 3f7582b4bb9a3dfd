"""Discord's rate limits as rate limits: what the headers said, and cautious values until they have spoken. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.errors import LONGEST_PAUSE
from bot.ports import Observed, RateLimit, Write

CALLS, WINDOW = 5, 5.0
"""Creates, edits and deletes per channel, each, and their window (s), as the community measured; headers correct it."""

OPENED, OPENED_IN = 50, 300.0
"""Threads opened per channel, and their window (s), as the community measured; headers correct it."""

BURSTS = {Write.POST: 4, Write.EDIT: 3, Write.DELETE: 3, Write.OPEN: OPENED}
"""How many may go at once; not all there are. First texts and late ends go as new messages, which need no spreading;
edits go on, and a burst of them is followed by a pause nearly as long as the window."""

BOT_CALLS, BOT_BURST = 45, 5
"""Requests per second of the whole bot. Discord allows 50 (Developer Docs, "Rate Limits"); the rest is for reading and
typing, which nobody paces."""


MOST_CALLS = 10_000
"""Calls a window that are believed: Discord's limits are a few dozen."""


@dataclass(slots=True)
class _Known:
    calls: int = CALLS
    window: float = WINDOW


class Limits:
    """The rate limits of one bot's writes.

    Args:
        installation: begins every bucket's name.
    """

    def __init__(self, installation: str) -> None:
        self._installation = installation
        self._known = {write: _Known() for write in Write}
        self._known[Write.OPEN] = _Known(OPENED, OPENED_IN)
        self._bot = RateLimit(f"{installation}:all", BOT_CALLS, 1.0, BOT_BURST)

    def bucket(self, write: Write, channel: str) -> str:
        """The name of the bucket that such a write spends from, beside the whole bot's."""
        return f"{self._installation}:{channel}:{write.value}"

    def rate_limits(self, write: Write, channel: str) -> tuple[RateLimit, ...]:
        """The rate limits one write to `channel` (the thread's id in a thread) spends from."""
        known = self._known[write]
        burst = min(BURSTS[write], max(1, known.calls - 1))
        return (RateLimit(self.bucket(write, channel), known.calls, known.window, burst), self._bot)

    def learn(self, write: Write, channel: str, headers: Mapping[str, str]) -> tuple[Observed, ...]:
        """Read `X-RateLimit-*` from an answer; empty when it has none that can be read.

        A limit other than the known one holds from now on. The window is the longest reset seen with it.
        """
        try:
            limit = int(headers["X-RateLimit-Limit"])
            remaining = int(headers["X-RateLimit-Remaining"])
            reset_after = float(headers["X-RateLimit-Reset-After"])
        except (KeyError, ValueError):
            return ()
        if not 1 <= limit <= MOST_CALLS or remaining < 0 or not 0 <= reset_after <= LONGEST_PAUSE:
            return ()
        known = self._known[write]
        if limit != known.calls:
            known.calls, known.window = limit, WINDOW
        known.window = max(known.window, reset_after)
        return (Observed(self.bucket(write, channel), limit, remaining, reset_after),)
