"""What a turn records for its successor, and what the successor makes of it: on fakes and in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.conversation import Place, StopReason
from bot.errors import BadCredentials, Interrupted, LeaseLost, StoreUnavailable
from bot.ports import Content, Part, StoredAnswer
from bot.testing.store import MemoryStore
from bot.turn import phrases
from bot.turn.lease import Order
from bot.turn.turn import POISONED
from tests.turn.fakes import FakePlatform, message
from tests.turn.house import KEY, House, dies, expire, outboxed

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


class SlowStore(MemoryStore):
    """A store whose calls take a while, or fail, one name each."""

    def __init__(self) -> None:
        super().__init__(history_ttl=1e6, clock=asyncio.get_running_loop().time)
        self.slow: dict[str, float] = {}
        self.failing: dict[str, int] = {}

    async def record(self, *args, **more):
        await self._wait("record")
        await super().record(*args, **more)

    async def finish(self, *args, **more):
        await self._wait("finish")
        await super().finish(*args, **more)

    async def commit(self, *args, **more):
        await self._wait("commit")
        await super().commit(*args, **more)

    async def _wait(self, name: str) -> None:
        await asyncio.sleep(self.slow.get(name, 0.0))
        if self.failing.get(name, 0) > 0:
            self.failing[name] -= 1
            raise StoreUnavailable("away")


def slow_house(*scripts, **policy) -> tuple[House, SlowStore]:
    house = House(*scripts, **policy)
    house.store = SlowStore()
    house.services = replace(house.services, store=house.store)
    return house, house.store


# --- what is recorded -------------------------------------------------------------------------------------------


async def test_a_claim_knows_what_was_recorded_of_it():
    """What the store was told of a turn, its worker can tell again to a store that forgets."""
    house = House(["the whole answer"])
    hold = await house.claim()
    await house.run(hold)
    assert ([part.ref.id for part in hold.claim.parts], hold.claim.shown) == (["1"], 1)


async def test_a_turn_ends_after_its_last_note_was_written():
    """While the store is slow to learn of messages the turn is not ended: replies to them would find nobody."""
    house, store = slow_house(["the whole answer"])
    store.slow["record"] = 5.0
    await house.ask()
    assert house.platform.shown == ["the whole answer"]
    assert await store.key_of("fake:T", "C1:1") == KEY
    assert [turn.answer for turn in await house.turns()] == ["the whole answer"]


async def test_readers_wait_two_seconds_for_the_outbox():
    """A store that hangs delays the end of an answer by two seconds at most."""
    house, store = slow_house(["half an", StopReason.MAX_TOKENS])
    store.slow["finish"] = 3600.0
    running = asyncio.create_task(house.run(await house.claim()))
    await asyncio.sleep(3.0)
    assert house.platform.shown == [f"half an\n\n{phrases.sentence_below(StopReason.MAX_TOKENS)}"]
    await running
    assert [turn.answer for turn in await house.turns()] == ["half an"]


async def test_a_turn_is_ended_when_the_store_is_back():
    """An answer that was shown while the store was away is stored as soon as it answers."""
    house, store = slow_house(["the whole answer"])
    store.failing["commit"] = 20
    await house.ask()
    assert [turn.answer for turn in await house.turns()] == ["the whole answer"]


async def test_no_shutdown_waits_for_the_store():
    """A process that is told to go while the store is away goes; its answer is delivered again by another."""
    house, store = slow_house(["the whole answer"])
    store.failing["commit"] = 10_000
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(20.0)
    hold.give(Order.DRAIN)
    async with asyncio.timeout(10.0):
        await running
    store.failing.clear()
    await expire()
    await house.run(await house.claim(None))
    assert house.platform.shown == ["the whole answer"]
    assert len(house.model.requests) == 1


async def test_streams_that_broke_are_counted_over_all_claims():
    """MAX_ATTEMPTS is of the turn and not of the worker: two streams broke here, and the third one does elsewhere."""
    house = House(*[["part", 2.0, Interrupted("reset")]] * 2, [100.0], ["part", 2.0, Interrupted("reset")])
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(30.0)
    hold.give(Order.DRAIN)
    await running
    await house.run(await house.claim(None))
    assert house.platform.shown[-1] == f"part\n\n{phrases.INTERRUPTED_FOR_GOOD}"
    assert len(house.model.requests) == 4


async def test_a_successor_goes_on_in_the_thread_that_was_opened():
    """Where the dead worker opened a thread, nobody opens another one."""

    class Opening(FakePlatform):
        async def open(self, place, title):
            await super().open(place, title)
            return replace(place, thread=place.root, root=None)

    house = House([100.0], ["the whole answer"])
    house.platform = Opening()
    await house.store.submit(replace(message(), place=Place("C1", root="1")))
    await dies(house, await house.claim(None), 20.0)
    again = await house.claim(None)
    assert again.claim.place == Place("C1", thread="1")
    await house.run(again)
    assert house.platform.calls.count("open") == 1


async def test_a_turn_rests_while_its_platform_refuses_us():
    """What cannot be written now is tried again half a minute later, and not in a loop."""
    house = House(["the answer"])
    house.platform.fail("post", BadCredentials("revoked"))
    await house.ask()
    await asyncio.sleep(29.0)
    assert await house.store.claim(["fake:T"], "w", 15.0) is None
    await asyncio.sleep(2.0)
    assert await house.store.claim(["fake:T"], "w", 15.0) is not None


# --- what a successor makes of it -------------------------------------------------------------------------------


async def test_what_is_delivered_goes_under_names_of_its_own():
    """The rest of a stored answer is posted under a name that the worker which finished it cannot use as well."""
    house = House()
    hold = await house.claim()
    first = await house.platform.post(hold.claim.place, Content("…"), f"{hold.claim.turn_id}.1.0")
    await house.store.record(hold.claim, part=Part(1, 0, first.ref))
    words = " ".join(f"w{n}" for n in range(60))
    await house.store.finish(hold.claim, StoredAnswer(answer=words, stop=StopReason.END_TURN, attempt=1))
    await expire()
    await house.run(await house.claim(None))
    [_, second] = house.platform.messages.values()
    assert not second.nonce.startswith(f"{hold.claim.turn_id}.1.")
    assert " ".join(house.platform.shown).split() == words.split()


async def test_what_the_dead_had_replaced_goes():
    """When the dead worker had sent the end as a new message and left the stub behind it, the stub goes."""
    house = House()
    hold = await house.claim()
    await house.store.finish(hold.claim, StoredAnswer(answer="the whole answer", stop=StopReason.END_TURN, attempt=1))
    for number, text in enumerate(["the wh", "the whole answer"]):
        receipt = await house.platform.post(hold.claim.place, Content(text), f"{hold.claim.turn_id}.1.{number}")
        await house.store.record(hold.claim, part=Part(1, 0, receipt.ref), shown=1)
    await expire()
    await house.run(await house.claim(None))
    assert house.platform.shown == ["the whole answer"]


async def test_a_finished_answer_is_shown_also_where_its_message_is_gone():
    """When nothing is left of the message that a stored answer was to stand in, the answer stands in a new one."""
    house = House()
    ref = await outboxed(house)
    house.platform.messages[ref.id].deleted = True
    await expire()
    await house.run(await house.claim(None))
    assert house.platform.shown == ["the whole answer"]


@pytest.mark.parametrize("finished", [True, False])
async def test_readers_get_a_text_that_is_there_before_the_dead_are_cleared_away(finished: bool):
    """A stored answer, or the apology, is shown first; what older attempts left is ended after it."""
    written: list[str] = []

    class Noting(FakePlatform):
        async def post(self, place, content, nonce):
            written.append(content.text)
            return await super().post(place, content, nonce)

        async def edit(self, place, ref, content):
            written.append(content.text)
            return await super().edit(place, ref, content)

    house = House()
    house.platform = Noting()
    hold = await house.claim()
    for attempt in (1, 2):
        receipt = await house.platform.post(hold.claim.place, Content("half an"), f"{hold.claim.turn_id}.{attempt}.0")
        await house.store.record(hold.claim, part=Part(attempt, 0, receipt.ref), shown=attempt)
    if finished:
        await house.store.finish(
            hold.claim, StoredAnswer(answer="the whole answer", stop=StopReason.END_TURN, attempt=2)
        )
    await expire()
    for _ in range(POISONED - 1):
        await house.claim(None)
        await expire()
    written.clear()
    await house.run(await house.claim(None))
    note = phrases.INTERRUPTED_AGAIN
    assert house.platform.shown == ([note, "the whole answer"] if finished else [note, note, phrases.APOLOGY])
    assert written[0] == house.platform.shown[-1]


async def test_a_late_edit_during_the_last_claim_does_not_stay():
    """What a sleeper writes over the note while its successor answers is noted again before the turn ends."""
    house = House(["half an", 100.0], [5.0, "the whole ", 20.0, "answer"])
    await dies(house, await house.claim(), 20.0)
    running = asyncio.create_task(house.run(await house.claim(None)))
    await asyncio.sleep(10.0)
    assert house.platform.shown[0] == phrases.INTERRUPTED_AGAIN
    house.platform.messages["1"].versions.append("half an answer")
    await running
    assert house.platform.shown == [phrases.INTERRUPTED_AGAIN, "the whole answer"]


async def test_an_attempt_that_ended_settles_no_older_one():
    """When a successor's own stream breaks and it dies, the next one still ends what the first may have written."""
    house = House(["half an", 100.0], ["another half", 3.0, Interrupted("reset")], [100.0], ["the whole answer"])
    await dies(house, await house.claim(), 20.0)
    await dies(house, await house.claim(None), 20.0)
    house.platform.messages["1"].versions.append("half an answer")
    await house.run(await house.claim(None))
    noted = [text for text in house.platform.shown if text.endswith(phrases.INTERRUPTED_AGAIN)]
    assert len(noted) == len(house.platform.shown) - 1
    assert house.platform.shown[-1] == "the whole answer"


