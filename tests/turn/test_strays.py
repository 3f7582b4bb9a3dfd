"""What a dead worker posted and nobody recorded: it goes, and nothing else does. On fakes and in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.conversation import Place
from bot.errors import Interrupted, OutcomeUnknown, RateLimited, StoreUnavailable, Unavailable
from bot.ports import Content
from bot.testing.store import MemoryStore
from bot.turn import phrases
from bot.turn.lease import HeldClaim, Order
from bot.turn.run import TurnRun
from bot.turn.turn import APOLOGIES, POISONED
from tests.turn.fakes import FakePlatform, ScriptedModel, message
from tests.turn.house import House, expire
from tests.turn.test_recovery import slow_house

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


def forget_all(house: House) -> None:
    """Let the store come back empty."""
    house.store = MemoryStore(history_ttl=1e6, clock=asyncio.get_running_loop().time)
    house.services = replace(house.services, store=house.store)


async def test_a_bare_placeholder_of_a_dead_worker_goes():
    """When the worker died before any text, its placeholder goes, also one whose id was never recorded."""
    house = House([100.0], ["the whole answer"])
    hold = await house.claim()
    await house.platform.post(hold.claim.place, Content("…"), f"{hold.claim.turn_id}.1.0")
    await expire()
    await house.run(await house.claim(None))
    assert house.platform.shown == ["the whole answer"]


@pytest.mark.parametrize("keeps_nonces", [True, False])
@pytest.mark.parametrize("asked", ["while the first ran", "after the first"])
async def test_what_nobody_recorded_goes_and_other_turns_keep_theirs(keeps_nonces: bool, asked: str):
    """A dead worker's unrecorded message goes, whatever it shows; the answers of earlier turns stay as they are."""
    house = House(["the first ", 5.0, "answer"], ["the second answer"])
    house.platform = FakePlatform(keeps_nonces=keeps_nonces, first_id=10)
    running = asyncio.create_task(house.ask("One?", "1"))
    await asyncio.sleep(1)
    if asked == "while the first ran":
        await house.store.submit(message("Two?", "2", at=2.0))
    await running
    hold = await house.claim("Two?" if asked == "after the first" else None, "2")
    await house.platform.post(hold.claim.place, Content("half an"), f"{hold.claim.turn_id}.1.0")
    await expire()
    await house.run(await house.claim(None))
    assert house.platform.shown == ["the first answer", "the second answer"]


async def test_an_answer_that_no_store_remembers_is_no_stray():
    """A store that forgot everything costs no finished answer: nothing is removed that has another turn's name."""
    house = House(["the first answer"], ["the second answer"])
    await house.ask("One?", "1")
    forget_all(house)
    await house.claim("Two?", "2")
    await expire()
    await house.run(await house.claim(None))
    assert house.platform.shown == ["the first answer", "the second answer"]


async def test_what_was_recorded_of_another_turn_is_no_stray():
    """Also where no names are kept and nothing tells what came before: what the store knows as ours stays."""
    house = House(["the first ", 5.0, "answer"], ["the second answer"])
    house.platform = FakePlatform(keeps_nonces=False, first_id=10)
    running = asyncio.create_task(house.ask("One?", "1"))
    await asyncio.sleep(1)
    await house.store.submit(message("Two?", "2", at=2.0))
    await running
    await house.claim(None)
    await expire()
    hold = await house.claim(None)
    hold.claim = replace(hold.claim, after=None)
    await house.run(hold)
    assert house.platform.shown == ["the first answer", "the second answer"]


async def test_an_answer_older_than_the_question_is_no_stray():
    """Where no names are kept, what was there before the question is not of its turn, whatever the store forgot."""
    house = House(["the first answer"], ["the second answer"])
    house.platform = FakePlatform(keeps_nonces=False)
    await house.ask("One?", "1")
    forget_all(house)
    await house.claim("Two?", "7")
    await expire()
    await house.run(await house.claim(None))
    assert house.platform.shown == ["the first answer", "the second answer"]


@pytest.mark.parametrize("keeps_nonces", [True, False])
async def test_a_post_that_outlives_its_worker_goes(keeps_nonces: bool):
    """What the dead had sent and the platform shows only while the successor answers is gone in the end."""
    house = House(["the whole ", 20.0, "answer"])
    house.platform = FakePlatform(keeps_nonces=keeps_nonces, first_id=10)
    hold = await house.claim()
    await expire()
    running = asyncio.create_task(house.run(await house.claim(None)))
    await asyncio.sleep(10)
    await house.platform.post(hold.claim.place, Content("…"), f"{hold.claim.turn_id}.1.0")
    await running
    assert house.platform.shown == ["the whole answer"]


async def test_the_note_stands_on_a_message_that_nobody_recorded():
    """A dead worker's message that showed text, as was noted, becomes the note and is no stray any more."""
    house = House(["the whole answer"])
    hold = await house.claim()
    await house.platform.post(hold.claim.place, Content("half an"), f"{hold.claim.turn_id}.1.0")
    await house.store.record(hold.claim, shown=1)
    await expire()
    await house.run(await house.claim(None))
    assert house.platform.shown == [phrases.INTERRUPTED_AGAIN, "the whole answer"]


