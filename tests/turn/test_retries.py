"""What follows an attempt, whatever became of those before it."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from bot.turn.attempt import AttemptEnd, AttemptResult
from bot.turn.services import Policy
from bot.turn.turn import STEPS, Retries, Step

AGAIN = {Step.ASK, Step.NOTE}


def retries(*, broken: int = 0, attempts: int = 3, patience: float = 10.0, pause: float = 1.0) -> Retries:
    """Retries of a turn whose pauses are all `pause` seconds long."""
    policy = Policy(system_prompt="", max_attempts=attempts, busy_timeout=patience)
    return Retries(policy, lambda _n, _after: pause, broken=broken)


def test_every_way_to_end_has_something_that_follows() -> None:
    """No attempt ends in a way the table does not know."""
    assert set(STEPS) == set(AttemptEnd)


HOW = st.tuples(st.sampled_from([AttemptEnd.BROKE, AttemptEnd.BUSY]), st.booleans(), st.floats(0.0, 5.0))


@given(st.lists(HOW, min_size=1, max_size=8))
def test_asking_again_comes_to_an_end(ends: list[tuple[AttemptEnd, bool, float]]) -> None:
    """However attempts fail, Claude is asked at most as often as is allowed, and nobody waits longer than patience."""
    course, now, busy_since, asked = retries(), 0.0, None, 0
    for how, exposed, took in itertools.islice(itertools.cycle(ends), 50):
        now += took
        asked += 1
        step = course.after(AttemptResult(how), exposed=exposed, now=now)
        busy = how is AttemptEnd.BUSY and not exposed
        busy_since = (now if busy_since is None else busy_since) if busy else None
        waited = 0.0 if busy_since is None else now + course.pause - busy_since
        assert (step in AGAIN) == (course.broken < 3 and waited <= 10.0)
        if step not in AGAIN:
            break
        now += course.pause
    assert step is Step.DELIVER
    assert asked <= 3 * 11


@given(st.integers(0, 3), st.booleans())
def test_streams_that_broke_before_count(broken: int, exposed: bool) -> None:
    """A successor goes on counting where the worker before it was."""
    course = retries(broken=broken)
    step = course.after(AttemptResult(AttemptEnd.BROKE), exposed=exposed, now=0.0)
    assert (step in AGAIN) == (broken + 1 < 3)
    assert course.broken == broken + 1
