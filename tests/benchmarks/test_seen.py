"""The arithmetic of what readers saw, on answers small enough to follow by hand."""

from __future__ import annotations

import math

import pytest

from benchmarks.seen import Heard, Posted, look, max_lag, most_within, percentile, squeeze, steps
from tests.stages.stage import Stream
from tests.stages.traces import Trace


def heard(*deltas: tuple[float, str]) -> Heard:
    return Heard(list(deltas), ended_at=deltas[-1][0])


def test_a_message_that_grows_shows_its_text_without_the_placeholder() -> None:
    """The placeholder shows nothing of the answer, and every version what it holds of it."""
    message = Posted(((0.0, "…"), (1.0, "one two"), (2.0, "one two three")))
    assert steps("onetwothree", [message]) == [(0.0, 0), (1.0, 6), (2.0, 11)]


def test_text_in_two_messages_counts_once() -> None:
    """A text that moves to another message is never counted twice, and none of it is lost when the old one goes."""
    old = Posted(((0.0, "one"),), deleted_at=2.0)
    new = Posted(((1.0, "one two"),))
    assert steps("onetwo", [old, new]) == [(0.0, 3), (1.0, 6), (2.0, 6)]


def test_messages_continue_each_other() -> None:
    """Several messages of a long answer add up."""
    source = squeeze("alpha beta gamma delta")
    first, second = Posted(((0.0, "alpha"), (1.0, "alpha beta"))), Posted(((2.0, "gam"), (3.0, "gamma delta")))
    assert [chars for _, chars in steps(source, [first, second])] == [5, 9, 12, len(source)]


def test_lag_is_that_of_the_simulation() -> None:
    """Lag is the one that `stage.Stream` computes, with changes counted as shown when their calls have returned."""
    answer = heard((10.0, "abcd"), (11.0, "efgh"), (12.0, "ij"))
    message = Posted(((10.1, "…"), (10.5, "abcd"), (11.5, "abcdefgh"), (12.5, "abcdefghij")))
    sight = look(answer, [message], asked_at=9.0, latency=0.2)
    stream = Stream(Trace("", ((10.0, 4), (11.0, 4), (12.0, 2))))
    stream.shown = [(0.0, 10.6, 4), (0.0, 11.6, 8), (0.0, 12.6, 10)]
    stream.finished_at = 12.6
    assert sight.lag == pytest.approx(stream.lag())
    assert sight.lag == pytest.approx(4 * 0.6 + 4 * 0.6 + 2 * 0.6)
    assert sight.max_lag == 4
    assert sight.whole


def test_the_times_of_the_first_text_and_of_the_final() -> None:
    """Readers see a change half a call after it left; a departure is measured from when it was possible."""
    answer = heard((10.0, "abcd"), (12.0, "ef"))
    message = Posted(((10.1, "…"), (10.35, "abcd"), (12.4, "abcdef")))
    sight = look(answer, [message], asked_at=9.5, latency=0.2)
    assert sight.first == pytest.approx(0.35)
    assert sight.first_asked == pytest.approx(0.85)
    assert sight.first_leaving == pytest.approx(10.25 - 10.2)  # the placeholder's call returned at 10.2
    assert sight.final == pytest.approx(0.4)
    assert sight.final_leaving == pytest.approx(12.3 - 12.0)  # nothing was in flight at the end


def test_a_final_waits_for_the_edit_in_flight() -> None:
    """What an edit in flight takes is no delay of ours."""
    answer = heard((10.0, "abcd"), (12.0, "ef"))
    message = Posted(((11.95, "abcd"), (12.2, "abcdef")))
    assert look(answer, [message], 9.0, latency=0.2).final_leaving == pytest.approx(12.1 - 12.05)


def test_a_thread_has_to_be_opened_first() -> None:
    """Before the thread is open no text can leave."""
    answer = heard((10.0, "abcd"))
    sight = look(answer, [Posted(((10.5, "abcd"),))], 9.0, latency=0.2, opened_at=10.4)
    assert sight.first_leaving == pytest.approx(0.0)


@pytest.mark.parametrize(
    "messages",
    [[], [Posted(((1.0, "…"),))], [Posted(((1.0, "abc"),))], [Posted(((1.0, "abcdef"),), deleted_at=2.0)]],
    ids=["none", "placeholder", "part", "deleted"],
)
def test_what_is_not_whole_is_not_called_so(messages: list[Posted]) -> None:
    """An answer of which anything is missing in the end is not whole."""
    assert not look(heard((0.0, "abcdef")), messages, 0.0, 0.0).whole


def test_nothing_heard_and_nothing_shown_are_infinite() -> None:
    """An answer that never came or was never shown has no finite times."""
    assert math.isinf(look(Heard(), [], 0.0, 0.0).first)
    sight = look(heard((0.0, "abc"), (1.0, "d")), [Posted(((0.5, "abc"),))], 0.0, 0.0)
    assert math.isinf(sight.lag)
    assert math.isinf(sight.final)
    assert sight.first == pytest.approx(0.5)


def test_the_largest_lag_counts_what_is_never_shown() -> None:
    """The most characters behind are looked for between edits and after the last one."""
    trace = Trace("", ((0.0, 3), (1.0, 5), (2.0, 7)))
    assert max_lag(trace, [(0.5, 3), (2.5, 15)]) == 12
    assert max_lag(trace, [(0.5, 3)]) == 12
    assert max_lag(trace, []) == 15


def test_windows_and_percentiles() -> None:
    """Refusals are counted by the fullest window; a percentile is a value that occurred."""
    assert most_within([0.0, 1.0, 9.9, 10.0, 30.0], 10.0) == 3
    assert most_within([]) == 0
    assert percentile([3.0, 1.0, 2.0], 95) == 3.0
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert math.isnan(percentile([], 50))
