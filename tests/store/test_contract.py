"""What every store must do: the mailbox from submit to commit, with crashes, zombies and repetitions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.conversation import Attachment, Message, MessageRef, Place, StopReason, Turn, Usage
from bot.errors import LeaseLost
from bot.ports import Claim, Part, StoredAnswer
from bot.store import rules

Ask = Callable[..., Message]

T1 = ["slack:T1"]


def turn(claim: Claim, answer: str = "because") -> Turn:
    return Turn(
        id=claim.turn_id, questions=claim.messages, answer=answer, stop=StopReason.END_TURN, usage=Usage(1, 2, 3)
    )


def texts(claim: Claim) -> list[str]:
    return [message.text for message in claim.messages]


async def refuses_all_writes(store: Any, claim: Claim) -> None:
    writes = [
        store.renew(claim, 15),
        store.record(claim, attempts=9, part=Part(9, 0, MessageRef("C1", "zombie"))),
        store.finish(claim, StoredAnswer(answer="zombie", stop=StopReason.END_TURN, attempt=9)),
        store.release(claim),
        store.reset(claim),
        store.commit(claim, turn(claim, "zombie")),
    ]
    for write in writes:
        with pytest.raises(LeaseLost):
            await write


async def test_a_message_comes_back_exactly_as_it_was_handed_in(store: Any, ask: Ask) -> None:
    """Null bytes, lone surrogates, right-to-left text and every field survive the way through the store."""
    message = replace(
        ask("\x00 \ud800 \udc00\ud83d\ude00 😀 שלום \u202e {}\"'\\", at=1700000000.123456),
        attachments=(Attachment("a\x00.txt", "text/plain", 12),),
        place=Place("C1", None, "", direct=True, root="7"),
        addressed=False,
        mid_thread=True,
    )
    assert await store.submit(message)
    claim = await store.claim(T1, "w", 15)
    assert claim.messages == (message,)
    assert claim.key == message.key
    assert claim.place == message.place
    assert (claim.claims, claim.attempts, claim.history, claim.stopped) == (1, 0, (), False)
    assert len(claim.turn_id) <= 14
    assert claim.turn_id.isalnum()


async def test_a_message_is_accepted_once(store: Any, ask: Ask) -> None:
    """A redelivery is told apart while the message waits, while it is answered, and after."""
    assert await store.submit(ask())
    assert not await store.submit(ask())
    claim = await store.claim(T1, "w", 15)
    assert not await store.submit(ask())
    await store.commit(claim, turn(claim))
    assert not await store.submit(ask())
    assert await store.claim(T1, "w", 15) is None
    assert await store.submit(ask(installation="slack:T2")), "ids are unique within an installation only"


async def test_two_deliveries_at_once_are_answered_once(backing: Any, ask: Ask) -> None:
    """Of several processes that are handed the same message at the same moment one accepts it."""
    stores = [backing.store() for _ in range(4)]
    assert sum(await asyncio.gather(*(store.submit(ask()) for store in stores))) == 1


async def test_messages_are_asked_in_the_platforms_order(store: Any, ask: Ask) -> None:
    """Arrival does not count, the platform's time does, and the id where times are equal."""
    for at, id_ in ((3, "c"), (1, "z"), (2, "b"), (1, "a")):
        await store.submit(ask(id_, at=at, id=id_))
    assert texts(await store.claim(T1, "w", 15)) == ["a", "z", "b", "c"]


async def test_times_are_told_apart_to_the_microsecond(store: Any, ask: Ask) -> None:
    """Slack's time stamps keep their order."""
    for n in (3, 1, 2):
        await store.submit(ask(str(n), at=1700000000.000100 + n * 1e-6))
    assert texts(await store.claim(T1, "w", 15)) == ["1", "2", "3"]


async def test_one_turn_of_a_thread_at_a_time(backing: Any, ask: Ask) -> None:
    """What comes while a turn runs waits for it, for every worker."""
    one, other = backing.store(), backing.store()
    await one.submit(ask("1"))
    claim = await one.claim(T1, "w", 15)
    await one.submit(ask("2"))
    assert await other.claim(T1, "w", 15) is None
    await one.commit(claim, turn(claim))
    second = await other.claim(T1, "w", 15)
    assert texts(second) == ["2"]
    assert second.turn_id != claim.turn_id
    assert second.history == (turn(claim),)


