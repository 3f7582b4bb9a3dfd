"""The clairvoyant bounds, against every schedule of cases small enough to enumerate."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stages.traces import Trace
from tests.stages.yardstick import best_placement, many_streams, one_stream

STEP = 0.5
LATENCY = 1.0

TRACES = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 50)), min_size=2, max_size=6).map(
    lambda deltas: Trace(
        "tiny", tuple((sum(wait for wait, _ in deltas[1 : i + 1]) * STEP, deltas[i][1]) for i in range(len(deltas)))
    )
)


def lag_of(trace: Trace, sends: tuple[float, ...]) -> float:
    """The lag of one schedule, straight from the definition; infinite when the last send misses text."""
    visible = [(at + LATENCY, sum(chars for when, chars in trace.deltas if when <= at)) for at in sends]
    if visible[-1][1] < trace.chars:
        return math.inf
    return sum(
        chars * (next(at for at, shown in visible if shown >= total) - when)
        for (when, chars), total in zip(
            trace.deltas,
            [sum(c for _, c in trace.deltas[: i + 1]) for i in range(len(trace.deltas))],
            strict=True,
        )
    )


def schedules(trace: Trace, most: int, late: float = 3.0) -> list[tuple[float, ...]]:
    """Every way to send up to `most` times on the grid, with latency between two sends."""
    slots = [trace.first + STEP * i for i in range(round((trace.last + late - trace.first) / STEP) + 1)]
    return [
        sends
        for number in range(1, most + 1)
        for sends in combinations(slots, number)
        if all(b - a >= LATENCY for a, b in pairwise(sends))
    ]


def within(sends: list[float], begin: float, burst: float, rate: float) -> bool:
    """Whether no more were sent by any time than burst + rate * time."""
    return all(number <= burst + rate * (at - begin) + 1e-9 for number, at in enumerate(sorted(sends), 1))


@given(TRACES, st.integers(1, 2), st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=60, deadline=None)
def test_one_stream_is_the_best_of_all_schedules(trace: Trace, burst: int, rate: float) -> None:
    """All times lie on the grid, where the best schedule lies as well: the bound meets it, and never exceeds it."""
    best = min(
        (lag_of(trace, sends) for sends in schedules(trace, 4) if within([*sends], trace.first, burst, rate)),
        default=math.inf,
    )
    bound, _ = one_stream(trace, latency=LATENCY, burst=burst, rate=rate, edits=4, step=0.005)
    assert bound <= best + 1e-6
    if best < math.inf:
        assert bound == pytest.approx(best, rel=0.05, abs=0.02 * trace.chars)


@given(TRACES, st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_the_best_placement_is_the_best_of_all_placements(trace: Trace, edits: int) -> None:
    """With only their number bounded, the best placement of edits is found."""
    best = min(lag_of(trace, sends) for sends in schedules(trace, edits))
    assert best_placement(trace, latency=LATENCY, edits=edits, step=0.005) == pytest.approx(
        best, rel=0.05, abs=0.02 * trace.chars
    )


@given(TRACES, TRACES)
@settings(max_examples=25, deadline=None)
def test_the_dual_is_a_lower_bound_for_two_streams(one: Trace, other: Trace) -> None:
    """No pair of schedules within the shared rate limit has less lag than the bound says."""
    begin = min(one.first, other.first)
    best = math.inf
    seconds = [(sends, lag_of(other, sends)) for sends in schedules(other, 2, late=1.5)]
    for sends in schedules(one, 2, late=1.5):
        if (lag := lag_of(one, sends)) < best:
            for others, more in seconds:
                if lag + more < best and within([*sends, *others], begin, 2, 0.5):
                    best = lag + more
    assert many_streams([one, other], latency=LATENCY, burst=2, rate=0.5, step=0.05, rounds=30) <= best + 1e-6


@pytest.mark.parametrize("latency", [0.15, 3.0])
def test_the_dual_of_one_stream_is_nearly_its_optimum(latency: float) -> None:
    """For one stream of some length the Lagrangian bound falls short of the exact one by less than 5 %."""
    trace = Trace("even", tuple((0.1 * i, 5) for i in range(300)))
    exact, _ = one_stream(trace, latency=latency, burst=10, rate=2 / 3)
    bound = many_streams([trace], latency=latency, burst=10, rate=2 / 3)
    assert 0.95 * exact <= bound <= exact + 1e-6


def test_showing_the_first_text_at_once_costs_something() -> None:
    """A clairvoyant who must show the first delta at once is never better off."""
    trace = Trace("even", tuple((0.1 * i, 5) for i in range(100)))
    free = many_streams([trace] * 3, latency=0.15, burst=4, rate=0.5)
    assert many_streams([trace] * 3, latency=0.15, burst=4, rate=0.5, first_at_once=True) > free
