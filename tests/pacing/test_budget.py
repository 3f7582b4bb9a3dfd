"""The bucket's arithmetic and what platforms make of it."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.pacing.bucket import Bucket
from bot.ports import Observed, RateLimit
from sandbox.limits import Counting, Limiter

BUDGETS = st.sampled_from(
    [
        RateLimit("slack", 50, 60.0, 10),
        RateLimit("posts", 60, 60.0, 1),
        RateLimit("discord", 5, 5.0, 2),
        RateLimit("bot", 45, 1.0, 5),
        RateLimit("one", 1, 1.0, 1),
        RateLimit("all at once", 5, 5.0, 5),
    ]
)
WAITS = st.lists(
    st.one_of(st.just(0.0), st.floats(0.0, 0.3), st.floats(0.0, 5.0), st.floats(0.0, 90.0)), min_size=1, max_size=250
)


def greedy(bucket: Bucket, waits: list[float], now: float = 0.0) -> list[float]:
    """Ask after every wait and write whenever a token is there; one ask in three waits until `when` says."""
    sent = []
    for number, wait in enumerate(waits):
        now += wait
        if number % 3 == 0:
            now = bucket.when(1.0, now)
        if bucket.has(1.0, now):
            bucket.spend(now)
            sent.append(now)
    return sent


@given(BUDGETS, WAITS)
@settings(max_examples=150, deadline=None)
def test_no_window_anywhere_holds_more_than_its_calls(rate_limit: RateLimit, waits: list[float]) -> None:
    """However eagerly one asks, no window that begins at any write holds more than `calls` writes."""
    sent = greedy(Bucket(rate_limit, 1, 0.0), waits)
    for first in sent:
        assert sum(first <= at <= first + rate_limit.window for at in sent) <= rate_limit.calls


@given(BUDGETS, WAITS, st.sampled_from(get_args(Counting)))
@settings(max_examples=150, deadline=None)
def test_every_way_of_counting_admits_what_is_granted(
    rate_limit: RateLimit, waits: list[float], counting: Counting
) -> None:
    """A platform that keeps the stated limit refuses nothing, whichever way it counts."""
    limiter = Limiter(rate_limit.calls, rate_limit.window, counting)
    assert [at for at in greedy(Bucket(rate_limit, 1, 0.0), waits) if limiter.admit(at)] == []


@given(BUDGETS, WAITS)
@settings(max_examples=100, deadline=None)
def test_writes_of_any_span_keep_to_burst_and_rate(rate_limit: RateLimit, waits: list[float]) -> None:
    """Writes of any t seconds number at most burst + t * calls / window, so that short limits hold as well."""
    sent = greedy(Bucket(rate_limit, 1, 0.0), waits)
    for index, first in enumerate(sent):
        for number, last in enumerate(sent[index:], 1):
            assert number <= rate_limit.burst + (last - first) * rate_limit.calls / rate_limit.window + 1e-6


@given(BUDGETS, WAITS, st.integers(1, 4))
@settings(max_examples=80, deadline=None)
def test_when_tells_the_truth(rate_limit: RateLimit, waits: list[float], shares: int) -> None:
    """At the time that `when` names a token is there, and just before it is not."""
    bucket = Bucket(rate_limit, shares, 0.0)
    now = 0.0
    for wait in waits[:60]:
        now += min(wait, 1.0)
        due = bucket.when(1.0, now)
        if due > now + 1e-3:
            assert not bucket.has(1.0, due - 1e-3)
        now = due
        assert bucket.has(1.0, now)
        bucket.spend(now)


def test_the_pool_sustains_the_whole_rate() -> None:
    """Over ten minutes of greed, Slack's 50 a minute are used to 96 %, not to the 80 % of a plain refill."""
    bucket, now, sent = Bucket(RateLimit("slack", 50, 60.0, 10), 1, 0.0), 0.0, 0
    while (now := bucket.when(1.0, now)) < 600.0:
        bucket.spend(now)
        sent += 1
    assert sent >= 0.96 * 500