async def test_a_retry_asks_what_the_first_claim_asked(backing: Any, ask: Ask) -> None:
    """The messages of a turn are frozen, even when an earlier one arrives late."""
    store = backing.store()
    await store.submit(ask("2", at=2))
    await store.submit(ask("3", at=3))
    first = await store.claim(T1, "w", 15)
    await store.submit(ask("1", at=1))
    backing.advance(16)
    again = await store.claim(T1, "w", 15)
    assert texts(again) == texts(first) == ["2", "3"]
    await store.commit(again, turn(again))
    assert texts(await store.claim(T1, "w", 15)) == ["1"]


async def test_a_message_alone_is_a_turn_of_its_own(store: Any, ask: Ask) -> None:
    """A command is neither joined to what waits before it nor to what waits behind."""
    for n, alone in enumerate((False, False, True, True, False)):
        await store.submit(ask(str(n), at=n), alone=alone)
    seen = []
    while claim := await store.claim(T1, "w", 15):
        seen.append(texts(claim))
        await store.commit(claim, None)
    assert seen == [["0", "1"], ["2"], ["3"], ["4"]]


async def test_a_turn_asks_a_bounded_number_of_messages(store: Any, ask: Ask) -> None:
    """A flood in one thread is answered in several turns."""
    for n in range(rules.MAX_RUN + 5):
        await store.submit(ask(f"{n:03}", at=n))
    claim = await store.claim(T1, "w", 15)
    assert len(claim.messages) == rules.MAX_RUN
    await store.commit(claim, None)
    assert len((await store.claim(T1, "w", 15)).messages) == 5


async def test_an_ended_lease_is_taken_over_with_all_that_was_noted(backing: Any, ask: Ask) -> None:
    """The successor knows what the dead worker posted, how often it tried, and that this is the second claim."""
    store, other = backing.store(), backing.store()
    await store.submit(ask())
    dead = await store.claim(T1, "dead", 15)
    place = Place("C1", "77")
    parts = tuple(Part(1, n, MessageRef("C1", f"{n}.5")) for n in range(12))
    for part in parts:
        await store.record(dead, part=part)
    await store.record(dead, place=place, attempts=1, partial="half \ud800", shown=1, settled=1, part=parts[0])
    await store.record(dead, settled=3)
    outcome = StoredAnswer(
        answer="\x00whole\ud800", stop=StopReason.MAX_TOKENS, attempt=2, usage=Usage(1, 2), detail="cut"
    )
    await store.finish(dead, outcome)
    await store.finish(dead, outcome)
    backing.advance(10)
    assert await other.claim(T1, "heir", 15) is None
    backing.advance(6)
    heir = await other.claim(T1, "heir", 15)
    assert (heir.turn_id, heir.key, heir.messages) == (dead.turn_id, dead.key, dead.messages)
    assert heir.token != dead.token
    assert (heir.claims, heir.attempts, heir.shown, heir.settled) == (2, 1, 1, {1, 3})
    assert (heir.place, heir.parts, heir.outcome) == (place, parts, outcome)
    assert heir.first_claimed_at == dead.first_claimed_at


async def test_a_turn_knows_the_newest_message_of_those_before_it(backing: Any, ask: Ask) -> None:
    """What came after it, of ours in the thread, is of this turn; also for later claims, and after a silent turn."""
    store, other = backing.store(), backing.store()
    await store.submit(ask("1"))
    first = await store.claim(T1, "w", 15)
    assert first.after is None
    for number in (5, 6, 5):
        await store.record(first, part=Part(1, 0, MessageRef("C1", f"{number}.5")))
    await store.submit(ask("2"))
    await store.commit(first, turn(first))
    silent = await store.claim(T1, "w", 15)
    assert silent.after == "6.5"
    await store.commit(silent, None)
    await store.submit(ask("3"))
    await store.record(dead := await store.claim(T1, "dead", 15), part=Part(1, 0, MessageRef("C1", "9.5")))
    backing.advance(16)
    heir = await other.claim(T1, "heir", 15)
    assert (dead.after, heir.after, heir.turn_id) == ("6.5", "6.5", dead.turn_id)
    known = [await other.key_of("slack:T1", name) for name in ("9.5", "C1:9.5", "C1:6.5", "C2:9.5")]
    assert known == [heir.key, heir.key, heir.key, None]


async def test_a_renewed_lease_lasts(backing: Any, ask: Ask) -> None:
    """A lease counts from its last renewal, and tells the local deadline."""
    store, other = backing.store(), backing.store()
    await store.submit(ask())
    claim = await store.claim(T1, "w", 15)
    backing.advance(10)
    lease = await store.renew(claim, 15)
    assert not lease.stopped
    assert 0 <= lease.until - claim.lease_until < 5
    backing.advance(10)
    assert await other.claim(T1, "w", 15) is None
    backing.advance(6)
    assert await other.claim(T1, "w", 15) is not None


