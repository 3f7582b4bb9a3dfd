"""What the simulation says of our policy: the figures that must not get worse."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from sandbox.limits import Counting
from tests.stages.measure import measure, staggered
from tests.stages.policies import PLAIN, ours, ours_with_valve
from tests.stages.stage import DISCORD, SLACK, Limits, Platform, play
from tests.stages.traces import bursty, recorded, steady
from tests.stages.yardstick import best_placement, many_streams, one_stream


@pytest.mark.parametrize("counting", get_args(Counting))
@pytest.mark.parametrize("latency", [0.15, 1.5])
@pytest.mark.parametrize("limits", [SLACK, DISCORD], ids=["slack", "discord"])
@pytest.mark.parametrize("number", [1, 5, 20])
def test_no_call_is_refused(number: int, limits: Limits, latency: float, counting: Counting) -> None:
    """However many streams, however slow the platform and however it counts, it refuses nothing."""
    platform = Platform(limits, counting, latency)
    streams = play(staggered(number, 20.0, 1.0), ours_with_valve, platform)
    assert platform.refusals == []
    assert all(stream.shown[-1][2] == stream.trace.chars for stream in streams)


@pytest.mark.parametrize("counting", get_args(Counting))
def test_halved_limits_refuse_once_in_ten_seconds(counting: Counting) -> None:
    """When the platform allows half of what it says, there is at most one refusal in ten seconds."""
    platform = Platform(SLACK, counting, 0.15, factor=0.5)
    streams = play(staggered(5, 60.0, 3.0), ours, platform)
    assert measure("", "", platform, streams, []).refused_in_10_s <= 1
    assert all(stream.shown[-1][2] == stream.trace.chars for stream in streams)


@pytest.mark.parametrize(("seconds", "ratio"), [(8.0, 1.5), (12.0, 1.5), (16.0, 1.5), (30.0, 1.2), (60.0, 1.2)])
def test_one_even_stream_is_near_the_clairvoyant_bound(seconds: float, ratio: float) -> None:
    """One stream lags at most 1.5 × the bound for 8 to 16 s and 1.2 × from 30 s, 1.25 × the best placement."""
    for seed in range(3):
        trace = steady(seconds, seed=seed)
        platform = Platform(SLACK)
        (stream,) = play([trace], ours, platform)
        assert stream.lag() <= ratio * one_stream(trace, latency=0.15, burst=10.0, rate=40 / 60)[0]
        assert stream.lag() <= 1.25 * best_placement(trace, latency=0.15, edits=len(platform.calls))


def test_text_in_clumps_is_near_the_clairvoyant_bound() -> None:
    """One stream of irregular clumps for half a minute lags at most 1.6 × the bound."""
    trace = bursty(30.0)
    (stream,) = play([trace], ours, Platform(SLACK))
    assert stream.lag() <= 1.6 * one_stream(trace, latency=0.15, burst=10.0, rate=40 / 60)[0]


@pytest.mark.parametrize(("gap", "ratio"), [(0.0, 1.4), (3.0, 1.5)], ids=["one start", "staggered"])
def test_ten_streams_beat_the_plain_policies(gap: float, ratio: float) -> None:
    """Ten streams of a minute lag at most half of the best plain policy, and stay near the clairvoyant bound."""
    traces = [steady(60.0, 10.0, seed).later(seed * gap) for seed in range(10)]
    (mine, *others) = [
        sum(stream.lag() for stream in play(traces, policy, Platform(SLACK))) for policy in (ours, *PLAIN.values())
    ]
    assert mine <= 0.5 * min(others)
    assert mine <= ratio * many_streams(
        traces, latency=0.15, burst=10.0, rate=40 / 60, step=0.4, rounds=40, target=0.75 * mine
    )


def test_a_recorded_trace_is_read(tmp_path: Path) -> None:
    """A JSON list of seconds and characters becomes a trace that begins with its first delta."""
    path = tmp_path / "answer.json"
    path.write_text("[[5.0, 3], [5.5, 4]]")
    assert recorded(path).deltas == ((0.0, 3), (0.5, 4))
