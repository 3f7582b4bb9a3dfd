"""What readers saw of an answer, computed from when its deltas came and when its messages changed. Pure: no I/O.

Characters are counted without white space, which platforms trim where messages begin and end. A message covers a
stretch of the answer; what is shown at a moment is the union of all stretches, so that a text that moves from one
message to another counts once.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from tests.stages.traces import Trace

_ENOUGH_TO_LOCATE = 40
TEN_SECONDS = 10.0


def squeeze(text: str) -> str:
    """Return `text` without white space."""
    return "".join(text.split())


@dataclass(slots=True)
class Heard:
    """One answer as the bot received it: (Unix s, text) of every delta, and when the stream ended."""

    deltas: list[tuple[float, str]] = field(default_factory=list)
    ended_at: float = math.inf

    @property
    def text(self) -> str:
        """All of it, without white space."""
        return squeeze("".join(text for _, text in self.deltas))

    def trace(self) -> Trace:
        """The arrival, in characters without white space, on the Unix clock."""
        return Trace("heard", tuple((at, len(squeeze(text))) for at, text in self.deltas))


@dataclass(frozen=True, slots=True)
class Posted:
    """One message: its versions (Unix s, text), oldest first, and when it was deleted."""

    versions: tuple[tuple[float, str], ...]
    deleted_at: float | None = None


def steps(source: str, messages: Sequence[Posted]) -> list[tuple[float, int]]:
    """When how much of `source` (without white space) was shown: (Unix s, characters), at every change."""
    changes: list[tuple[float, int, tuple[int, int]]] = []
    for number, message in enumerate(messages):
        last = squeeze(message.versions[-1][1])
        start = source.find(last[:_ENOUGH_TO_LOCATE])
        for at, text in message.versions:
            covered = _common(squeeze(text), source, start) if start >= 0 else 0
            changes.append((at, number, (max(start, 0), max(start, 0) + covered)))
        if message.deleted_at is not None:
            changes.append((message.deleted_at, number, (0, 0)))
    shown: dict[int, tuple[int, int]] = {}
    result: list[tuple[float, int]] = []
    for at, number, stretch in sorted(changes):
        shown[number] = stretch
        result.append((at, _union(shown.values())))
    return result


def _common(text: str, source: str, start: int) -> int:
    if source.startswith(text, start):
        return len(text)
    pairs = zip(text, source[start:], strict=False)
    return next(
        (index for index, (one, other) in enumerate(pairs) if one != other), min(len(text), len(source) - start)
    )


def _union(stretches: Iterable[tuple[int, int]]) -> int:
    total = reached = 0
    for start, end in sorted(stretches):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total


@dataclass(frozen=True, slots=True)
class Sight:
    """One answer from its first delta to its last edit; seconds and characters.

    Args:
        lag: characters x s received and not shown, until the whole was shown; infinite when it never was.
        max_lag: the most characters received and not shown.
        first: from the first delta until text was visible.
        first_asked: from the question until then.
        first_leaving: from the latest of the first delta, the placeholder's id and the thread's opening until the
            first text left.
        final: from the stream's end until the whole was visible; 0 when it was before.
        final_leaving: from the later of the stream's end and the return of the write before to the final's departure.
        whole: whether exactly the answer is shown in the end.
        staircase: (Unix s, characters shown) as the bot could know them: when writes had returned.
    """

    lag: float
    max_lag: int
    first: float
    first_asked: float
    first_leaving: float
    final: float
    final_leaving: float
    whole: bool
    staircase: tuple[tuple[float, int], ...]


def look(
    heard: Heard, messages: Sequence[Posted], asked_at: float, latency: float, opened_at: float = -math.inf
) -> Sight:
    """Compute what readers saw.

    Args:
        heard: the answer as received.
        messages: every message of the answer, deleted ones included, in the order of posting.
        asked_at: Unix seconds of the question.
        latency: seconds a call takes; a change is visible after half of them, and has returned after all. For `lag`
            a change counts as shown when it has returned, as in `simulate`.
        opened_at: when a thread that had to be opened first was known to be open (Unix s).
    """
    if not heard.deltas:
        return Sight(math.inf, 0, math.inf, math.inf, math.inf, math.inf, math.inf, whole=False, staircase=())
    source, trace = heard.text, heard.trace()
    visible = steps(source, messages)
    half = latency / 2
    shown = [(at + half, chars) for at, chars in visible]
    whole_at = next((at for at, chars in visible if chars >= len(source)), math.inf)
    first_at = next((at for at, chars in visible if chars > 0), math.inf)
    returned_before_first = max((at + half for at, _ in visible if at < first_at), default=-math.inf)
    returned_before_final = max((at + half for at, _ in visible if at < whole_at), default=-math.inf)
    ready_first = max(trace.first, returned_before_first, opened_at)
    ready_final = max(heard.ended_at, returned_before_final)
    left = [m for m in messages if m.deleted_at is None]
    final_text = squeeze("".join(message.versions[-1][1] for message in left))
    return Sight(
        lag=lag(trace, shown, len(source)),
        max_lag=max_lag(trace, shown),
        first=first_at - trace.first,
        first_asked=first_at - asked_at,
        first_leaving=first_at - half - ready_first,
        final=max(0.0, whole_at - heard.ended_at),
        final_leaving=max(0.0, whole_at - half - ready_final),
        whole=final_text == source,
        staircase=tuple(shown),
    )


def lag(trace: Trace, shown: Sequence[tuple[float, int]], whole: int) -> float:
    """Characters received and not shown, over time, until `whole` of them are shown (characters x s)."""
    finished = next((at for at, chars in shown if chars >= whole), math.inf)
    if finished == math.inf:
        return math.inf
    total = sum(chars * (finished - at) for at, chars in trace.deltas)
    before = 0
    for at, chars in shown:
        if at <= finished:
            total -= (chars - before) * (finished - at)
            before = chars
    return total


def max_lag(trace: Trace, shown: Sequence[tuple[float, int]]) -> int:
    """The most characters that were received and not shown."""
    times = [at for at, _ in trace.deltas]
    sums = [0, *accumulate(chars for _, chars in trace.deltas)]
    most = before = 0
    for at, chars in shown:
        most = max(most, sums[bisect_right(times, at)] - before)
        before = chars
    return max(most, sums[-1] - before)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else math.nan


def median(values: Sequence[float]) -> float:
    """The median; NaN of none."""
    return statistics.median(values) if values else math.nan


def most_within(times: Sequence[float], seconds: float = TEN_SECONDS) -> int:
    """The most of `times` that lie within a window of `seconds`."""
    return max((sum(at <= other < at + seconds for other in times) for at in times), default=0)