async def test_no_reader_waits_while_it_is_looked_for_what_the_dead_left():
    """A platform that will not be read for a minute delays no answer; what was left goes when it can be read."""
    house = House([5.0, "the whole answer"])
    hold = await house.claim()
    await house.platform.post(hold.claim.place, Content("…"), f"{hold.claim.turn_id}.1.0")
    await expire()
    house.platform.fail("own", RateLimited("429", retry_after=60.0), times=2)
    running = asyncio.create_task(house.run(await house.claim(None)))
    await asyncio.sleep(10)
    assert house.platform.shown == ["…", "the whole answer"]
    await running
    assert house.platform.shown == ["the whole answer"]


class Way:
    """The way to a store of one worker, which can be cut."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.cut = False

    def __getattr__(self, name: str):
        async def call(*args, **more):
            if self.cut:
                raise StoreUnavailable("cut off")
            return await getattr(self._store, name)(*args, **more)

        return call


async def start_cut_off(house: House, until: float) -> tuple[Way, HeldClaim, asyncio.Task[None]]:
    """A second claim's worker that is soon cut off from the store; its stream ends `until` seconds from now."""
    await house.claim()
    await expire()
    way = Way(house.store)
    claim = await house.store.claim(["fake:T"], "cut off", 1000.0)
    hold = HeldClaim(way, claim, 1000.0)
    services = replace(house.services, store=way, model=ScriptedModel(["late ", until, "answer"]))
    running = asyncio.create_task(TurnRun(services, house.platform, hold).run())
    await asyncio.sleep(5)
    way.cut = True
    return way, hold, running


@pytest.mark.parametrize("keeps_nonces", [True, False])
async def test_a_worker_that_is_cut_off_removes_no_answer_of_its_successors(keeps_nonces: bool):
    """It cannot know who answered meanwhile: neither that answer nor the next turn's is anything it may remove."""
    house = House(["the whole answer"], ["the next answer"])
    house.platform = FakePlatform(keeps_nonces=keeps_nonces, first_id=10)
    way, _, running = await start_cut_off(house, 2000.0)
    await asyncio.sleep(1005)
    await house.run(await house.claim(None))
    await house.ask("Two?", "2")
    await asyncio.sleep(1200)
    way.cut = False
    await running
    assert house.platform.shown[-2:] == ["the whole answer", "the next answer"]


async def test_a_worker_that_is_back_removes_nothing_that_is_not_recorded_yet():
    """Who was cut off asks whose the turn is before it removes what nobody recorded: its successor may be about to."""
    house, store = slow_house(["the ", 100.0, "whole answer"])
    way, _, running = await start_cut_off(house, 1400.0)
    await asyncio.sleep(1393)
    store.slow["record"] = 30.0
    successor = asyncio.create_task(house.run(await house.claim(None)))
    await asyncio.sleep(3)
    assert "the" in house.platform.shown
    way.cut = False
    await asyncio.gather(running, successor)
    assert house.platform.shown[-1] == "the whole answer"


@pytest.mark.parametrize("order", [Order.EDITED, Order.DRAIN])
async def test_a_post_whose_answer_was_lost_goes_when_the_turn_was_given_back(order: Order):
    """A worker that could not find out whether it had posted leaves that to the next one, which did not see it die."""
    house = House([100.0], ["the whole answer"])
    hold = await house.claim()
    house.platform.fail("post", OutcomeUnknown("reset"), lost=True)
    house.platform.fail("find", Unavailable("500"), times=1000)
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(5)
    hold.give(order)
    await running
    assert house.platform.shown == ["…"]
    again = await house.claim(None)
    assert again.claim.claims == 1
    await house.run(again)
    assert house.platform.shown == ["the whole answer"]


async def test_it_is_looked_for_in_the_conversation_of_the_question():
    """Also once a place was opened for the answer: the dead may have written where the question stands."""
    looked: list[Place] = []

    class Looking(FakePlatform):
        async def own_since(self, place, name, since, after):
            looked.append(place)
            return await super().own_since(place, name, since, after)

    house = House(["the whole answer"])
    house.platform = Looking()
    asked = replace(message(), place=Place("C1", root="1"))
    await house.store.submit(asked)
    await house.claim(None)
    await expire()
    await house.run(await house.claim(None))
    assert looked == [asked.place, asked.place]


async def test_a_second_look_that_fails_holds_nothing_up():
    """What was looked for once is worth no wait: the turn ends though the platform will not be read."""
    house = House([5.0, "the whole answer"])
    await house.claim()
    await expire()
    running = asyncio.create_task(house.run(await house.claim(None)))
    await asyncio.sleep(1)
    house.platform.fail("own", RateLimited("429", retry_after=60.0), times=100)
    began = asyncio.get_running_loop().time()
    await running
    assert asyncio.get_running_loop().time() - began < 20


