"""What people change their minds about: edits, deletions and stop, at every stage of a message's life."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.conversation import Message, MessageRef, StopReason
from bot.ports import Claim, Part, StoredAnswer
from bot.store import rules

Ask = Callable[..., Message]

T1 = ["slack:T1"]


async def waiting(store: Any, *messages: Message) -> None:
    for message in messages:
        await store.submit(message)


def texts(claim: Claim) -> list[str]:
    return [message.text for message in claim.messages]


async def test_an_edit_while_waiting_is_asked(store: Any, ask: Ask) -> None:
    """The edited text is asked, exactly, an empty one too; order, author and being alone stay."""
    one, two = ask("1", at=1), ask("2", at=2)
    await store.submit(one, alone=True)
    await store.submit(two)
    assert await store.amend(one.key, one.installation, message_id=one.id, text="first")
    assert await store.amend(one.key, one.installation, message_id=one.id, text="new \x00\ud800")
    assert await store.amend(two.key, two.installation, message_id=two.id, text="")
    claim = await store.claim(T1, "w", 15)
    assert texts(claim) == ["new \x00\ud800"]
    assert claim.messages[0].author == one.author
    await store.commit(claim, None)
    assert texts(await store.claim(T1, "w", 15)) == [""]


async def test_an_edit_of_a_running_question_is_told_and_asked_next(backing: Any, ask: Ask) -> None:
    """The worker hears of it when it renews, and the turn's next claim has the new text."""
    store, other = backing.store(), backing.store()
    await waiting(store, ask("1", at=1), ask("2", at=2))
    claim = await store.claim(T1, "w", 15)
    assert not (await store.renew(claim, 15)).edited
    assert await other.amend(claim.key, claim.installation, message_id="C1:1", text="new")
    lease = await store.renew(claim, 15)
    assert (lease.edited, lease.stopped) == (True, False)
    await store.release(claim)
    again = await other.claim(T1, "w", 15)
    assert texts(again) == ["new", "2"]
    assert not (await other.renew(again, 15)).edited


async def test_an_edit_told_twice_restarts_once(store: Any, ask: Ask) -> None:
    """What is delivered, or sent by the client, again changes nothing, neither for the turn nor for its next claim."""
    await waiting(store, ask("1"))
    claim = await store.claim(T1, "w", 15)
    assert await store.amend(claim.key, claim.installation, message_id="C1:1", text="new")
    await store.release(claim)
    again = await store.claim(T1, "w", 15)
    assert not await store.amend(claim.key, claim.installation, message_id="C1:1", text="new")
    assert not (await store.renew(again, 15)).edited
    assert await store.amend(claim.key, claim.installation, message_id="C1:1", text="1")
    assert (await store.renew(again, 15)).edited
    assert not await store.amend(claim.key, claim.installation, message_id="C1:2", text="early")
    await waiting(store, ask("2", at=1800000000.0))
    assert not await store.amend(claim.key, claim.installation, message_id="C1:2", text="early")


@pytest.mark.parametrize("stage", ["early", "waiting", "running"])
async def test_an_older_edit_that_comes_late_is_older(store: Any, ask: Ask, stage: str) -> None:
    """The newest by the platform's clock is asked, in whatever order they come; one without a time is the newest."""
    if stage != "early":
        await waiting(store, ask("1"))
    claim = await store.claim(T1, "w", 15) if stage == "running" else None
    told = {}
    for text, at in (("c", 3.000002), ("b", 3.000001), ("a", None), ("b", 2.0), ("d", 3.5), ("d", 4.0), ("e", 3.7)):
        told[text, at] = await store.amend(ask().key, "slack:T1", message_id="C1:1", text=text, at=at)
    if stage == "early":
        assert not any(told.values())
        await waiting(store, ask("1"))
        assert not await store.amend(ask().key, "slack:T1", message_id="C1:1", text="b", at=3.000001)
    else:
        assert {name for name, new in told.items() if new} == {("c", 3.000002), ("a", None), ("d", 3.5)}
    if claim:
        await store.release(claim)
    assert texts(await store.claim(T1, "w", 15)) == ["d"]