@given(st.integers(2, 8), WAITS)
@settings(max_examples=40, deadline=None)
def test_workers_that_share_stay_within_the_limit_together(shares: int, waits: list[float]) -> None:
    """Workers that divide a rate limit make together no more than its calls in any window."""
    rate_limit = RateLimit("slack", 50, 60.0, 10)
    sent = sorted(at for offset in range(shares) for at in greedy(Bucket(rate_limit, shares, 0.0), waits[offset:]))
    for first in sent:
        assert sum(first <= at <= first + 60.0 for at in sent) <= 50


@given(BUDGETS, WAITS, WAITS)
@settings(max_examples=80, deadline=None)
def test_who_learns_what_others_spent_goes_on_as_they_would(
    rate_limit: RateLimit, before: list[float], after: list[float]
) -> None:
    """A bucket that is told of another's calls keeps the limit together with them, and has no more left than it."""
    one, other = (Bucket(rate_limit, 1, 0.0) for _ in range(2))
    sent = greedy(one, before)
    now = max([0.0, *sent])
    other.learn([at for at in sent if at > now - rate_limit.window * 1.02], now)
    one.advance(now)
    assert other.ready <= one.ready + 1.0
    sent += greedy(other, after, now)
    for first in sent:
        assert sum(first <= at <= first + rate_limit.window for at in sent) <= rate_limit.calls


def test_a_refusal_is_not_forgotten_by_learning() -> None:
    """After a 429 one call is left and the rest comes slowly, also when the calls before it are learned anew."""
    bucket = Bucket(RateLimit("slack", 50, 60.0, 10), 1, 0.0)
    bucket.refused(5.0, 20.0)
    bucket.learn([10.0, 12.0], 25.0)
    assert bucket.when(1.0, 25.0) == 25.0
    assert bucket.when(2.0, 25.0) > 26.0


@given(BUDGETS, WAITS, st.lists(st.integers(0, 9), min_size=2, max_size=4), st.data())
@settings(max_examples=60, deadline=None)
def test_workers_that_are_cut_off_stay_within_the_limit_together(
    rate_limit: RateLimit, before: list[float], replies: list[int], data: st.DataObject
) -> None:
    """Workers that knew all calls and each other's replies divide what is left and what comes back.

    Where no share is below one call: nobody can write half a message.
    """
    assume(rate_limit.calls * (min(replies) + 1) >= sum(replies) + len(replies))
    sent = greedy(Bucket(rate_limit, 1, 0.0), before)
    now = max([0.0, *sent]) + data.draw(st.floats(0.0, 2.0 * rate_limit.window))
    known = [at for at in sent if at > now - rate_limit.window * 1.02]
    for own in replies:
        bucket = Bucket(rate_limit, 1, 0.0)
        bucket.learn(known, now)
        bucket.others.told, bucket.others.replies = own, sum(replies) - own
        bucket.others.known_at = now
        bucket.cut_off(len(replies), now)
        sent += greedy(bucket, data.draw(WAITS), now)
    for first in sent:
        assert sum(first <= at <= first + rate_limit.window for at in sent) <= rate_limit.calls


def test_what_comes_back_is_divided_too() -> None:
    """When three workers are cut off in the middle of a flood, each gets its share of every call that comes back."""
    rate_limit = RateLimit("slack", 50, 60.0, 10)
    bucket, now, sent = Bucket(rate_limit, 1, 0.0), 0.0, list[float]()
    while now < 100.0:
        now = bucket.when(1.0, now)
        bucket.spend(now)
        sent.append(now)
    known = [at for at in sent if at > now - 61.2]
    for _ in range(3):
        cut = Bucket(rate_limit, 1, 0.0)
        cut.learn(known, now)
        cut.others.known_at = now
        cut.cut_off(3, now)
        at = now
        while (at := cut.when(1.0, at)) < now + 150.0:
            cut.spend(at)
            sent.append(at)
    for first in sent:
        assert sum(first <= at <= first + 60.0 for at in sent) <= 50


def test_what_comes_back_is_spaced_too() -> None:
    """One post a second stays one a second when posts of a minute ago come back while others were never used."""
    bucket = Bucket(RateLimit("posts", 60, 60.0, 1), 1, 0.0)
    for second in range(0, 60, 2):
        bucket.spend(bucket.when(1.0, float(second)))
    now, sent = 60.0, []
    while (now := bucket.when(1.0, now)) < 100.0:
        bucket.spend(now)
        sent.append(now)
    assert min(later - earlier for earlier, later in pairwise(sent)) >= 1.0


