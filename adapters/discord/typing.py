"""When typing is worth a call. Pure, with the clock passed in.

One call shows it to everybody in the channel, whichever answer it is for, for 10 s or until the bot's next message
there (Developer Docs, "Trigger Typing Indicator"). Nobody paces these calls, so they are kept few here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.discord.recent import Recent

CALLS, WINDOW = 2, 5.2
"""Calls a channel, and the seconds they are counted over: less than half of the 5 in 5 s that was measured."""

LASTS = 8.0
"""Seconds after a call in which another would show nothing new."""


@dataclass(slots=True)
class _Channel:
    sent: list[float] = field(default_factory=list)
    visible: bool = False
    rests_until: float = 0.0


class Typing:
    """Which channels show that the bot is typing.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._channels: Recent[str, _Channel] = Recent(1000)

    def begin(self, channel: str) -> bool:
        """Whether a call is worth it there now; if so it counts as made."""
        now = self._clock()
        known = self._channels.get(channel) or _Channel()
        known.sent = [at for at in known.sent if now - at < max(WINDOW, LASTS)]
        shown = known.visible and bool(known.sent) and now - known.sent[-1] < LASTS
        if shown or now < known.rests_until or sum(now - at < WINDOW for at in known.sent) >= CALLS:
            return False
        known.sent.append(now)
        known.visible = True
        self._channels[channel] = known
        return True

    def refused(self, channel: str, retry_after: float) -> None:
        """A call was refused for its rate: none for `retry_after` s."""
        if known := self._channels.get(channel):
            known.rests_until = self._clock() + retry_after

    def over(self, channel: str) -> None:
        """A message of the bot took it away."""
        if known := self._channels.get(channel):
            known.visible = False
