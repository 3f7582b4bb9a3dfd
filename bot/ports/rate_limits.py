"""Sharing the platforms' rate limits among all workers of an installation: one ledger of what they spent."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Act(enum.Enum):
    """What a worker tells the ledger."""

    ASK = "ask"
    """May this write go now? Where it may, it is spent."""
    MADE = "made"
    """This write went, unasked, `seconds` ago."""
    BACK = "back"
    """The write that was spent under this id never went."""
    REST = "rest"
    """The platform refused a write for rate: nobody may write for `seconds`."""
    LOOK = "look"
    """Nothing: what is new?"""


class Room(NamedTuple):
    """Calls a write must leave for the endings of live replies: so many for each, within these bounds.

    What comes in again within `soon` seconds counts as left.
    """

    per_reply: float
    most: float
    least: float
    soon: float

    def calls(self, replies: float) -> float:
        """How many it must leave while that many replies live."""
        return max(self.least, min(self.per_reply * replies, self.most), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One of the rate limits that a write spends from, as a worker sees it.

    Args:
        bucket: its name, which begins with the installation (`slack:T1:chat.update`).
        calls: how many any window may hold.
        window: seconds.
        burst: calls that may go at once; further ones are spaced by window / calls.
        room: what this write must leave.
        replies: this worker's live replies on the bucket.
        roots: the sum of the roots of their characters a second, by which edits are shared.
        version: what this worker knows of the bucket's calls; 0 for nothing, `ANEW` to be told all.
    """

    bucket: str
    calls: float
    window: float
    burst: float
    room: Room
    replies: int
    roots: float
    version: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One line for the ledger. `id` names a write; repeating an entry with its id changes nothing."""

    act: Act
    id: str
    draws: tuple[Draw, ...]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class News:
    """What became known of one bucket.

    Args:
        life: names the ledger that says this: another one has forgotten what the first was told.
        age: seconds since it began.
        version: names this knowledge.
        rest: names the last rest that a platform asked for; 0 for none lately.
        rests: seconds until it is over; not above 0 when it is.
        replies: live replies of all other workers.
        roots: as in `Draw`, of all other workers.
        spent: how many seconds ago each call within the last window went, of all workers, oldest first (below 0: it
            will go then); None where the worker knew all but its own.
    """

    life: int
    age: float
    version: int
    rest: int
    rests: float
    replies: int
    roots: float
    spent: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to an entry.

    Args:
        granted: for one that asks: whether it may go `wait` seconds from now, a moment at most; it is spent then.
        wait: of a refused one: seconds until it is worth asking again.
        news: of each of its buckets, in their order.
    """

    granted: bool
    wait: float
    news: tuple[News, ...]


class SharedRateLimits(Protocol):
    """The ledger."""

    async def enter(self, worker: str, entries: Sequence[Entry]) -> list[Verdict]:
        """Carry the entries in, in their order, and answer each. Raises StoreUnavailable; then any may be in it.

        An entry's buckets are spent from all at once or not at all.
        """
        ...


ANEW = -1
"""A version that nobody knows."""

MOMENT = 0.05
"""Seconds that a granted write may have to wait: clocks and ways to the ledger differ, and asking again costs more."""

DEMAND_LASTS = 10.0
"""Seconds for which it counts what a worker last said of its live replies."""
