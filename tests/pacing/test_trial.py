"""A limit lower than stated refuses one call: what never went through together goes one after the other."""

from __future__ import annotations

from typing import get_args

import pytest

from bot.pacing.bucket import Bucket
from bot.pacing.probe import LimitProbe
from bot.ports import RateLimit
from sandbox.limits import Counting
from tests.stages.measure import measure
from tests.stages.policies import ours_with_valve
from tests.stages.stage import DISCORD, SLACK, Limits, Platform, play
from tests.stages.traces import steady

TEN = RateLimit("ten", 10, 60.0, 9)


def spend(probe: LimitProbe, bucket: Bucket, times: list[float]) -> None:
    for at in times:
        probe.sending(bucket, at)
        bucket.spend(at)


def test_half_of_the_limit_is_not_doubted() -> None:
    """Calls of up to half of what is stated go together; the next waits until the answer to the last is known."""
    bucket, probe = Bucket(TEN, 1, 0.0), LimitProbe()
    spend(probe, bucket, [0.0] * 4)
    assert probe.due(bucket, 0.0) == 0.0
    spend(probe, bucket, [0.0])
    assert probe.due(bucket, 0.0) == pytest.approx(0.25)
    assert probe.due(bucket, 1.0) == 1.0


def test_half_of_a_small_limit_is_rounded_down() -> None:
    """Of five calls two go together: a platform that halved them would refuse the third."""
    bucket, probe = Bucket(RateLimit("five", 5, 5.0, 4), 1, 0.0), LimitProbe()
    spend(probe, bucket, [0.0] * 2)
    assert probe.due(bucket, 0.0) > 0.0


def test_what_went_through_once_goes_together() -> None:
    """As many calls in a window as went through before wait for nothing, until one is refused."""
    bucket, probe = Bucket(TEN, 1, 0.0), LimitProbe()
    spend(probe, bucket, [float(at) for at in range(9)])
    spend(probe, bucket, [70.0] * 7)
    assert probe.due(bucket, 70.0) == 70.0
    probe.refused()
    assert probe.due(bucket, 70.0) > 70.0


def test_the_whole_bots_second_is_not_doubted() -> None:
    """A window of a second would be held up by what it saves."""
    bucket, probe = Bucket(RateLimit("all", 45, 1.0, 5), 1, 0.0), LimitProbe()
    spend(probe, bucket, [0.0] * 44)
    assert probe.due(bucket, 0.0) == 0.0


@pytest.mark.parametrize("counting", get_args(Counting))
@pytest.mark.parametrize("limits", [SLACK, DISCORD], ids=["slack", "discord"])
def test_ends_that_come_together_meet_a_halved_limit_once(limits: Limits, counting: Counting) -> None:
    """Ten answers that end at once in a workspace, or three in a channel, are refused at most once in ten seconds."""
    platform = Platform(limits, counting, 0.15, factor=0.5)
    traces = [steady(30.0, 30.0, seed) for seed in range(10 if limits is SLACK else 3)]
    streams = play(traces, ours_with_valve, platform)
    assert measure("", "", platform, streams, []).refused_in_10_s <= 1