async def test_a_zombie_changes_nothing(backing: Any, ask: Ask) -> None:
    """Every write of a worker whose turn was taken over is refused, and the successor's turn is as it was."""
    store, other = backing.store(), backing.store()
    await store.submit(ask())
    zombie = await store.claim(T1, "zombie", 15)
    backing.advance(16)
    heir = await other.claim(T1, "heir", 15)
    await refuses_all_writes(store, zombie)
    assert not (await other.renew(heir, 15)).stopped
    backing.advance(16)
    third = await other.claim(T1, "heir", 15)
    assert (third.claims, third.attempts, third.parts, third.outcome) == (3, 0, (), None)
    await other.commit(third, turn(third))
    await refuses_all_writes(store, zombie)
    await refuses_all_writes(store, heir)


async def test_a_late_worker_forgets_nothing(backing: Any, ask: Ask) -> None:
    """What was said since another worker ended its `reset` stays, in the installation that the turn is of."""
    store, other = backing.store(), backing.store()
    await store.submit(ask("reset"), alone=True)
    late = await store.claim(T1, "late", 15)
    backing.advance(16)
    heir = await other.claim(T1, "heir", 15)
    await other.reset(heir)
    await other.commit(heir, None)
    await other.submit(ask("1"))
    claim = await other.claim(T1, "heir", 15)
    await other.commit(claim, turn(claim))
    with pytest.raises(LeaseLost):
        await store.reset(late)
    assert await other.load(claim.key) == (turn(claim),)


async def test_a_late_worker_that_nobody_replaced_goes_on(backing: Any, ask: Ask) -> None:
    """An ended lease is no loss as long as the turn was not taken over."""
    store = backing.store()
    await store.submit(ask())
    claim = await store.claim(T1, "w", 15)
    backing.advance(60)
    await store.record(claim, attempts=1)
    await store.renew(claim, 15)
    assert await backing.store().claim(T1, "w", 15) is None
    await store.commit(claim, turn(claim))


async def test_a_commit_may_be_repeated(backing: Any, ask: Ask) -> None:
    """A commit whose answer was lost is sent again: success, once in the history, even when the next turn runs."""
    store = backing.store()
    await store.submit(ask("1"))
    claim = await store.claim(T1, "w", 15)
    await store.submit(ask("2"))
    for _ in range(2):
        await store.commit(claim, turn(claim))
    following = await store.claim(T1, "w", 15)
    await store.commit(claim, turn(claim))
    await store.commit(following, turn(following))
    await store.commit(claim, turn(claim))
    await store.submit(ask("3"))
    assert [it.id for it in (await store.claim(T1, "w", 15)).history] == [claim.turn_id, following.turn_id]


async def test_a_turn_may_end_without_history(store: Any, ask: Ask) -> None:
    """A command is answered and leaves no trace in the conversation."""
    await store.submit(ask("1"))
    await store.commit(await store.claim(T1, "w", 15), None)
    await store.submit(ask("2"))
    assert (await store.claim(T1, "w", 15)).history == ()


async def test_a_retry_replaces_the_last_turn_only(store: Any, ask: Ask) -> None:
    """`replaces` takes the history's last turn away when it is that one, and nothing else."""
    ids = []
    for n, replaced in enumerate((None, None, 1, 0)):
        await store.submit(ask(str(n)))
        claim = await store.claim(T1, "w", 15)
        await store.commit(claim, turn(claim), replaces=None if replaced is None else ids[replaced])
        ids.append(claim.turn_id)
    await store.submit(ask("last"))
    assert [it.id for it in (await store.claim(T1, "w", 15)).history] == [ids[0], ids[2], ids[3]]


async def test_history_is_whole_and_in_order(store: Any, ask: Ask) -> None:
    """A turn comes back as it was committed, background and usage included."""
    turns = []
    for n in range(3):
        await store.submit(ask(str(n)))
        claim = await store.claim(T1, "w", 15)
        assert list(claim.history) == turns
        turns.append(replace(turn(claim, f"{n} \ud800\x00"), background=(ask("before"),), model="m", finished_at=n))
        await store.commit(claim, turns[-1])