async def test_an_edit_delivered_after_the_deletion_brings_nothing_back(store: Any, ask: Ask) -> None:
    """Whoever took a message back can edit it no more: the edit is older, also where the message comes last."""
    assert not await store.amend(ask().key, "slack:T1", message_id="C1:1")
    assert not await store.amend(ask().key, "slack:T1", message_id="C1:1", text="new", at=9.0)
    await waiting(store, ask("1"))
    assert await store.claim(T1, "w", 15) is None


async def test_no_successor_delivers_an_answer_to_what_was_edited(backing: Any, ask: Ask) -> None:
    """An answer that was finished after its question was edited goes with its worker: the next claim asks anew."""
    store = backing.store()
    await waiting(store, ask("1"))
    claim = await store.claim(T1, "w", 15)
    assert await store.amend(claim.key, claim.installation, message_id="C1:1", text="new")
    await store.finish(claim, StoredAnswer(answer="a", stop=StopReason.END_TURN, attempt=1))
    backing.advance(16)
    again = await store.claim(T1, "w", 15)
    assert (texts(again), again.outcome) == (["new"], None)
    await store.finish(again, StoredAnswer(answer="b", stop=StopReason.END_TURN, attempt=2))
    backing.advance(16)
    assert (await store.claim(T1, "w", 15)).outcome.answer == "b"


async def test_an_edit_comes_too_late(store: Any, ask: Ask) -> None:
    """Neither what is answered already, nor what is unknown, can be edited."""
    await waiting(store, ask("1"))
    claim = await store.claim(T1, "w", 15)
    await store.finish(claim, StoredAnswer(answer="a", stop=StopReason.END_TURN, attempt=1))
    assert not await store.amend(claim.key, claim.installation, message_id="C1:1", text="new")
    assert not (await store.renew(claim, 15)).edited
    await store.commit(claim, None)
    assert not await store.amend(claim.key, claim.installation, message_id="C1:1", text="new")
    assert not await store.amend(claim.key, claim.installation, message_id="C1:9", text="new")
    assert await store.claim(T1, "w", 15) is None


async def test_an_edit_that_overtook_its_question_is_asked(store: Any, ask: Ask) -> None:
    """The last of them is, once; a message of the same thread that nobody edited stays as it is."""
    for text in ("new \x00", "newer"):
        assert not await store.amend(ask().key, "slack:T1", message_id="C1:1", text=text)
    await waiting(store, ask("1", at=1), ask("2", at=2))
    assert not await store.submit(ask("1", at=1))
    assert texts(await store.claim(T1, "w", 15)) == ["newer", "2"]


async def test_a_question_that_was_taken_back_before_it_came_is_not_asked(store: Any, ask: Ask) -> None:
    """It counts as handed in, whatever it said last, and is answered no more when it is delivered again."""
    assert not await store.amend(ask().key, "slack:T1", message_id="C1:1", text="new")
    assert not await store.amend(ask().key, "slack:T1", message_id="C1:1")
    assert await store.submit(ask("1"))
    assert not await store.submit(ask("1"))
    assert await store.claim(T1, "w", 15) is None


async def test_what_came_before_its_message_does_not_wait_for_ever(backing: Any, ask: Ask) -> None:
    """After the last redelivery what a person changed stands in the message itself."""
    store = backing.store()
    await store.amend(ask().key, "slack:T1", message_id="C1:1", text="new")
    await store.amend(ask().key, "slack:T1", message_id="C1:2")
    backing.advance(rules.EARLY_TTL + 1)
    await waiting(store, ask("1", at=1), ask("2", at=2))
    assert texts(await store.claim(T1, "w", 15)) == ["1", "2"]


async def test_a_waiting_message_can_be_taken_back(store: Any, ask: Ask) -> None:
    """It is not asked, the others are; and a redelivery does not bring it back."""
    await waiting(store, ask("1", at=1), ask("2", at=2))
    assert await store.amend(ask().key, "slack:T1", message_id="C1:1")
    assert not await store.amend(ask().key, "slack:T1", message_id="C1:1")
    assert not await store.amend(ask().key, "slack:T1", message_id="C1:1", text="new")
    assert not await store.submit(ask("1", at=1))
    assert texts(await store.claim(T1, "w", 15)) == ["2"]