def test_a_share_below_one_call_is_one_call_in_a_longer_window() -> None:
    """Four workers that share one call a second make one each in four seconds."""
    bucket = Bucket(RateLimit("one", 1, 1.0, 1), 4, 0.0)
    bucket.spend(0.0)
    assert bucket.when(1.0, 0.0) == pytest.approx(4.0, rel=0.05)


def test_a_refusal_pauses_and_then_lets_one_through() -> None:
    """Nothing goes before Retry-After is over; then the one promised call, and the next only at the lower rate."""
    bucket = Bucket(RateLimit("slack", 50, 60.0, 10), 1, 0.0)
    bucket.refused(7.0, 0.0)
    assert bucket.when(1.0, 0.0) == 7.0
    bucket.spend(7.0)
    assert bucket.when(1.0, 7.0) > 7.0 + 60.0 / 50.0


def test_refusals_in_flight_together_count_once() -> None:
    """Three calls refused together cost as much trust as one."""
    bucket, other = (Bucket(RateLimit("slack", 50, 60.0, 10), 1, 0.0) for _ in range(2))
    for at in (0.0, 0.3, 1.0):
        bucket.refused(0.1, at)
    other.refused(0.1, 0.0)
    assert bucket.trust(1.0) == pytest.approx(other.trust(1.0))


def test_trust_comes_back_slowly_and_wholly() -> None:
    """A refusal more than halves the rate; a minute later it is still low, twelve minutes later it is as before."""
    bucket = Bucket(RateLimit("slack", 50, 60.0, 10), 1, 0.0)
    bucket.refused(1.0, 0.0)
    assert bucket.trust(0.0) < 0.5
    assert bucket.trust(60.0) < 0.55
    assert bucket.trust(720.0) == 1.0


def test_headers_that_leave_less_are_believed() -> None:
    """What somebody else spent, as headers tell, is not there until the window resets."""
    bucket = Bucket(RateLimit("discord", 5, 5.0, 2), 1, 0.0)
    bucket.spend(0.0)
    bucket.observe(Observed("discord", 5, 0, 3.0), 0.1)
    assert not bucket.has(1.0, 0.1)
    assert bucket.when(1.0, 0.1) == pytest.approx(3.1, abs=0.2)


def test_headers_that_leave_more_are_not_believed() -> None:
    """Calls in flight are not in the headers yet, so they do not give anything back."""
    bucket = Bucket(RateLimit("discord", 5, 5.0, 2), 1, 0.0)
    for at in (0.0, 0.0):
        bucket.spend(at)
    bucket.observe(Observed("discord", 5, 4, 5.0), 0.05)
    assert not bucket.has(1.0, 0.05)


@pytest.mark.parametrize(("limit", "more"), [(6, True), (5, False), (4, False), (1, False), (0, False)])
def test_who_waits_is_looked_at_again_when_a_limit_is_raised(limit: int, more: bool) -> None:
    """A limit that headers name as it was known, or lower, lets nobody go sooner; none at all is none."""
    bucket = Bucket(RateLimit("discord", 5, 5.0, 2), 1, 0.0)
    rate = bucket.rate
    assert bucket.observe(Observed("discord", limit, 0, 5.0), 0.0) is more
    assert (bucket.rate > rate, bucket.rate < rate) == (limit > 5, 0 < limit < 5)


@given(st.integers(1, 20), WAITS)
@settings(max_examples=60, deadline=None)
def test_a_limit_learned_from_headers_is_kept(limit: int, waits: list[float]) -> None:
    """Once headers name another limit, no window after it holds more than that."""
    bucket = Bucket(RateLimit("discord", 5, 5.0, 2), 1, 0.0)
    bucket.spend(0.0)
    bucket.observe(Observed("discord", limit, limit - 1, 5.0), 0.1)
    sent = [0.0, *greedy(bucket, waits, 0.1)]
    for first in sent:
        assert sum(first <= at <= first + 5.0 for at in sent) <= limit


def test_a_refund_is_as_if_nothing_was_spent() -> None:
    """A token given back can be spent at once."""
    bucket = Bucket(RateLimit("one", 1, 1.0, 1), 1, 0.0)
    bucket.spend(0.0)
    bucket.refund(0.0)
    assert bucket.has(1.0, 0.0)
