"""When and how the bot connects to Discord's gateway again: never in a hot loop, and resuming wherever it can.

A RESUME costs nothing. An IDENTIFY is one of 1,000 a day, over which Discord takes the token away (Developer Docs,
"Session Start Limit"). Pure, with the clock passed in.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import yarl

CONNECTIONS, CONNECTIONS_EVERY = 5, 1.0
"""Connections that may follow each other at once, and the seconds after which one more may."""

IDENTIFIES, IDENTIFIES_EVERY = 100, 96.0
"""The same for IDENTIFY: 100 and one every 96 s make 1,000 in the worst day."""

FIRST, LONGEST = 0.2, 30.0
"""Seconds before the connection after one that brought no session; doubled each time."""

RESUMES = 3
"""Tries to resume a session, with a gateway that answers, after which a new one is begun."""

AFTER_LOSS = 0.2, 1.0
"""Parts of the time between two IDENTIFYs, of which a random one passes after a session was lost: "between 1 and 5
seconds" of the usual five (Developer Docs, "Resuming"), so that not everybody is back at once."""

SESSION_OVER = frozenset({4003, 4007, 4009})
"""Close codes after which the session cannot be resumed (Developer Docs, "Gateway Close Event Codes")."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a RESUME needs: the session's id, the number of the last event that was heard, and where it is resumed.

    An empty `gateway` stands for the usual one.
    """

    id: str
    sequence: int
    gateway: yarl.URL


class _Allowance:
    """So many at once, and one more after each `every` seconds."""

    def __init__(self, at_once: int, every: float) -> None:
        self._ahead = at_once * every
        self._every = every
        self._spent_until = 0.0

    def wait(self, now: float) -> float:
        """Return the seconds until one may be spent."""
        return max(0.0, self._spent_until + self._every - self._ahead - now)

    def spend(self, now: float) -> None:
        """Take one."""
        self._spent_until = max(self._spent_until, now) + self._every


class Reconnect:
    """What is known of the connections so far.

    Args:
        clock: seconds that never go back.
        identify_delay: seconds between two IDENTIFYs; Discord allows one per 5 s.
    """

    def __init__(self, clock: Callable[[], float], identify_delay: float) -> None:
        self._clock = clock
        self._identify_delay = identify_delay
        self._connections = _Allowance(CONNECTIONS, CONNECTIONS_EVERY)
        self._identifies = _Allowance(IDENTIFIES, IDENTIFIES_EVERY)
        self._identify_from = -math.inf
        self._failed = 0
        self._not_resumed = 0
        self.session: Session | None = None
        """What is resumed next; None where a new session must be begun."""

    @property
    def gateway(self) -> yarl.URL | None:
        """Where to resume; None for the usual address, which is tried in turn with one that does not answer."""
        return self.session.gateway if self.session is not None and self._failed % 2 == 0 else None

    def pause(self) -> float:
        """Return the seconds until the next connection may begin, which counts as begun then."""
        now = self._clock()
        wait = self._connections.wait(now)
        if self._failed:
            longest = min(LONGEST, FIRST * 2.0 ** min(self._failed - 1, 16))
            wait = max(wait, random.uniform(longest / 2, longest))  # noqa: S311 - jitter
        if self.session is None:
            wait = max(wait, self._identifies.wait(now), self._identify_from - now)
        self._connections.spend(now + wait)
        return wait

    def identifies(self) -> None:
        """An IDENTIFY is sent now."""
        now = self._clock()
        self._identifies.spend(now)
        self._identify_from = now + self._identify_delay

    def over(self, session: Session | None, *, began: bool, greeted: bool = True) -> None:
        """A connection ended.

        Args:
            session: what can be resumed.
            began: whether it brought a session, new or old.
            greeted: whether the gateway answered at all, and was asked for a session.
        """
        if began:
            self._failed = self._not_resumed = 0
        else:
            self._failed += 1
            self._not_resumed += greeted
        had = began or self.session is not None
        self.session = session if self._not_resumed < RESUMES else None
        if had and self.session is None:
            pause = self._identify_delay * random.uniform(*AFTER_LOSS)  # noqa: S311 - jitter
            self._identify_from = max(self._identify_from, self._clock() + pause)