async def test_a_thread_with_nothing_left_is_passed_over(store: Any, ask: Ask) -> None:
    """The next thread is claimed in its place."""
    await waiting(store, ask("1"), ask("2", thread="C1:2"))
    assert await store.amend(ask().key, "slack:T1", message_id="C1:1")
    assert texts(await store.claim(T1, "w", 15)) == ["2"]
    assert await store.claim(T1, "w", 15) is None
    await store.submit(ask("3"))
    assert texts(await store.claim(T1, "w", 15)) == ["3"]


async def test_deleting_a_running_question_stops_its_turn(backing: Any, ask: Ask) -> None:
    """At once, and a successor knows it."""
    store, other = backing.store(), backing.store()
    await waiting(store, ask("1", at=1))
    claim = await store.claim(T1, "w", 15)
    assert await other.amend(claim.key, claim.installation, message_id="C1:1")
    assert not await other.amend(claim.key, claim.installation, message_id="C1:1")
    assert not await other.amend(claim.key, claim.installation, message_id="C1:1", text="new")
    lease = await store.renew(claim, 15)
    assert (lease.stopped, lease.edited) == (True, False)
    backing.advance(16)
    heir = await other.claim(T1, "w", 15)
    assert heir.stopped
    assert texts(heir) == ["1"]


async def test_deleting_one_of_several_running_questions_leaves_the_others(backing: Any, ask: Ask) -> None:
    """Who asked along is answered: the worker hears of an edit, and the next claim asks what is left."""
    store, other = backing.store(), backing.store()
    await waiting(store, ask("1", at=1), ask("2", at=2))
    claim = await store.claim(T1, "w", 15)
    assert await other.amend(claim.key, claim.installation, message_id="C1:1")
    lease = await store.renew(claim, 15)
    assert (lease.stopped, lease.edited) == (False, True)
    await store.finish(claim, StoredAnswer(answer="to both", stop=StopReason.END_TURN, attempt=1))
    backing.advance(16)
    heir = await other.claim(T1, "w", 15)
    assert (texts(heir), heir.stopped, heir.outcome) == (["2"], False, None)
    await other.finish(heir, StoredAnswer(answer="to one", stop=StopReason.END_TURN, attempt=2))
    assert await store.amend(claim.key, claim.installation, message_id="C1:2")
    lease = await other.renew(heir, 15)
    assert (lease.stopped, lease.edited) == (True, False)


async def test_deleting_one_of_several_that_are_answered_changes_nothing(store: Any, ask: Ask) -> None:
    """The answer is there, and shown to those who asked along."""
    await waiting(store, ask("1", at=1), ask("2", at=2))
    claim = await store.claim(T1, "w", 15)
    await store.finish(claim, StoredAnswer(answer="to both", stop=StopReason.END_TURN, attempt=1))
    assert await store.amend(claim.key, claim.installation, message_id="C1:1")
    lease = await store.renew(claim, 15)
    assert (lease.stopped, lease.edited) == (False, False)


async def test_deleting_what_waits_behind_stops_nothing(store: Any, ask: Ask) -> None:
    """Only the turn that asks a message is its turn."""
    await waiting(store, ask("1"))
    claim = await store.claim(T1, "w", 15)
    await waiting(store, ask("2"), ask("3"))
    assert await store.amend(claim.key, claim.installation, message_id="C1:2")
    assert not (await store.renew(claim, 15)).stopped
    await store.commit(claim, None)
    assert texts(await store.claim(T1, "w", 15)) == ["3"]


async def test_a_released_turn_taken_back_whole_is_not_answered(store: Any, ask: Ask) -> None:
    """Nobody saw anything of it, so that it vanishes; what came behind is answered."""
    await waiting(store, ask("1", at=1), ask("2", at=2))
    claim = await store.claim(T1, "w", 15)
    await store.release(claim, delay=60)
    await waiting(store, ask("3", at=3))
    assert await store.amend(claim.key, claim.installation, message_id="C1:1")
    assert await store.claim(T1, "w", 15) is None
    assert await store.amend(claim.key, claim.installation, message_id="C1:2")
    following = await store.claim(T1, "w", 15)
    assert texts(following) == ["3"]
    assert following.turn_id != claim.turn_id
    await store.commit(following, None)
    assert await store.claim(T1, "w", 15) is None


