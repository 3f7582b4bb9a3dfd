"""What is kept beside the mailbox: who takes part where, whose message it is, cursors, the terminal's history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.conversation import Message, MessageRef, StopReason, ThreadKey, Turn
from bot.errors import StoreUnavailable
from bot.ports import Part
from bot.store import rules

Ask = Callable[..., Message]

T1 = ["slack:T1"]


def turn(n: int) -> Turn:
    return Turn(id=f"t{n}", questions=(), answer=str(n), stop=StopReason.END_TURN)


async def test_taking_part_is_known_from_the_submit_on(store: Any, ask: Ask) -> None:
    """A fast follow-up, handed in before the first message was answered, must not be dropped."""
    message = ask()
    assert not await store.takes_part(message.key)
    await store.submit(message)
    assert await store.takes_part(message.key)
    assert not await store.takes_part(ask(thread="C1:other").key)
    await store.commit(await store.claim(T1, "w", 15), None)
    assert await store.takes_part(message.key)


async def test_our_messages_lead_to_their_conversation(store: Any, ask: Ask) -> None:
    """By their id and by `channel:id`, within their installation, and after the turn as well."""
    await store.submit(ask())
    claim = await store.claim(T1, "w", 15)
    await store.record(claim, part=Part(1, 0, MessageRef("C1", "1.5")))
    await store.commit(claim, None)
    assert await store.key_of("slack:T1", "1.5") == claim.key
    assert await store.key_of("slack:T1", "C1:1.5") == claim.key
    assert await store.key_of("slack:T2", "1.5") is None
    assert await store.key_of("slack:T1", "1.6") is None


async def test_a_forgotten_conversation_begins_anew(store: Any, ask: Ask) -> None:
    """The history goes; the mailbox, a running turn and taking part stay."""
    await store.submit(ask("1"))
    claim = await store.claim(T1, "w", 15)
    await store.commit(claim, turn(1))
    await store.submit(ask("2"))
    claim = await store.claim(T1, "w", 15)
    await store.submit(ask("3"))
    await store.reset(claim)
    await store.commit(claim, turn(2), replaces="t1")
    following = await store.claim(T1, "w", 15)
    assert [message.text for message in following.messages] == ["3"]
    assert following.history == (turn(2),)
    assert await store.takes_part(claim.key)


async def test_history_is_capped_in_large_steps(store: Any) -> None:
    """Past the cap the oldest quarter goes at once, so that the front stays the same for long."""
    key = ThreadKey("terminal", "local", "main")
    for n in range(rules.MAX_TURNS):
        await store.append(key, turn(n))
    assert len(await store.load(key)) == rules.MAX_TURNS
    await store.append(key, turn(rules.MAX_TURNS))
    turns = await store.load(key)
    assert len(turns) == rules.MAX_TURNS * 3 // 4
    assert turns[-1] == turn(rules.MAX_TURNS)


async def test_a_history_without_a_mailbox(backing: Any) -> None:
    """The terminal's sessions are loaded, grow, replace their last turn and are forgotten, each by itself."""
    store = backing.store()
    one, two = ThreadKey("terminal", "local", "one"), ThreadKey("terminal", "local", "two")
    assert await store.load(one) == ()
    for n in (1, 2, 2):
        await store.append(one, turn(n))
    await store.append(two, turn(1))
    await store.append(one, turn(3), replaces="t2")
    await store.append(one, turn(4), replaces="t2")
    assert await backing.store().load(one) == (turn(1), turn(3), turn(4))
    await store.forget(one)
    assert await store.load(one) == ()
    assert await store.load(two) == (turn(1),)


async def test_a_cursor_never_moves_back(store: Any) -> None:
    """Values are compared as numbers of any size, to the last digit."""
    assert await store.cursor("discord:A") is None
    moves = [
        ("9", "9"),
        ("1429384756102938475", "1429384756102938475"),
        ("1429384756102938476", "1429384756102938476"),
        ("1429384756102938475", "1429384756102938476"),
        ("999", "1429384756102938476"),
        ("0001429384756102938475", "1429384756102938476"),
        ("1429384756102938476.5", "1429384756102938476.5"),
        ("1429384756102938476.45", "1429384756102938476.5"),
        ("10000000000000000000", "10000000000000000000"),
    ]
    for value, kept in moves:
        await store.move_cursor("discord:A", value)
        assert await store.cursor("discord:A") == kept
    assert await store.cursor("discord:B") is None