async def test_what_was_taken_back_meanwhile_is_not_asked():
    """When the person took the question back after its worker died, its messages end with a word and nobody asks."""
    house = House(["half an", 100.0])
    await dies(house, await house.claim(), 20.0)
    assert await house.store.amend(KEY, "fake:T", message_id="1")
    await house.run(await house.claim(None))
    assert house.platform.shown == [phrases.INTERRUPTED_AGAIN, phrases.sentence_below(StopReason.STOPPED)]
    assert len(house.model.requests) == 1


@pytest.mark.parametrize("edited", ["1", "2"])
async def test_no_edit_turns_one_of_several_questions_into_a_word_to_the_bot(edited: str):
    """Whichever of the waiting questions becomes a command, they are asked together."""
    house = House(["the answer"])
    for number in "12":
        await house.store.submit(message("Well?", number, at=float(number)))
    await house.store.amend(KEY, "fake:T", message_id=edited, text="help")
    await house.run(await house.claim(None))
    assert house.platform.shown == ["the answer"]


async def test_a_sleeper_whose_notes_are_slow_takes_its_late_post_away():
    """What a worker posted after it had lost its turn goes, also when it knows of the loss before the store says so."""
    house, store = slow_house([5000.0], ["the whole answer"])
    hold = await house.claim()
    dreaming = asyncio.create_task(house.run(hold))
    house.platform.latency = 2000.0
    await asyncio.sleep(1001)
    house.platform.latency = 0.05
    await house.run(await house.claim(None))
    store.slow["record"] = 1.0
    while "…" not in house.platform.shown:  # noqa: ASYNC110 - a person looks now and then
        await asyncio.sleep(0.1)
    hold.give(Order.LOST)
    await dreaming
    assert house.platform.shown == ["the whole answer"]