async def test_a_released_turn_taken_back_in_part_asks_the_rest(store: Any, ask: Ask) -> None:
    """It does not run, so that it is not stopped."""
    await waiting(store, ask("1", at=1), ask("2", at=2))
    claim = await store.claim(T1, "w", 15)
    await store.release(claim)
    assert await store.amend(claim.key, claim.installation, message_id="C1:1")
    again = await store.claim(T1, "w", 15)
    assert (texts(again), again.stopped, again.turn_id) == (["2"], False, claim.turn_id)


async def test_a_turn_taken_back_after_what_it_posted_was_removed_is_not_answered(store: Any, ask: Ask) -> None:
    """A placeholder that went when the turn was given back leaves readers nothing that would have to be ended."""
    await waiting(store, ask("1"))
    claim = await store.claim(T1, "w", 15)
    await store.record(claim, part=Part(1, 0, MessageRef("C1", "1.5")))
    await store.record(claim, settled=1)
    await store.release(claim)
    assert await store.amend(claim.key, claim.installation, message_id="C1:1")
    assert await store.claim(T1, "w", 15) is None


@pytest.mark.parametrize("seen", ["part", "one of two", "text", "crash", "outcome"])
async def test_what_readers_may_have_seen_is_ended_before_them(backing: Any, ask: Ask, seen: str) -> None:
    """A turn taken back whole is still claimed, as stopped, when something of it may be on the screen."""
    store = backing.store()
    await waiting(store, ask("1"))
    claim = await store.claim(T1, "w", 15)
    if seen == "crash":
        backing.advance(16)
    elif seen == "part":
        await store.record(claim, part=Part(1, 0, MessageRef("C1", "1.5")))
        await store.release(claim)
    elif seen == "one of two":
        for attempt in (1, 2):
            await store.record(claim, part=Part(attempt, 0, MessageRef("C1", f"{attempt}.5")))
        await store.record(claim, settled=1)
        await store.release(claim)
    elif seen == "text":
        await store.record(claim, part=Part(1, 0, MessageRef("C1", "1.5")), shown=1)
        await store.record(claim, settled=1)
        await store.release(claim)
    else:
        await store.finish(claim, StoredAnswer(answer="a", stop=StopReason.END_TURN, attempt=1))
        await store.release(claim)
    assert await store.amend(claim.key, claim.installation, message_id="C1:1")
    heir = await store.claim(T1, "w", 15)
    assert (texts(heir), heir.stopped, heir.turn_id) == (["1"], True, claim.turn_id)


async def test_stop_reaches_the_running_turn_only(store: Any, ask: Ask) -> None:
    """What waits behind it is answered; with nothing running there is nothing to stop."""
    await waiting(store, ask("1"))
    assert not await store.amend(ask().key, "slack:T1")
    claim = await store.claim(T1, "w", 15)
    await waiting(store, ask("2"))
    assert await store.amend(claim.key, "slack:T1")
    assert await store.amend(claim.key, "slack:T1")
    assert (await store.renew(claim, 15)).stopped
    await store.commit(claim, None)
    assert not await store.amend(claim.key, "slack:T1")
    following = await store.claim(T1, "w", 15)
    assert (texts(following), following.stopped) == (["2"], False)


async def test_stop_ends_the_waiting_for_another_attempt(store: Any, ask: Ask) -> None:
    """A turn put off for a minute is claimed at once, as stopped, so that the reader is told."""
    await waiting(store, ask("1"))
    claim = await store.claim(T1, "w", 15)
    await store.release(claim, delay=60)
    assert await store.amend(claim.key, "slack:T1")
    assert (await store.claim(T1, "w", 15)).stopped


async def test_threads_and_installations_are_not_confused(store: Any, ask: Ask) -> None:
    """A change names its thread and its installation, and touches no other."""
    await waiting(store, ask("1"), ask("1", installation="slack:T2", id="C1:1"))
    assert not await store.amend(ask(thread="C1:9").key, "slack:T1", message_id="C1:1")
    assert await store.amend(ask().key, "slack:T1", message_id="C1:1")
    assert texts(await store.claim(["slack:T2"], "w", 15)) == ["1"]
