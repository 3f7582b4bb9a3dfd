"""The mailbox under random order of everything: submits, crashes, zombies, repetitions, changes of mind.

A model says what each step must answer. Any claim ever made may act at any time, so that stale tokens and repeated
steps are the rule here. Time is moved in tens of seconds: a slow machine cannot tip a lease over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from bot.conversation import MessageRef, StopReason, Turn
from bot.errors import LeaseLost
from bot.ports import Claim, Part, StoredAnswer
from bot.store import rules
from tests.store.backing import Backing, ask

T = TypeVar("T")

LEASE = rules.FURTHEST
IDS = st.integers(0, 9)
THREADS = st.sampled_from(["C1:a", "C1:b"])
CLAIMS = st.integers(0, 50)


@dataclass
class Waiting:
    thread: str
    at: int
    alone: bool
    text: str
    edit: str | None = None


@dataclass
class Flight:
    """What the model knows of a turn; `holder` is the number of the claim that holds it, None when released."""

    turn_id: str
    ids: list[str]
    holder: int | None
    due: float
    claims: int = 1
    attempts: int = 0
    parts: list[Part] = field(default_factory=list)
    settled: set[int] = field(default_factory=set)
    outcome: StoredAnswer | None = None
    gone: set[str] = field(default_factory=set)
    stopped: bool = False
    edited: bool = False

    def asked(self) -> list[str]:
        """What the next claim asks; nothing when the turn vanishes unseen."""
        left = [id_ for id_ in self.ids if id_ not in self.gone]
        unended = self.outcome or any(part.attempt not in self.settled for part in self.parts)
        return left or (self.ids if self.holder is not None or unended else [])


class Mailbox(RuleBasedStateMachine):
    """The rules, over one store and the model of it."""

    def __init__(self, backing: Backing) -> None:
        super().__init__()
        self.backing = backing
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.store = backing.store()
        self.now = 0.0
        self.mail: dict[str, Waiting] = {}
        self.seen: set[str] = set()
        self.early: dict[str, tuple[float, str | None]] = {}
        self.flights: dict[str, Flight] = {}
        self.history: dict[str, list[str]] = {}
        self.claims: list[Claim] = []
        self.done: set[int] = set()
        self.released: set[int] = set()
        self.answered: list[str] = []
        self.taken_back: set[str] = set()

    def teardown(self) -> None:
        """Whatever happened, what was accepted and not taken back is answered once, and then there is nothing left."""
        with self.runner:
            self.pass_time(10_000)
            while self.claim_next():
                self.commit(len(self.claims) - 1)
            assert sorted(self.answered) == sorted(self.seen - self.taken_back)
            assert not self.mail
            assert not self.flights
            self.runner.run(self.backing.close())

    # --- what the model says ---

    def run_of(self, thread: str) -> list[str]:
        run: list[str] = []
        for id_ in sorted((id_ for id_, it in self.mail.items() if it.thread == thread), key=self.order):
            if self.mail[id_].alone and run:
                break
            run.append(id_)
            if self.mail[id_].alone:
                break
        return run

    def order(self, id_: str) -> tuple[int, str]:
        return self.mail[id_].at, id_

    def claimable(self) -> set[str]:
        ready = set()
        for thread in {it.thread for it in self.mail.values()}:
            flight = self.flights.get(thread)
            if flight is None or (flight.due <= self.now and (flight.asked() or self.behind(thread, flight))):
                ready.add(thread)
        return ready

    def behind(self, thread: str, flight: Flight) -> list[str]:
        return [id_ for id_, it in self.mail.items() if it.thread == thread and id_ not in flight.ids]

    def forget_flight(self, thread: str) -> None:
        for id_ in self.flights.pop(thread).ids:
            self.mail.pop(id_, None)

    def held(self, number: int) -> Flight | None:
        flight = self.flights.get(self.claims[number].key.thread)
        return flight if flight and flight.holder == number else None

    def expect(self, accepted: bool, call: Awaitable[T]) -> T | None:
        async def outcome() -> T | None:
            try:
                answer = await call
            except LeaseLost:
                assert not accepted, "refused what must be accepted"
                return None
            assert accepted, "accepted a stale token"
            return answer

        return self.runner.run(outcome())

    # --- what may happen ---

    @rule(number=IDS, thread=THREADS, at=st.integers(0, 3), alone=st.booleans())
    def submit(self, number: int, thread: str, at: int, alone: bool) -> None:
        id_ = f"{thread}:{number}"
        accepted = self.runner.run(self.store.submit(ask(id_, id=id_, thread=thread, at=at), alone=alone))
        assert accepted == (id_ not in self.seen)
        if accepted:
            self.seen.add(id_)
            until, early = self.early.pop(id_, (0.0, None))
            if until <= self.now:
                self.mail[id_] = Waiting(thread, at, alone, id_)
            elif early is None:
                self.taken_back.add(id_)
            else:
                self.mail[id_] = Waiting(thread, at, alone, early, early)

    @rule()
    def claim(self) -> None:
        self.claim_next()

    def claim_next(self) -> bool:
        possible = self.claimable()
        claim = self.runner.run(self.store.claim(["slack:T1"], "w", LEASE))
        for thread, flight in list(self.flights.items()):
            # A due turn that was taken back whole and unseen vanishes when a claim comes by.
            if flight.due <= self.now and not flight.asked() and (claim is None or claim.key.thread == thread):
                self.forget_flight(thread)
        if claim is None:
            assert not possible, "nothing was claimed"
            return False
        thread = claim.key.thread
        assert thread in possible
        number = len(self.claims)
        self.claims.append(claim)
        flight = self.flights.get(thread)
        if flight is None:
            flight = self.flights[thread] = Flight(claim.turn_id, self.run_of(thread), number, 0.0)
            asked = flight.ids
        else:
            asked = flight.asked()
            flight.stopped = flight.stopped or flight.gone.issuperset(flight.ids)
            flight.claims += 1
        flight.holder, flight.due, flight.edited = number, self.now + LEASE, False
        assert [message.id for message in claim.messages] == asked
        assert [message.text for message in claim.messages] == [self.mail[id_].text for id_ in asked]
        assert (claim.turn_id, claim.claims, claim.attempts) == (flight.turn_id, flight.claims, flight.attempts)
        assert (list(claim.parts), claim.outcome, claim.stopped) == (flight.parts, flight.outcome, flight.stopped)
        assert [turn.id for turn in claim.history] == self.history.get(thread, [])
        assert sum(other.token == claim.token for other in self.claims) == 1
        return True

    @precondition(lambda self: self.claims)
    @rule(number=CLAIMS)
    def renew(self, number: int) -> None:
        number %= len(self.claims)
        flight = self.held(number)
        lease = self.expect(flight is not None, self.store.renew(self.claims[number], LEASE))
        if flight and lease:
            flight.due = self.now + LEASE
            assert (lease.stopped, lease.edited) == (flight.stopped, flight.edited)

    @precondition(lambda self: self.claims)
    @rule(number=CLAIMS, attempt=st.integers(1, 3), settled=st.booleans())
    def record(self, number: int, attempt: int, settled: bool) -> None:
        number %= len(self.claims)
        part = Part(attempt, 0, MessageRef("C1", f"{attempt}.0"))
        flight = self.held(number)
        self.expect(flight is not None, self.store.record(self.claims[number], part=part, attempts=attempt))
        if settled:
            self.expect(flight is not None, self.store.record(self.claims[number], settled=attempt))
        if flight:
            flight.settled |= {attempt} if settled else set()
            flight.attempts = attempt
            flight.parts += [] if part in flight.parts else [part]

    @precondition(lambda self: self.claims)
    @rule(number=CLAIMS)
    def finish(self, number: int) -> None:
        number %= len(self.claims)
        outcome = StoredAnswer(answer=str(number), stop=StopReason.END_TURN, attempt=1)
        flight = self.held(number)
        self.expect(flight is not None, self.store.finish(self.claims[number], outcome))
        if flight and not flight.edited:
            flight.outcome = outcome

    @precondition(lambda self: self.claims)
    @rule(number=CLAIMS)
    def commit(self, number: int) -> None:
        number %= len(self.claims)
        claim, flight = self.claims[number], self.held(number)
        turn = Turn(id=claim.turn_id, questions=(), answer="", stop=StopReason.FAILED)
        self.expect(flight is not None or number in self.done, self.store.commit(claim, turn))
        if flight:
            self.done.add(number)
            self.answered += [id_ for id_ in flight.ids if id_ not in self.taken_back]
            self.history.setdefault(claim.key.thread, []).append(claim.turn_id)
            self.forget_flight(claim.key.thread)

    @precondition(lambda self: self.claims)
    @rule(number=CLAIMS, delay=st.sampled_from([0.0, 100.0]))
    def release(self, number: int, delay: float) -> None:
        number %= len(self.claims)
        flight = self.held(number)
        accepted = flight is not None or number in self.released
        self.expect(accepted, self.store.release(self.claims[number], delay=delay))
        if flight:
            self.released.add(number)
            flight.holder, flight.due = None, self.now + delay
            flight.claims -= 1

    @rule(thread=THREADS)
    def stop(self, thread: str) -> None:
        flight = self.flights.get(thread)
        assert self.runner.run(self.store.amend(ask(thread=thread).key, "slack:T1")) == (flight is not None)
        if flight:
            flight.stopped = True
            if flight.holder is None:
                flight.due = min(flight.due, self.now)

    @rule(number=IDS, thread=THREADS)
    def delete(self, number: int, thread: str) -> None:
        id_ = f"{thread}:{number}"
        flight = self.flights.get(thread)
        there = id_ in self.mail and not (flight and id_ in flight.gone)
        assert self.runner.run(self.store.amend(ask(thread=thread).key, "slack:T1", message_id=id_)) == there
        if id_ not in self.seen:
            self.early[id_] = (self.now + rules.EARLY_TTL, None)
        if not there:
            return
        self.taken_back.add(id_)
        if flight and id_ in flight.ids:
            flight.gone.add(id_)
            if not flight.gone.issuperset(flight.ids):
                flight.edited = flight.edited or not flight.outcome
            elif flight.holder is None:
                flight.due = min(flight.due, self.now)
            else:
                flight.stopped = True
        else:
            del self.mail[id_]

    @rule(number=IDS, thread=THREADS, text=st.text(max_size=3))
    def edit(self, number: int, thread: str, text: str) -> None:
        id_ = f"{thread}:{number}"
        flight = self.flights.get(thread)
        frozen = flight is not None and id_ in flight.ids
        there = id_ in self.mail and not (flight and (id_ in flight.gone or (frozen and flight.outcome)))
        there = there and self.mail[id_].edit != text
        key = ask(thread=thread).key
        assert self.runner.run(self.store.amend(key, "slack:T1", message_id=id_, text=text)) == there
        until, early = self.early.get(id_, (0.0, ""))
        if id_ not in self.seen and not (early is None and until > self.now):
            self.early[id_] = (self.now + rules.EARLY_TTL, text)
        if there:
            self.mail[id_].text = self.mail[id_].edit = text
            if flight and frozen:
                flight.edited = True

    @rule(seconds=st.sampled_from([20, 80, 320, 800]))
    def pass_time(self, seconds: int) -> None:
        self.backing.advance(seconds)
        self.now += seconds


def examine(make: Callable[[], Backing], examples: int) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Mailbox(make()),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_the_mailbox_in_memory() -> None:
    """Every order of steps ends with every message answered once or taken back."""
    examine(lambda: Backing("memory"), 80)


def test_the_mailbox_on_a_server(server: str) -> None:
    """The scripts do what the model says, and leave no key without an expiry."""
    examine(lambda: Backing.on_server(server), 30)
