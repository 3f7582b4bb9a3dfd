"""Running turns and a server that forgot them: all of it, or what it had acknowledged last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.conversation import Message, MessageRef, Place, StopReason, Turn
from bot.errors import LeaseLost
from bot.ports import Claim, Part, StoredAnswer
from bot.store import rules
from bot.store.redis import RedisStore

Ask = Callable[..., Message]

T1 = ["slack:T1"]


def answered(claim: Claim) -> Turn:
    return Turn(id=claim.turn_id, questions=claim.messages, answer="a", stop=StopReason.END_TURN)


def forget(on_server: Any, pattern: str) -> None:
    """Let the server lose every key like this."""
    for node in on_server.nodes:
        for key in node.scan_iter(match=pattern):
            node.delete(key)


async def test_a_turn_put_back_leaves_nothing_for_ever(on_server: Any, ask: Ask) -> None:
    """What a restored turn tells of itself expires, also where it ends without a word in the history."""
    store = on_server.store()
    await store.submit(ask())
    claim = await store.claim(T1, "w", 15)
    on_server.empty()
    await store.record(claim, part=Part(1, 0, MessageRef("C1", "1")))
    await store.commit(claim, None)
    assert all(node.pttl(key) > 0 for node in on_server.nodes for key in node.scan_iter())


async def test_a_long_history_is_not_cut_short_by_its_last_turn(on_server: Any, ask: Ask) -> None:
    """What is known of a thread lives as long as its history, though mail is kept for a week only."""
    store = RedisStore(on_server.url, history_ttl=30 * 24 * 3600.0)
    for text in ("1", "2"):
        await store.submit(ask(text))
        claim = await store.claim(T1, "w", 15)
        await store.record(claim, part=Part(1, 0, MessageRef("C1", text)))
        await store.commit(claim, answered(claim) if text == "1" else None)
    lives = [node.pttl(key) for node in on_server.nodes for key in node.scan_iter(match="*meta:*")]
    assert min(lives) > 29 * 24 * 3600 * 1000
    await store.close()


@pytest.mark.parametrize("step", ["renew", "record", "finish", "commit", "release", "reset"])
async def test_whichever_step_finds_the_server_empty_goes_on(on_server: Any, ask: Ask, step: str) -> None:
    """A running turn is put back with the step that finds it gone; nobody else can take it, and it ends in history."""
    store, other = on_server.store(), on_server.store()
    await store.submit(ask())
    claim = await store.claim(T1, "w", 15)
    on_server.empty()
    match step:
        case "renew":
            await store.renew(claim, 15)
        case "record":
            await store.record(claim, part=Part(1, 0, MessageRef("C1", "1")))
        case "finish":
            await store.finish(claim, StoredAnswer(answer="a", stop=StopReason.END_TURN, attempt=1))
        case "reset":
            await store.reset(claim)
        case "release":
            await store.release(claim)
            claim = await other.claim(T1, "v", 15)
            assert claim.messages == (ask(),)
    assert await other.claim(T1, "v", 15) is None
    assert await store.takes_part(claim.key) or step == "commit"
    assert not await other.submit(ask()) or step == "commit"
    await store.commit(claim, answered(claim))
    assert [turn.id for turn in await store.load(claim.key)] == [claim.turn_id]


async def test_what_was_noted_since_the_claim_is_put_back(on_server: Any, ask: Ask) -> None:
    """A server that forgot all learns again which messages were posted, and the successor ends them."""
    store, other = on_server.store(), on_server.store()
    await store.submit(ask())
    claim = await store.claim(T1, "w", 15)
    parts = tuple(Part(1, n, MessageRef("C1", f"{n}.5")) for n in range(2))
    for part in (*parts, parts[0]):
        claim = claim.noted(part=part, place=Place("C1", "77"), shown=1)
    on_server.empty()
    await store.renew(claim.noted(partial="half", attempts=1, settled=1).noted(settled=3), 15)
    on_server.advance(16)
    heir = await other.claim(T1, "heir", 15)
    assert (heir.parts, heir.place, heir.shown, heir.attempts) == (parts, Place("C1", "77"), 1, 1)
    assert heir.settled == {1, 3}
    await other.commit(heir, None)
    await other.submit(ask("2"))
    next_one = await other.claim(T1, "w", 15)
    assert next_one.after == "1.5"
    on_server.empty()
    await other.renew(next_one, 15)
    on_server.advance(16)
    assert (await store.claim(T1, "heir", 15)).after == "1.5"


async def test_steps_of_one_moment_go_on_together(on_server: Any, ask: Ask) -> None:
    """A renewal and a note that find the server empty at once do not take each other for another worker."""
    store = on_server.store()
    await store.submit(ask())
    claim = await store.claim(T1, "w", 15)
    on_server.empty()
    await asyncio.gather(store.renew(claim, 15), store.record(claim, shown=1), store.record(claim, attempts=1))
    assert await on_server.store().claim(T1, "v", 15) is None


async def test_a_turn_is_put_back_for_as_long_as_it_was_held(on_server: Any, ask: Ask) -> None:
    """Nobody takes it before its worker renews it, however rarely that is, nor much later when its worker died."""
    store, other = on_server.store(), on_server.store()
    for lease in (3600, 3):
        await store.submit(ask(str(lease)))
        claim = await store.claim(T1, "w", lease)
        on_server.empty()
        await store.record(claim, shown=1)
        on_server.advance(lease - 1)
        assert await other.claim(T1, "v", lease) is None
        on_server.advance(2)
        taken = await other.claim(T1, "v", lease)
        assert taken is not None
        await other.commit(taken, None)


async def test_a_successor_finds_all_of_a_turn_that_was_put_back(on_server: Any, ask: Ask) -> None:
    """What the first claim knew of earlier ones, its questions and its place are there when its worker dies as well."""
    store = on_server.store()
    for n in (1, 2):
        await store.submit(ask(str(n), at=float(n)))
    first = await store.claim(T1, "w", 15)
    await store.record(first, place=Place("C1", "9"), part=Part(1, 0, MessageRef("C1", "1")), shown=1, attempts=2)
    await store.finish(first, StoredAnswer(answer="a", stop=StopReason.END_TURN, attempt=1))
    on_server.advance(16)
    second = await store.claim(T1, "w", 15)
    on_server.empty()
    await store.renew(second, 15)
    on_server.advance(16)
    third = await store.claim(T1, "w", 15)
    for name in ("key", "turn_id", "attempts", "messages", "place", "parts", "shown", "settled", "outcome"):
        assert getattr(third, name) == getattr(second, name), name
    assert (third.claims, third.takes, third.first_claimed_at) == (
        3,
        3,
        pytest.approx(second.first_claimed_at, abs=0.001),
    )


async def test_a_claim_that_a_new_primary_had_not_heard_of_stands(on_server: Any, ask: Ask) -> None:
    """Where the question still waits, its worker keeps it and nobody takes it a second time."""
    store = on_server.store()
    await store.submit(ask())
    claim = await store.claim(T1, "w", 15)
    forget(on_server, "*flight:*")
    forget(on_server, "*fence:*")
    on_server.nodes[0].zadd("firsttoken:{slack:T1}:ready", {str(claim.key): 0})
    await store.renew(claim, 15)
    assert await on_server.store().claim(T1, "v", 15) is None


@pytest.mark.parametrize("committed", [True, False])
async def test_a_turn_that_another_has_or_had_is_not_put_back(on_server: Any, ask: Ask, committed: bool) -> None:
    """Whoever lost its turn to another worker has lost it, also when the server forgot that it ever had it."""
    store, other = on_server.store(), on_server.store()
    await store.submit(ask())
    slept = await store.claim(T1, "w", 15)
    on_server.advance(16)
    taken = await other.claim(T1, "v", 15)
    if committed:
        await other.commit(taken, answered(taken))
    forget(on_server, "*fence:*")
    with pytest.raises(LeaseLost):
        await store.renew(slept, 15)
    with pytest.raises(LeaseLost):
        await store.commit(slept, answered(slept))


async def test_who_slept_for_a_day_has_lost_its_turn(on_server: Any, ask: Ask) -> None:
    """After so long that nothing tells any more who answered, a turn is nobody's."""
    store = on_server.store()
    await store.submit(ask())
    claim = await store.claim(T1, "w", 15)
    on_server.empty()
    with pytest.raises(LeaseLost):
        await store.renew(replace(claim, lease_until=claim.lease_until - rules.SEEN_TTL), 15)
