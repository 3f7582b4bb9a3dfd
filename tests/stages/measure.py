"""What came of a run on the stage, summed up; and answers that are asked for together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.stages.stage import Platform, Stream
from tests.stages.traces import Trace, steady

TEN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one run. Lags in characters, times in seconds; ratios to bounds, lower is better."""

    case: str
    policy: str
    counting: str
    edits: int
    posts: int
    refused: int
    refused_in_10_s: int
    mean_lag: float
    max_lag: int
    first_median: float
    first_p95: float
    final_median: float
    final_p95: float
    ratio: float | None = None
    ratio_first_at_once: float | None = None
    ratio_same_number: float | None = None


def measure(case: str, policy: str, platform: Platform, streams: Sequence[Stream], bounds: Sequence[float]) -> Row:
    """Sum up a run; `bounds` are lags: the clairvoyant's, that with the first text at once, that of as many edits."""
    lags = [stream.lag() for stream in streams]
    seconds = sum(max(1e-9, stream.trace.last - stream.trace.first) for stream in streams)
    first = [stream.shown[0][1] - stream.trace.first for stream in streams]
    final = [stream.finished_at - stream.trace.last for stream in streams]
    ratios = [round(sum(lags) / bound, 3) for bound in bounds] + [None] * (3 - len(bounds))
    refusals = platform.refusals
    return Row(
        case,
        policy,
        platform.counting,
        len(platform.calls),
        platform.posts,
        len(refusals),
        max((sum(at <= other < at + TEN_SECONDS for other in refusals) for at in refusals), default=0),
        round(sum(lags) / seconds, 1),
        max(stream.max_lag() for stream in streams),
        round(statistics.median(first), 2),
        round(percentile(first, 95), 2),
        round(statistics.median(final), 2),
        round(percentile(final, 95), 2),
        *ratios,
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def staggered(number: int, seconds: float, gap: float) -> list[Trace]:
    """That many answers of `seconds`, one begun every `gap` s, every second one twice as fast."""
    return [steady(seconds, 30.0 if index % 2 else 60.0, seed=index).later(index * gap) for index in range(number)]
