"""Agrees with the other workers on what may go: every write is entered in a counter that all of them share.

One task asks, and only while there is something to say; what comes meanwhile goes together in the next call. A counter
that does not answer holds nothing up. Each worker then goes on with a share of every rate limit, in proportion to the
live replies it knew of. When the counter answers again, the worker tells it what it wrote, and trusts it a little
later, when the others have told theirs.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from bot.errors import StoreUnavailable
from bot.pacing.bucket import Bucket
from bot.pacing.live_reply import Urgency
from bot.pacing.schedule import Schedule
from bot.pacing.waiting_write import PendingWrite, room
from bot.ports import ANEW, Act, Draw, Entry, SharedRateLimits, Verdict

log = logging.getLogger(__name__)

ANSWER_TIMEOUT: Final = 0.25
"""Seconds a write waits for the shared counter's answer."""

GRACE: Final = 4.0
"""Seconds from the first answer after an outage until the counter is trusted: every worker tells of itself sooner."""

GRACE_OF_EMPTIED: Final = 8.0
"""Seconds from the first sight of an emptied counter until it is trusted: by then each worker told what it wrote."""

LONGEST_GRACE: Final = 60.0
"""The same for a shared counter that is late again and again: each time a write waits for it in vain."""

LONG: Final = 10.0
"""Seconds of a window in which what others spend is followed also while one does not write: it lasts when cut off."""

_MANY: Final = 128


@dataclass(slots=True)
class _Errand:
    """What is to be told, and can wait. `at` is when a write was made, or until when a bucket rests (s)."""

    act: Act
    id: str
    buckets: Sequence[Bucket]
    at: float = 0.0


_Heard = tuple[Sequence[Bucket], Verdict]


