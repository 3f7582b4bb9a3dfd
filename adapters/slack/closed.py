"""Channels in which nothing can be written, remembered for a minute: a call there would only be refused again."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

REST = 60.0
"""Seconds until a channel is tried again: somebody may have invited the bot."""

KEPT = 10_000


class ClosedChannels:
    """Which channels are closed.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def reason(self, channel: str) -> str:
        """Return why a call there would be refused; empty when it need not be."""
        until, why = self._until.get(channel, (0.0, ""))
        return why if self._clock() < until else ""

    def refused(self, channel: str, why: str) -> None:
        """A call was refused because of the channel."""
        self._until[channel] = self._clock() + REST, why
        self._until.move_to_end(channel)
        while len(self._until) > KEPT:
            self._until.popitem(last=False)
