"""When and how the gateway is connected to again, whatever becomes of the connections: time is only told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import pytest
import yarl
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.discord.reconnect import (
    CONNECTIONS,
    CONNECTIONS_EVERY,
    FIRST,
    IDENTIFIES,
    IDENTIFIES_EVERY,
    LONGEST,
    RESUMES,
    Reconnect,
    Session,
)

DAY = 86_400.0
DELAY = 5.0
SESSION = Session("s", 1, yarl.URL("wss://resume.example"))


class Ending(NamedTuple):
    """How a connection went: whether HELLO came, then a session, whether that can be resumed, and when it ended."""

    greeted: bool
    began: bool
    resumable: bool
    lasted: float


DEAF = Ending(greeted=False, began=False, resumable=True, lasted=10.0)
REFUSED = Ending(greeted=True, began=False, resumable=True, lasted=0.1)
LOST = Ending(greeted=True, began=True, resumable=False, lasted=0.0)
CUT = Ending(greeted=True, began=True, resumable=True, lasted=0.0)


KINDS = st.sampled_from([DEAF, DEAF._replace(resumable=False), REFUSED, REFUSED._replace(resumable=False), LOST, CUT])
COURSES = st.lists(st.builds(lambda kind, lasted: kind._replace(lasted=lasted), KINDS, st.floats(0.0, 100.0)))
ABRUPT = st.builds(lambda kind, times: [kind] * times, KINDS, st.integers(0, 30))
"""The same end again and again, at once."""


class Life:
    """The connections of a process, as the gateway's client makes them: `pace` is asked and told as it asks and tells.

    `connected` and `identified` are the times of all connections and IDENTIFYs, `pauses` what was waited before each.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.pace = Reconnect(lambda: self.now, identify_delay=DELAY)
        self.connected: list[float] = []
        self.identified: list[float] = []
        self.pauses: list[float] = []

    def live(self, course: Iterable[Ending]) -> None:
        for ending in course:
            self.pauses.append(self.pace.pause())
            self.now += self.pauses[-1]
            self.connected.append(self.now)
            session = self.pace.session
            if ending.greeted and session is None:
                self.identified.append(self.now)
                self.pace.identifies()
            self.now += ending.lasted
            known = SESSION if ending.began else session
            self.pace.over(known if ending.resumable else None, began=ending.began, greeted=ending.greeted)


def most(times: Sequence[float], window: float) -> int:
    """The most of them that lie within such a window."""
    return max((sum(start <= it <= start + window for it in times) for start in times), default=0)


@given(COURSES | ABRUPT)
def test_connections_never_follow_each_other_in_a_hot_loop(course: list[Ending]) -> None:
    """Whatever ends them, five may follow each other at once, then there is one a second."""
    life = Life()
    life.live(course)
    for window in (0.0, 1.0, 10.0, 60.0):
        assert most(life.connected, window) <= CONNECTIONS + window / CONNECTIONS_EVERY + 1e-6


@given(COURSES | ABRUPT)
def test_new_sessions_keep_to_the_pace_of_a_thousand_a_day(course: list[Ending]) -> None:
    """Whatever ends them, two are five seconds apart, and however many begin they stay within what is allowed."""
    life = Life()
    life.live(course)
    for earlier, later in pairwise(life.identified):
        assert later - earlier >= DELAY - 1e-6
    for window in (600.0, 3600.0):
        assert most(life.identified, window) <= IDENTIFIES + window / IDENTIFIES_EVERY + 1e-6


@pytest.mark.parametrize("ending", [LOST, REFUSED, LOST._replace(began=False)])
def test_the_worst_day_has_a_thousand_new_sessions(ending: Ending) -> None:
    """One that is lost at once, a thousand times over, is still begun again: over a thousand Discord ends the token."""
    life = Life()
    while life.now < 2 * DAY:
        life.live([ending])
    assert IDENTIFIES <= most(life.identified, DAY) <= 1000
    assert life.identified[-1] - life.identified[-2] < 2 * IDENTIFIES_EVERY


@given(COURSES | ABRUPT)
def test_nobody_waits_for_long(course: list[Ending]) -> None:
    """The longest pause is that for the next of the day's sessions; one to resume waits half a minute at most."""
    life = Life()
    for ending in course:
        resumes = life.pace.session is not None
        life.live([ending])
        assert 0.0 <= life.pauses[-1] <= (LONGEST if resumes else max(LONGEST, IDENTIFIES_EVERY))


@given(COURSES | ABRUPT)
@example([CUT, *[REFUSED] * RESUMES, CUT, REFUSED, DEAF, REFUSED, CUT, REFUSED])
def test_a_session_is_resumed_wherever_it_can_be(course: list[Ending]) -> None:
    """It is given up when it is over, or was refused as often as is tried, and for nothing else."""
    life = Life()
    refused = 0
    for ending in course:
        before = life.pace.session
        life.live([ending])
        refused = 0 if ending.began else refused + ending.greeted
        alive = ending.resumable and (ending.began or before is not None) and refused < RESUMES
        assert life.pace.session == (SESSION if alive else None)


def test_a_connection_that_held_is_followed_by_another_at_once() -> None:
    """So little is missed; and so it goes with those that follow."""
    life = Life()
    life.live([CUT._replace(lasted=100.0)] * 20)
    assert life.pauses == [0.0] * 20


@given(st.integers(1, 40))
def test_a_gateway_that_does_not_answer_is_asked_less_and_less(times: int) -> None:
    """Each pause is twice the one before, up to half a minute, less a random part of up to a half."""
    life = Life()
    life.live([CUT._replace(lasted=100.0), *[DEAF._replace(lasted=100.0)] * times, CUT, CUT])
    assert life.pauses[:2] == [0.0, 0.0]
    for failures, pause in enumerate(life.pauses[2:-1], 1):
        longest = min(LONGEST, FIRST * 2 ** (failures - 1))
        assert longest / 2 <= pause <= longest
    assert life.pauses[-1] == 0.0


def test_an_outage_costs_none_of_the_days_sessions() -> None:
    """A gateway that is away at the start is asked again soon, and after hours there is no wait for a session."""
    life = Life()
    life.live([DEAF._replace(resumable=False)] * 500)
    assert life.identified == []
    assert sum(life.pauses[:4]) <= 1.5
    assert life.pace.pause() <= LONGEST


def test_a_lost_session_is_followed_by_another_after_a_random_time() -> None:
    """Between one and five seconds, as Discord asks for: not everybody comes back at once."""
    pauses = []
    for _ in range(50):
        life = Life()
        life.live([LOST._replace(lasted=100.0)])
        pauses.append(life.pace.pause())
    assert min(pauses) >= DELAY / 5
    assert max(pauses) <= DELAY
    assert max(pauses) - min(pauses) > DELAY / 10


def test_both_addresses_are_tried_in_turn() -> None:
    """First where Discord says that the session is resumed, then the usual one, for as long as there is a session."""
    life = Life()
    assert life.pace.gateway is None
    life.live([CUT])
    for tried in range(2 * RESUMES):
        assert life.pace.gateway == (None if tried % 2 else SESSION.gateway)
        life.live([DEAF])
    life.live([REFUSED] * RESUMES)
    assert life.pace.gateway is None
