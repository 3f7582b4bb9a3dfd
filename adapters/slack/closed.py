"""Channels in which nothing can be written, remembered for a while: a call there would only be refused again."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

REST = 60.0
"""Seconds until a channel that Slack does not know is tried again."""

SHORT_REST = 10.0
"""Seconds until one that a person can open is tried again, where nobody hears that they did."""

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

    def refused(self, channel: str, why: str, *, there: bool) -> None:
        """A call was refused because of the channel.

        Args:
            channel: its id.
            why: what Slack said.
            there: whether the channel exists, so that somebody can invite the bot or unarchive it.
        """
        self._until[channel] = self._clock() + (SHORT_REST if there else REST), why
        self._until.move_to_end(channel)
        while len(self._until) > KEPT:
            self._until.popitem(last=False)

    def opened(self, channel: str) -> None:
        """A call there succeeded, or Slack said that the bot may write there from now on."""
        self._until.pop(channel, None)