async def test_the_partial_of_a_message_that_its_reader_deleted_is_kept():
    """A reader who deletes the growing message has seen what it said: that much stays in the history."""
    house = House(["some text", 5.0, *["more"] * 5, 100.0])
    running = asyncio.create_task(house.run(await house.claim()))
    await asyncio.sleep(3.0)
    house.platform.messages["1"].deleted = True
    await running
    [turn] = await house.turns()
    assert (turn.answer.startswith("some text"), turn.stop) == (True, StopReason.STOPPED)


@pytest.mark.parametrize("outbox", ["written", "away"])
async def test_who_loses_its_turn_by_committing_it_leaves_its_answer_alone(outbox: str):
    """A commit that was carried out and not heard of looks like a lost turn: what readers see is the very answer."""

    class Unheard(SlowStore):
        commits = 0

        async def commit(self, *args, **more):
            await super().commit(*args, **more)
            self.commits += 1
            if self.commits == 1:
                await asyncio.sleep(5.0)
                raise StoreUnavailable("the answer was lost")

    house = House(["the whole ", 2.0, "answer"])
    house.store = store = Unheard()
    house.services = replace(house.services, store=store)
    store.failing["finish"] = 1 if outbox == "away" else 0
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(5.0)
    with pytest.raises(LeaseLost):
        await hold.confirm()
    await running
    assert [turn.answer for turn in await house.turns()] == ["the whole answer"]
    assert house.platform.shown == ["the whole answer"]
