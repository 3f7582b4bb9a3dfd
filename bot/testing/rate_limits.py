"""SharedRateLimits in the process's own memory, for the workers of one process (tests, simulations). As `spend.lua`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from bot.ports import DEMAND_LASTS, MOMENT, Act, Draw, Entry, News, Verdict


@dataclass(slots=True)
class _Bucket:
    """Writes of the last window by id; when a burst would be whole again; what each worker said, and till when.

    `life` tells it from one that was forgotten, as it is `until` then if nobody uses it. `by` made it this version,
    with all his changes since version `since`.
    """

    life: int
    spent: dict[str, float] = field(default_factory=dict)
    at: float = -math.inf
    rest: float = -math.inf
    rests: int = 0
    version: int = 0
    by: str = ""
    since: int = 0
    said: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    until: float = math.inf

    def due(self, draw: Draw, replies: int, now: float) -> float:
        """When it lets a write go; see `Room`."""
        at = self._free(draw, draw.room.calls(replies), now)
        return at if at <= now or not draw.room.soon else max(at - draw.room.soon, self._free(draw, 0.0, now))

    def _free(self, draw: Draw, room: float, now: float) -> float:
        """When it lets one go that leaves `room`: no rest, spaced beyond the burst, and no window holds too many."""
        at = max(now, self.rest, self.at - (draw.burst - 1 - room) * draw.window / draw.calls)
        over = min(len(self.spent), math.ceil(len(self.spent) + 1 + room - draw.calls))
        return max(at, sorted(self.spent.values())[over - 1] + draw.window) if over > 0 else at


class MemoryRateLimits:
    """See `bot.ports.SharedRateLimits`; an entry is carried in without waiting, and so is atomic.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._numbers = count(1)

    async def enter(self, worker: str, entries: Sequence[Entry]) -> list[Verdict]:
        """See `SharedRateLimits.enter`."""
        return [self._enter(worker, entry) for entry in entries]

    def _enter(self, worker: str, entry: Entry) -> Verdict:
        now, granted, wait = self._clock(), True, 0.0
        buckets = [self._bucket(draw, now) for draw in entry.draws]
        others = []
        for bucket, draw in zip(buckets, entry.draws, strict=True):
            bucket.spent = {id_: at for id_, at in bucket.spent.items() if at > now - draw.window}
            bucket.said = {name: said for name, said in bucket.said.items() if said[2] > now}
            said = [said for name, said in bucket.said.items() if name != worker]
            others.append((sum(replies for replies, *_ in said), sum(roots for _, roots, _ in said)))
            bucket.said[worker] = (draw.replies, draw.roots, now + DEMAND_LASTS)
            bucket.until = max(now, bucket.at, bucket.rest) + draw.window + DEMAND_LASTS
        stale = [
            bucket.version != draw.version and (bucket.by != worker or draw.version < bucket.since)
            for bucket, draw in zip(buckets, entry.draws, strict=True)
        ]
        everything = list(zip(buckets, entry.draws, others, strict=True))
        match entry.act:
            case Act.ASK:
                entered = buckets[0].spent.get(entry.id)
                at = entered or max(
                    bucket.due(draw, draw.replies + other, now) for bucket, draw, (other, _) in everything
                )
                wait = max(0.0, at - now)
                granted = entered is not None or wait <= MOMENT
                if granted:
                    self._spend(worker, entry, buckets, at)
            case Act.MADE:
                self._spend(worker, entry, buckets, now - entry.seconds)
            case Act.BACK:
                for bucket, draw in zip(buckets, entry.draws, strict=True):
                    # What was spaced after it stays so: only the newest write gives its place back.
                    newest = max(bucket.spent.values(), default=math.inf)
                    if entry.id in bucket.spent:
                        self._change(bucket, worker)
                        if bucket.spent.pop(entry.id) == newest:
                            bucket.at -= draw.window / draw.calls
            case Act.REST:
                for bucket in buckets:
                    bucket.rest, bucket.rests = max(bucket.rest, now + entry.seconds), next(self._numbers)
            case Act.LOOK:
                pass
        return Verdict(
            granted,
            wait,
            tuple(
                News(
                    bucket.life,
                    now - bucket.life / 1e6,
                    bucket.version,
                    bucket.rests,
                    max(0.0, bucket.rest - now),
                    replies,
                    roots,
                    tuple(sorted((now - at for at in bucket.spent.values()), reverse=True)) if new else None,
                )
                for (bucket, _, (replies, roots)), new in zip(everything, stale, strict=True)
            ),
        )

    def _bucket(self, draw: Draw, now: float) -> _Bucket:
        bucket = self._buckets.get(draw.bucket)
        if bucket is None or bucket.until <= now:
            bucket = self._buckets[draw.bucket] = _Bucket(round(now * 1e6) + 1)
        return bucket

    def _spend(self, worker: str, entry: Entry, buckets: Sequence[_Bucket], at: float) -> None:
        for bucket, draw in zip(buckets, entry.draws, strict=True):
            if entry.id not in bucket.spent:
                bucket.spent[entry.id] = at
                times = [at]
                if at < max(bucket.spent.values()):  # one that is told late takes its place among the others
                    times, bucket.at = sorted(bucket.spent.values()), -math.inf
                for each in times:
                    bucket.at = max(bucket.at, each) + draw.window / draw.calls
                self._change(bucket, worker)

    def _change(self, bucket: _Bucket, worker: str) -> None:
        if bucket.by != worker:
            bucket.by, bucket.since = worker, bucket.version
        bucket.version = next(self._numbers)
