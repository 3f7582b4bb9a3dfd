"""A server whose memory is full: it refuses what needs more, and whoever runs a turn keeps it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bot.conversation import Message, MessageRef, StopReason, Turn
from bot.errors import StoreUnavailable
from bot.ports import Claim, Part, StoredAnswer
from tests.store.conftest import KINDS

Ask = Callable[..., Message]

T1 = ["slack:T1"]

pytestmark = pytest.mark.parametrize("opened", [kind for kind in KINDS if kind != "memory"], indirect=True)


@contextmanager
def full(backing: Any) -> Iterator[None]:
    """No memory is left on any of its servers."""
    for node in backing.nodes:
        node.config_set("maxmemory", 1)
    try:
        yield
    finally:
        for node in backing.nodes:
            node.config_set("maxmemory", 0)


def turn(claim: Claim) -> Turn:
    return Turn(id=claim.turn_id, questions=claim.messages, answer="a", stop=StopReason.END_TURN)


async def test_a_full_server_takes_no_running_turn_away(backing: Any, ask: Ask) -> None:
    """However long it is full, a worker that lives keeps its lease, and ends its turn when there is room again."""
    one, two = backing.store(), backing.store()
    await one.submit(ask())
    claim = await one.claim(T1, "one", 15)
    with full(backing):
        for _ in range(3):
            backing.advance(10)
            await one.renew(claim, 15)
            assert await two.claim(T1, "two", 15) is None
    await one.commit(claim, turn(claim))
    assert await two.load(claim.key) == (turn(claim),)


async def test_no_turn_begins_on_a_full_server(backing: Any, ask: Ask) -> None:
    """What it would post could not be recorded: it waits, new or abandoned, and counts as claimed once it is."""
    store = backing.store()
    await store.submit(ask("1"))
    await store.claim(T1, "dead", 15)
    await store.submit(ask("2", thread="C1:2"))
    backing.advance(16)
    with full(backing):
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="is full"):
                await store.claim(T1, "w", 15)
    claims = [await store.claim(T1, "w", 15) for _ in range(3)]
    assert claims.pop() is None
    assert [(claim.messages[0].text, claim.claims) for claim in claims] == [("1", 2), ("2", 1)]


async def test_a_full_server_keeps_nothing_by_halves(backing: Any, ask: Ask) -> None:
    """A record, an answer or an end that it refuses leaves the turn as it was, to be told again."""
    store, part = backing.store(), Part(1, 0, MessageRef("C1", "1.5"))

    def steps(claim: Claim) -> list[Awaitable[None]]:
        return [
            store.record(claim, part=part, attempts=1, partial="half", shown=1),
            store.finish(claim, StoredAnswer(answer="a", stop=StopReason.END_TURN, attempt=1)),
            store.commit(claim, turn(claim)),
        ]

    await store.submit(ask("1"))
    claim = await store.claim(T1, "w", 15)
    await store.submit(ask("2"))
    with full(backing):
        for step in steps(claim):
            with pytest.raises(StoreUnavailable, match="is full"):
                await step
    assert await store.key_of("slack:T1", "1.5") is None
    backing.advance(16)
    heir = await store.claim(T1, "heir", 15)
    assert (heir.claims, heir.attempts, heir.shown, heir.parts) == (2, 0, 0, ())
    assert (heir.outcome, heir.history) == (None, ())
    for step in steps(heir):
        await step
    following = await store.claim(T1, "w", 15)
    assert ([message.text for message in following.messages], following.history) == (["2"], (turn(heir),))


async def test_a_turn_can_be_given_back_to_a_full_server(backing: Any, ask: Ask) -> None:
    """A drain at that time is no crash."""
    store = backing.store()
    await store.submit(ask("1"))
    claim = await store.claim(T1, "w", 15)
    with full(backing):
        await store.release(claim)
    assert (await store.claim(T1, "heir", 15)).claims == 1