class Sharing:
    """What one `Pacer` agrees with those of the other workers.

    Args:
        shared: what all workers share.
        schedule: the pacer's own.
        clock: seconds.
        go: called with a pending write that may go.
        look: called when the schedule is worth another look.
    """

    def __init__(
        self,
        shared: SharedRateLimits,
        schedule: Schedule,
        clock: Callable[[], float],
        go: Callable[[PendingWrite], None],
        look: Callable[[], None],
    ) -> None:
        self._ledger, self._schedule, self._clock = shared, schedule, clock
        self._go, self._look = go, look
        self._name = secrets.token_hex(4)
        self._ids = count()
        self._workers = 1
        self._queue: list[PendingWrite] = []
        self._asked: list[PendingWrite] = []
        self._errands: list[_Errand] = []
        self._task: asyncio.Task[None] | None = None
        self._tired: asyncio.TimerHandle | None = None
        self._closed = False
        self._alone = self._emptied_before = False
        self._together_at = math.inf
        self._grace = GRACE

    def ask(self, pending: PendingWrite) -> bool:
        """Ask for a pending write that the schedule let go; `go` is called when it may, or the schedule gets it back.

        Returns False when there is nobody to ask: it may go at once.
        """
        now = self._clock()
        if self._closed or not pending.way:
            return False
        if self._alone and not self._joins(now):
            errand = _Errand(Act.MADE, self._new_id(), pending.way, now)
            self._tell(errand)
            _remember(errand.buckets, errand.id, now)
            return False
        self._queue.append(pending)
        self._wake()
        return True

    def withdraw(self, pending: PendingWrite) -> None:
        """The write of a pending write that was asked for will not go: what it spent is given back."""
        if pending in self._queue:
            self._queue.remove(pending)
        elif pending.entry:
            if pending in self._asked:
                self._asked.remove(pending)
            self._give_back(pending)

    def rest(self, buckets: Sequence[Bucket], retry_after: float) -> None:
        """A platform refused a write of ours: let the others rest as well."""
        self._tell(_Errand(Act.REST, self._new_id(), buckets, self._clock() + retry_after))

    def attend(self, workers: int) -> None:
        """The store answers, and that many workers live: tell and learn what is new where others write, too."""
        self._workers, now = workers, self._clock()
        if self._alone:
            self._answers(now)
            if self._errands:
                self._wake()
            elif self._joins(now):
                self._look()
        else:
            for bucket in self._schedule.buckets():
                known = bucket.others
                left = known.told and not self._schedule.demand(bucket, now)[0]
                if known.replies or (workers > 1 and (left or bucket.rate_limit.window > LONG)):
                    self._tell(_Errand(Act.LOOK, "", (bucket,)))

    async def close(self) -> None:
        """Ask nothing more, and wait for the answer to what was asked."""
        self._closed = True
        self._errands.clear()
        if self._task is not None:
            await asyncio.wait({self._task})

    # --- the task -------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._task is None and not self._closed:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="shared budgets")

    async def _run(self) -> None:
        try:
            answered = True
            while answered and (self._queue or self._errands):
                answered = await self._enter()
        finally:
            self._task = None
            if self._asked or self._queue:
                self._lose()

    async def _enter(self) -> bool:
        """Ask for and tell all there is; returns whether the shared counter answered."""
        now = self._clock()
        errands, self._errands = [errand for errand in self._errands if _counts(errand, now)], []
        asked, self._queue = self._queue, []
        self._asked = list(asked)
        for errand in errands:
            if errand.act is Act.BACK:
                for bucket in errand.buckets:
                    bucket.others.version = ANEW  # one's own refund is news, too
        entries = [self._told(errand, now) for errand in errands]
        urgencies = [pending.urgency(now) for pending in asked]
        for pending, urgency in zip(asked, urgencies, strict=True):
            pending.entry = self._new_id()
            entries.append(self._entry(Act.ASK, pending.entry, pending.way, urgency))
        drawn = [*(errand.buckets for errand in errands), *(pending.way for pending in asked)]
        self._tired = asyncio.get_running_loop().call_later(ANSWER_TIMEOUT * 0.8, self._tire)
        try:
            verdicts = await self._ledger.enter(self._name, entries)
        except StoreUnavailable as error:
            log.info("the workers' common ledger does not answer", extra={"error": str(error)})
            self._errands[:0] = [errand for errand in errands if errand.act is not Act.LOOK]
            self._lose()
            return False
        finally:
            self._tired.cancel()
        self._answers(self._clock())
        told = len(errands)
        heard = self._hear(errands, verdicts[:told])
        if self._emptied(drawn, verdicts):
            # Once it is told at once; one that forgets again and again, when the store is next attended to.
            return self._together_at < math.inf
        self._note(heard + self._decide(asked, urgencies, verdicts[told:]))
        self._look()
        return True

    def _tire(self) -> None:
        # In two steps: when this process itself was held up, the answer is there and is read in between.
        self._tired = asyncio.get_running_loop().call_later(ANSWER_TIMEOUT * 0.2, self._lose)

    def _told(self, errand: _Errand, now: float) -> Entry:
        seconds = {Act.MADE: now - errand.at, Act.REST: errand.at - now}.get(errand.act, 0.0)
        return self._entry(errand.act, errand.id, errand.buckets, Urgency.ENDING, max(0.0, seconds))

    def _entry(self, act: Act, id_: str, buckets: Sequence[Bucket], urgency: Urgency, seconds: float = 0.0) -> Entry:
        return Entry(act, id_, tuple(self._draw(bucket, urgency) for bucket in buckets), seconds)

    def _draw(self, bucket: Bucket, urgency: Urgency) -> Draw:
        replies, roots = self._schedule.demand(bucket, self._clock())
        bucket.others.told = replies
        calls, window, burst = bucket.stated
        return Draw(
            bucket=bucket.rate_limit.name,
            calls=calls,
            window=window,
            burst=burst,
            room=room(bucket, urgency),
            replies=replies,
            roots=roots,
            version=bucket.others.version,
        )

    # --- answers --------------------------------------------------------------------------------------------

    def _hear(self, errands: Sequence[_Errand], verdicts: Sequence[Verdict]) -> list[_Heard]:
        for errand, verdict in zip(errands, verdicts, strict=True):
            if errand.act is Act.REST:
                for bucket, news in zip(errand.buckets, verdict.news, strict=True):
                    bucket.others.rest = news.rest
        return [(errand.buckets, verdict) for errand, verdict in zip(errands, verdicts, strict=True)]

    def _decide(
        self, asked: Sequence[PendingWrite], urgencies: Sequence[Urgency], verdicts: Sequence[Verdict]
    ) -> list[_Heard]:
        """Let go what was granted, and let the rest wait as before."""
        now = self._clock()
        heard: list[_Heard] = []
        for pending, urgency, verdict in zip(asked, urgencies, verdicts, strict=True):
            if pending not in self._asked:
                continue  # given back meanwhile
            heard.append((pending.way, verdict))
            if not verdict.granted:
                pending.entry = ""
                # Where its stream ended meanwhile, it need not leave what was asked of it then.
                self._schedule.again(pending, now, now + verdict.wait if pending.urgency(now) >= urgency else now)
                continue
            _remember(pending.way, pending.entry, now + verdict.wait)
            if verdict.wait > 0.0:
                asyncio.get_running_loop().call_later(verdict.wait, self._go, pending)
            else:
                self._go(pending)
        self._asked = []
        return heard

    def _note(self, heard: Sequence[_Heard]) -> None:
        """Plan with what is new, the latest of each bucket; while alone with none of it."""
        if self._alone:
            return
        now = self._clock()
        self._grace = GRACE
        latest = {
            bucket: news for buckets, verdict in heard for bucket, news in zip(buckets, verdict.news, strict=True)
        }
        for bucket, news in latest.items():
            known = bucket.others
            changed = news.spent is not None or (known.replies, known.roots) != (news.replies, news.roots)
            known.replies, known.roots, known.known_at = news.replies, news.roots, now
            known.version = news.version
            if news.rest and news.rest != known.rest:
                known.rest = news.rest
                bucket.refused(news.rests, now)
            if news.spent is not None:
                waiting = [each.granted_at for each in self._queue if bucket in each.way]
                bucket.learn(sorted([*(now - ago for ago in news.spent), *waiting]), now)
            if changed:
                self._schedule.learned(bucket, now)

    def _emptied(self, drawn: Sequence[Sequence[Bucket]], verdicts: Sequence[Verdict]) -> bool:
        """Whether the counter came back empty. It is told all again, and not asked until the others have done so."""
        now = self._clock()
        forgotten = [
            (bucket, news.age)
            for buckets, verdict in zip(drawn, verdicts, strict=True)
            for bucket, news in zip(buckets, verdict.news, strict=True)
            if bucket.others.forgot(news.life, now, bucket.rate_limit.window)
        ]
        if not forgotten:
            return False
        for bucket, _ in forgotten:
            for id_, at in bucket.others.entered.items():
                self._tell(_Errand(Act.MADE, id_, (bucket,), at))
            if bucket.rests_until > now:
                self._tell(_Errand(Act.REST, self._new_id(), (bucket,), bucket.rests_until))
        again, self._emptied_before = self._emptied_before, True
        self._lose()
        if again:
            log.info("the workers' common ledger was emptied again")
        else:
            log.warning("the workers' common ledger was emptied, what was written is told again")
            # Counted from its beginning, so that all share it again at once: who does with who is alone can exceed.
            self._together_at = now + max(0.0, GRACE_OF_EMPTIED - min(age for _, age in forgotten))
        return True

    def _answers(self, now: float) -> None:
        if self._alone and self._together_at == math.inf:
            self._together_at = now + self._grace
            self._grace = min(2.0 * self._grace, LONGEST_GRACE)

    def _joins(self, now: float) -> bool:
        """Share again if it is time, and if everything is told."""
        if now < self._together_at or self._errands or self._task is not None:
            return False
        self._alone = self._emptied_before = False
        self._together_at = math.inf
        self._schedule.join_others(now)
        log.info("the workers share their budgets again")
        return True

    def _lose(self) -> None:
        """The shared counter does not answer: what waits for it goes on with this worker's share."""
        now = self._clock()
        waiting, self._asked, self._queue = [*self._asked, *self._queue], [], []
        for pending in waiting:
            self._give_back(pending)
            self._schedule.again(pending, now)
        self._together_at = math.inf
        if not self._alone:
            self._alone = True
            self._schedule.cut_off(self._workers, now)
            log.info("each worker takes a share of the budgets for now", extra={"workers": self._workers})
        self._look()

    def _give_back(self, pending: PendingWrite) -> None:
        if pending.entry:
            self._tell(_Errand(Act.BACK, pending.entry, pending.way))
            for bucket in pending.way:
                bucket.others.entered.pop(pending.entry, None)
            pending.entry = ""

    def _tell(self, errand: _Errand) -> None:
        self._errands.append(errand)
        if len(self._errands) % _MANY == 0:
            now = self._clock()
            self._errands = [each for each in self._errands if _counts(each, now)]
        if not self._alone or self._together_at < math.inf:
            self._wake()

    def _new_id(self) -> str:
        return f"{self._name}{next(self._ids)}"


def _remember(buckets: Sequence[Bucket], id_: str, at: float) -> None:
    """Remember a write of ours for as long as it counts."""
    for bucket in buckets:
        bucket.others.enter(id_, at, at - bucket.rate_limit.window * 1.1)


def _counts(errand: _Errand, now: float) -> bool:
    """Whether it still matters: a window after a write, or after a rest, it does not."""
    return not errand.at or errand.at > now - max(bucket.rate_limit.window for bucket in errand.buckets) * 1.1
