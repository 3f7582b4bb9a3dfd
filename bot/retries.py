"""What follows an attempt, and when attempts and patience run out.

An attempt ends in exactly one way (`Ended`); `TABLE` says what follows, by whether readers saw text of it:

    DELIVER    the text goes into the outbox, then into the last edit, then the turn is committed
    NOTE       the messages end with the note; ask again from scratch, in new messages
    ASK        nobody saw anything: ask again behind the same placeholder
    GIVE_BACK  the messages end with the note, or go; another worker asks again
    WITHDRAW   the messages go; the next claim asks the edited question
    COMMIT     nothing more can or should be shown: keep what there is
    NOTHING    another worker holds the turn: touch nothing

When attempts or patience run out, NOTE and ASK become DELIVER with a visible failure.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from bot.attempt import End, Ended
from bot.desk import Policy


class Next(enum.Enum):
    """What follows an attempt; see the module's first lines."""

    DELIVER = enum.auto()
    NOTE = enum.auto()
    ASK = enum.auto()
    GIVE_BACK = enum.auto()
    WITHDRAW = enum.auto()
    COMMIT = enum.auto()
    NOTHING = enum.auto()


TABLE: dict[Ended, tuple[Next, Next]] = {
    # ended          readers saw text   they saw none
    Ended.FINISHED: (Next.DELIVER, Next.DELIVER),
    Ended.STOPPED: (Next.DELIVER, Next.DELIVER),
    Ended.FULL: (Next.DELIVER, Next.DELIVER),
    Ended.REFUSED: (Next.DELIVER, Next.DELIVER),
    Ended.BROKE: (Next.NOTE, Next.ASK),
    Ended.BUSY: (Next.NOTE, Next.ASK),
    Ended.DRAINED: (Next.GIVE_BACK, Next.GIVE_BACK),
    Ended.EDITED: (Next.WITHDRAW, Next.WITHDRAW),
    Ended.DELETED: (Next.COMMIT, Next.COMMIT),
    Ended.CLOSED: (Next.COMMIT, Next.COMMIT),
    Ended.LOST: (Next.NOTHING, Next.NOTHING),
}


class Retries:
    """What one turn has tried so far.

    Args:
        policy: how often, and how long.
        backoff: see `Desk`.
        broken: streams of this turn that broke under earlier workers.

    Attributes:
        broken: streams that broke so far.
        waits: how often Claude was too busy to begin.
        pause: seconds to wait before the next attempt.
    """

    def __init__(self, policy: Policy, backoff: Callable[[int, float | None], float], *, broken: int) -> None:
        self.broken = broken
        self.waits = 0
        self.pause = 0.0
        self._policy = policy
        self._backoff = backoff
        self._busy_since: float | None = None

    def after(self, end: End, *, exposed: bool, now: float) -> Next:
        """Return what follows an attempt, and count it.

        Args:
            end: how it ended.
            exposed: whether readers may have seen text of it.
            now: seconds of any clock that only goes forward.
        """
        step = TABLE[end.how][0 if exposed else 1]
        if step not in (Next.ASK, Next.NOTE):
            return step
        if end.how is Ended.BUSY and step is Next.ASK:
            self.waits += 1
            self._busy_since = now if self._busy_since is None else self._busy_since
            self.pause = self._backoff(self.waits, end.retry_after)
            return Next.DELIVER if now - self._busy_since + self.pause > self._policy.busy_timeout else step
        self._busy_since = None
        self.broken += 1
        self.pause = self._backoff(self.broken, end.retry_after)
        return Next.DELIVER if self.broken >= self._policy.max_attempts else step