@pytest.mark.parametrize("value", ["", "-1", "abc", "1e9", "1.", "٣", "1\n"])
async def test_a_cursor_is_a_decimal_number(store: Any, value: str) -> None:
    """What is none is refused here, before it blocks every later move."""
    with pytest.raises(ValueError, match="decimal"):
        await store.move_cursor("discord:A", value)


async def test_direct_messages_are_remembered_newest_first(store: Any, ask: Ask) -> None:
    """For backfill: a platform may not list them."""
    for n in range(3):
        await store.submit(ask(str(n), at=n, channel=f"D{n}", thread=f"D{n}", direct=True))
    await store.submit(ask("again", at=9, channel="D0", thread="D0", direct=True))
    await store.submit(ask("public"))
    assert await store.directs("slack:T1") == ("D0", "D2", "D1")
    assert await store.directs("slack:T2") == ()
    for n in range(rules.MAX_DIRECTS + 3):
        await store.submit(ask(f"x{n}", at=100 + n, channel=f"X{n}", direct=True))
    directs = await store.directs("slack:T1")
    assert (len(directs), directs[0]) == (rules.MAX_DIRECTS, f"X{rules.MAX_DIRECTS + 2}")


async def test_workers_know_how_many_they_are(backing: Any) -> None:
    """A worker counts from its first word until it leaves or has been silent too long, for its installations only."""
    store = backing.store()
    assert await store.attend(T1, "a", 9.0) == 1
    assert await store.attend([*T1, "slack:T2"], "b", 9.0) == 2
    assert await store.attend(["slack:T2"], "c", 9.0) == 2
    assert await store.attend(T1, "b", 0.0) == 1
    backing.advance(5.0)
    assert await store.attend(T1, "d", 9.0) == 2
    backing.advance(5.0)
    assert await store.attend(T1, "d", 9.0) == 1


async def test_one_candidate_leads_until_it_gives_up_or_is_silent(backing: Any) -> None:
    """Whoever asks first leads an installation and goes on as long as it asks; then another may, and it knows."""
    store, other = backing.store(), backing.store()
    assert await store.lead("discord:A", "a", 9.0)
    assert not await other.lead("discord:A", "b", 9.0)
    assert await other.lead("discord:B", "b", 9.0)
    backing.advance(5.0)
    assert await store.lead("discord:A", "a", 9.0)
    backing.advance(5.0)
    assert not await other.lead("discord:A", "b", 9.0)
    assert not await other.lead("discord:A", "b", 0.0), "who does not lead gives nothing up"
    assert await store.lead("discord:A", "a", 9.0)
    assert not await store.lead("discord:A", "a", 0.0)
    assert await other.lead("discord:A", "b", 9.0), "it was given up"
    backing.advance(10.0)
    assert await store.lead("discord:A", "a", 9.0), "silent for too long"
    assert not await other.lead("discord:A", "b", 9.0)


async def test_a_dead_leader_is_deposed_with_its_leases(on_server: Any) -> None:
    """Who knows itself to be alone does not wait for a lead that nobody holds any more."""
    store = on_server.store()
    assert await store.lead("discord:A", "dead", 9.0)
    assert await store.break_leases(["discord:A"]) == 0
    assert await store.lead("discord:A", "a", 9.0)


@pytest.mark.parametrize("opened", ["redis", "cluster"], indirect=True)
async def test_a_ping_is_a_write_where_the_turns_are(backing: Any, ask: Ask) -> None:
    """A server that answers and takes nothing more is found out; of a cluster the node that matters is asked."""
    store, installation = backing.store(), "slack:T1"
    await store.submit(ask())
    await store.ping(installation)
    [node] = [node for node in backing.nodes if node.keys("firsttoken:{slack:T1}:mail:*")]
    node.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable, match="is full"):
            await store.ping(installation)
    finally:
        node.config_set("maxmemory", 0)
