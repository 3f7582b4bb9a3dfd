"""Two bots that answer each other: a few answers, one sentence, and silence."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bot.intake.loops import ANSWERS, SILENCE, WITHIN, LoopBreaker, Verdict


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_after_three_answers_it_says_so_and_falls_silent() -> None:
    """In a minute there are three answers, then one sentence; ten minutes later it answers again."""
    clock = Clock()
    loops = LoopBreaker(clock)
    judged = [loops.judge("B1", "C1", str(number)) for number in range(6)]
    assert judged == [Verdict.ANSWER] * 3 + [Verdict.SAY_SO] + [Verdict.IGNORE] * 2
    assert loops.judge("B2", "C1", "a") is loops.judge("B1", "C2", "b") is Verdict.ANSWER
    clock.now = SILENCE + 1
    assert loops.judge("B1", "C1", "c") is Verdict.ANSWER


def test_a_message_that_comes_twice_counts_once() -> None:
    """What the platform delivers again is judged as before, and costs no answer."""
    loops = LoopBreaker(Clock())
    assert [loops.judge("B1", "C1", "same") for _ in range(9)] == [Verdict.ANSWER] * 9
    assert [loops.judge("B1", "C1", name) for name in "abc"] == [Verdict.ANSWER] * 2 + [Verdict.SAY_SO]


@given(st.lists(st.floats(0, 100), max_size=60))
def test_never_more_answers_than_allowed(pauses: list[float]) -> None:
    """Whenever it asks, a bot gets at most three answers in any minute, and at most one sentence in ten."""
    clock, answered, told = Clock(), [], []
    loops = LoopBreaker(clock)
    for number, pause in enumerate(pauses):
        clock.now += pause
        verdict = loops.judge("B1", "C1", str(number))
        if verdict is Verdict.ANSWER:
            answered.append(clock.now)
        elif verdict is Verdict.SAY_SO:
            told.append(clock.now)
    assert all(later - earlier >= WITHIN for earlier, later in zip(answered, answered[ANSWERS:], strict=False))
    assert all(later - earlier >= SILENCE for earlier, later in pairwise(told))