async def test_a_platform_that_is_never_read_ends_the_turn_all_the_same():
    """The next question waits a minute or two at most."""
    house = House(["the whole answer"])
    await house.claim()
    await expire()
    house.platform.fail("own", Unavailable("500"), times=10_000)
    began = asyncio.get_running_loop().time()
    await house.run(await house.claim(None))
    assert asyncio.get_running_loop().time() - began < 120
    assert [turn.answer for turn in await house.turns()] == ["the whole answer"]


async def test_the_last_claim_asks_the_platform_for_nothing():
    """A turn that killed all its workers ends whatever its platform does to them."""
    house = House()
    for crash in range(POISONED + APOLOGIES):
        await house.claim(None if crash else "Why?")
        await expire()
    await house.run(await house.claim(None))
    assert house.platform.calls == []
    assert len(await house.turns()) == 1


async def test_what_was_left_of_a_word_to_the_bot_goes():
    """Also when the platform would not be read at first."""
    house = House()
    hold = await house.claim("help", alone=True)
    await house.platform.post(hold.claim.place, Content("…"), f"{hold.claim.turn_id}.1.0")
    await expire()
    house.platform.fail("own", Unavailable("500"))
    await house.run(await house.claim(None))
    assert house.platform.shown[0].startswith(phrases.HELP[:20])


async def test_an_attempt_that_its_worker_ended_keeps_its_text():
    """What was given back with its text and the note stays so, though an earlier worker's message is noted again."""
    house = House(["a first half", 100.0], ["half an", 100.0], ["the whole answer"])
    dying = asyncio.create_task(house.run(await house.claim()))
    await asyncio.sleep(20)
    dying.cancel()
    await asyncio.wait({dying})
    await expire()
    hold = await house.claim(None)
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(5)
    hold.give(Order.DRAIN)
    await running
    house.platform.messages["1"].versions.append("a first half and more")
    await house.run(await house.claim(None))
    note = phrases.INTERRUPTED_AGAIN
    assert house.platform.shown == [note, f"half an\n\n{note}", "the whole answer"]


async def test_a_note_that_stands_is_not_written_again():
    """However many workers died, each is noted once: edits are few, and others wait for them."""
    house = House(*(["half an", 100.0] for _ in range(4)), ["the whole answer"])
    for crash in range(4):
        running = asyncio.create_task(house.run(await house.claim(None if crash else "Why?")))
        await asyncio.sleep(20)
        running.cancel()
        await asyncio.wait({running})
        await expire()
    await house.run(await house.claim(None))
    note = phrases.INTERRUPTED_AGAIN
    assert house.platform.shown == [note] * 4 + ["the whole answer"]
    assert sum(seen.versions.count(note) for seen in house.platform.messages.values()) == 4


async def test_no_reader_waits_for_a_platform_that_is_slow_to_be_read():
    """A look that takes half a minute holds the answer up for three seconds, and is not cut off."""

    class Slow(FakePlatform):
        async def own_since(self, *args):
            await asyncio.sleep(30)
            return await super().own_since(*args)

    house = House(["the whole answer", 100.0])
    house.platform = Slow()
    await house.claim()
    await expire()
    running = asyncio.create_task(house.run(await house.claim(None)))
    await asyncio.sleep(5)
    assert house.platform.shown == ["the whole answer"]
    await running
    assert house.platform.cancelled == 0


async def test_an_ordinary_turn_reads_nothing():
    """Nobody died and nobody gave it back: there is nothing to look for."""
    house = House(["the whole answer"])
    await house.ask()
    assert "own" not in house.platform.calls


async def test_an_edited_question_waits_for_no_look():
    """Its worker lives, and what it posted is gone: a platform that will not be read costs nothing."""
    house = House(["half an", 100.0], ["the whole answer"])
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(5)
    hold.give(Order.EDITED)
    await running
    house.platform.fail("own", RateLimited("429", retry_after=60.0), times=100)
    began = asyncio.get_running_loop().time()
    await house.run(await house.claim(None))
    assert asyncio.get_running_loop().time() - began < 10
    assert house.platform.shown == ["the whole answer"]


@pytest.mark.parametrize("delivered", ["by itself", "by its successor"])
async def test_what_failed_for_good_stays_as_it_last_looked(delivered: str):
    """Also where another worker brings the failure to its end."""
    torn = ["some **bold and [a link](https://exam", 3.0, Interrupted("reset")]
    house = House(torn, max_attempts=1)
    hold = await house.claim()
    if delivered == "by its successor":
        house.platform.fail("edit", Unavailable("500"), times=1000)
        dying = asyncio.create_task(house.run(hold))
        await asyncio.sleep(20)
        dying.cancel()
        await asyncio.wait({dying})
        house.platform.heal()
        await expire()
        hold = await house.claim(None)
        assert hold.claim.outcome is not None
    await house.run(hold)
    assert house.platform.shown == [f"some **bold and a link**\n\n{phrases.INTERRUPTED_FOR_GOOD}"]