async def test_a_released_turn_counts_as_no_crash(backing: Any, ask: Ask) -> None:
    """A drain gives a turn back to be claimed at once, with its claims as before and its token dead."""
    store, other = backing.store(), backing.store()
    await store.submit(ask())
    claim = await store.claim(T1, "w", 15)
    await store.record(claim, attempts=2)
    for _ in range(2):
        await store.release(claim)
    again = await other.claim(T1, "w", 15)
    assert (again.turn_id, again.claims, again.takes, again.attempts) == (claim.turn_id, 1, 2, 2)
    await store.release(claim)
    with pytest.raises(LeaseLost):
        await store.commit(claim, None)
    with pytest.raises(LeaseLost):
        await store.renew(claim, 15)
    await other.renew(again, 15)


async def test_a_released_turn_waits_out_its_delay(backing: Any, ask: Ask) -> None:
    """Nobody claims it before, and new messages do not change that."""
    store = backing.store()
    await store.submit(ask("1"))
    await store.release(await store.claim(T1, "w", 15), delay=50)
    await store.submit(ask("2"))
    backing.advance(45)
    assert await store.claim(T1, "w", 15) is None
    backing.advance(6)
    assert texts(await store.claim(T1, "w", 15)) == ["1"]


async def test_nothing_is_stranded_between_commit_and_submit(backing: Any, ask: Ask) -> None:
    """A message that arrives in the moment of the commit before it is answered."""
    store, other = backing.store(), backing.store()
    await store.submit(ask("0"))
    for n in range(1, 30):
        claim = await store.claim(T1, "w", 15)
        assert texts(claim) == [str(n - 1)]
        await asyncio.gather(store.commit(claim, None), other.submit(ask(str(n))))


async def test_only_the_installations_named_are_claimed(store: Any, ask: Ask) -> None:
    """A worker without credentials for an installation leaves its turns alone."""
    await store.submit(ask(installation="slack:T2"))
    assert await store.claim(T1, "w", 15) is None
    assert await store.claim([], "w", 15) is None
    claim = await store.claim(["slack:T1", "slack:T2"], "w", 15)
    assert claim.installation == "slack:T2"


async def test_every_ready_thread_is_found(backing: Any, ask: Ask) -> None:
    """A worker of another process claims it, once."""
    store, other = backing.store(), backing.store()
    for n in range(40):
        await store.submit(ask(thread=f"C1:{n}", id=str(n)))
    claims = await asyncio.gather(*(other.claim(T1, "w", 15) for _ in range(40)))
    assert len({claim.key for claim in claims}) == 40
    assert await store.claim(T1, "w", 15) is None


async def test_workers_do_not_claim_the_same_turn(backing: Any, ask: Ask) -> None:
    """Of many claims at once one gets the thread."""
    stores = [backing.store() for _ in range(4)]
    await stores[0].submit(ask())
    claims = await asyncio.gather(*(store.claim(T1, "w", 15) for store in stores for _ in range(3)))
    assert sum(claim is not None for claim in claims) == 1


async def test_a_claim_finds_what_others_of_its_process_leave(backing: Any, ask: Ask) -> None:
    """As many claims as submits are never in vain, however many run at once in one process."""
    store = backing.store()

    async def submit_and_claim(number: int) -> None:
        await store.submit(ask(str(number), thread=f"C1:{number}"))
        claim = await store.claim(T1, "w", 15)
        assert claim is not None
        await store.commit(claim, None)

    await asyncio.gather(*(submit_and_claim(number) for number in range(60)))


async def test_what_is_beyond_all_measure_is_cut(store: Any, ask: Ask) -> None:
    """A text far above what any platform sends and any request carries does not fill the store."""
    await store.submit(ask("q" * (rules.MAX_TEXT + 1), id="1"))
    await store.submit(ask("2", at=1800000000.0))
    await store.amend(ask().key, "slack:T1", message_id="C1:2", text="e" * (rules.MAX_TEXT + 1))
    claim = await store.claim(T1, "w", 15)
    assert [len(message.text) for message in claim.messages] == [rules.MAX_TEXT, rules.MAX_TEXT]


async def test_an_answer_of_any_length_is_kept(store: Any, ask: Ask) -> None:
    """The outbox holds what the last edit is checked against, to the last character."""
    await store.submit(ask("q" * 200_000))
    claim = await store.claim(T1, "w", 15)
    assert claim.messages[0].text == "q" * 200_000
    await store.finish(claim, StoredAnswer(answer="é" * 400_000, stop=StopReason.END_TURN, attempt=1))
    await store.release(claim)
    claim = await store.claim(T1, "w", 15)
    assert claim.outcome.answer == "é" * 400_000
