"""What a worker finds that comes after a dead or a sleeping one, and leaves to readers."""

from __future__ import annotations

import asyncio

import pytest

from bot.conversation import Place, StopReason
from bot.errors import Unavailable
from bot.ports import Content, Part, Write
from bot.turn import phrases
from bot.turn.lease import Order
from bot.turn.turn import APOLOGIES, POISONED
from tests.turn.house import House, expire, outboxed

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


async def test_a_successor_delivers_what_was_finished():
    """When the worker died after the outbox, the next claim shows that text in its messages and asks nobody."""
    house = House(["the whole answer"])
    hold = await house.claim()
    house.platform.fail("edit", Unavailable("500"), times=1000)
    dying = asyncio.create_task(house.run(hold))
    await asyncio.sleep(30)
    dying.cancel()
    await asyncio.wait({dying})
    house.platform.heal()
    await expire()
    again = await house.claim(None)
    assert again.claim.outcome is not None
    await house.run(again)
    assert house.platform.shown == ["the whole answer"]
    assert len(house.model.requests) == 1


async def test_an_ending_that_nobody_recorded_is_not_shown_twice():
    """When the worker died after it had sent the end as a new message, readers are left with one."""
    house = House()
    await outboxed(house)
    await expire()
    hold = await house.claim(None)
    await house.platform.post(Place("C1"), Content("the whole answer"), f"{hold.claim.turn_id}.1.1")
    await house.run(hold)
    assert house.platform.shown == ["the whole answer"]


async def test_a_message_of_the_dead_is_edited_even_where_a_new_one_would_be_faster():
    """It may show the whole answer already: it is written again in place, not sent once more."""
    house = House()
    ref = await outboxed(house)
    house.platform.messages[ref.id].versions.append("the whole answer")
    house.services.pacer.refused(house.platform.rate_limits(Write.EDIT, Place("C1")), 20.0)
    await expire()
    again = await house.claim(None)
    house.services.pacer.refused(house.platform.rate_limits(Write.EDIT, Place("C1")), 20.0)
    await house.run(again)
    assert house.platform.shown == ["the whole answer"]
    assert house.platform.calls.count("post") == 1


async def test_what_is_in_the_outbox_is_kept_at_the_very_last():
    """A turn that killed all its workers after its answer was finished keeps that answer."""
    house = House()
    await outboxed(house)
    for _ in range(POISONED + APOLOGIES):
        await expire()
        last = await house.claim(None)
    await house.run(last)
    [turn] = await house.turns()
    assert (turn.answer, turn.stop) == ("the whole answer", StopReason.END_TURN)


async def test_the_note_stands_where_a_message_is_left():
    """When the first message of the dead is gone, the next one of what was seen becomes the note."""
    house = House(["the whole answer"])
    hold = await house.claim()
    for index in range(2):
        receipt = await house.platform.post(hold.claim.place, Content("half an"), f"{hold.claim.turn_id}.1.{index}")
        await house.store.record(hold.claim, part=Part(1, index, receipt.ref), shown=1)
    house.platform.messages["1"].deleted = True
    await expire()
    await house.run(await house.claim(None))
    assert house.platform.shown == [phrases.INTERRUPTED_AGAIN, "the whole answer"]


async def test_a_sleeper_takes_its_late_post_away_however_often_it_must_try():
    """Nobody else knows of what it posted, so that a platform in trouble is asked again."""
    house = House([5000.0], ["the whole answer"])
    dreaming = asyncio.create_task(house.run(await house.claim()))
    house.platform.latency = 2000.0
    await asyncio.sleep(1001)
    house.platform.latency = 0.05
    await house.run(await house.claim(None))
    house.platform.fail("delete", Unavailable("503"), times=3)
    await dreaming
    assert house.platform.shown == ["the whole answer"]


async def test_a_successor_ends_what_was_abandoned():
    """When the worker died while text was seen, its message becomes the note and the answer stands in a new one."""
    house = House(["half an", 100.0], ["the whole answer"])
    hold = await house.claim()
    dying = asyncio.create_task(house.run(hold))
    await asyncio.sleep(20)
    dying.cancel()
    await asyncio.wait({dying})
    await expire()
    await house.run(await house.claim(None))
    assert house.platform.shown == [phrases.INTERRUPTED_AGAIN, "the whole answer"]


async def test_a_late_edit_of_the_dead_does_not_stay():
    """What a dead worker's last edit wrote over the note is noted again, also when the next worker died as well."""
    house = House(["half an", 100.0], [100.0], ["the whole answer"])
    for _ in range(2):
        hold = await house.claim("Why?" if not house.platform.messages else None)
        dying = asyncio.create_task(house.run(hold))
        await asyncio.sleep(20)
        dying.cancel()
        await asyncio.wait({dying})
        await expire()
    house.platform.messages["1"].versions.append("half an answer")
    await house.run(await house.claim(None))
    assert house.platform.shown == [phrases.INTERRUPTED_AGAIN, "the whole answer"]


async def test_no_two_workers_use_one_name():
    """A message's nonce is never used again by another claim: a platform would take the one message for the other."""
    house = House(["the whole answer"])
    hold = await house.claim()
    first = await house.platform.post(hold.claim.place, Content("…"), f"{hold.claim.turn_id}.1.0")
    await expire()
    second = await house.claim(None)
    await house.platform.delete(second.claim.place, first.ref)  # and it dies before it could record that
    await expire()
    await house.run(await house.claim(None))
    [gone, answer] = house.platform.messages.values()
    assert gone.nonce != answer.nonce
    assert len(answer.nonce) <= 25
    assert house.platform.shown == ["the whole answer"]


async def test_a_sleeper_takes_its_late_post_away():
    """What a worker posts after another took its turn over is known to nobody: it takes that away itself."""
    house = House([5000.0], ["the whole answer"])
    dreaming = asyncio.create_task(house.run(await house.claim()))
    house.platform.latency = 2000.0  # the sleeper's first post takes effect after its lease
    await asyncio.sleep(1001)
    house.platform.latency = 0.05
    await house.run(await house.claim(None))
    assert house.platform.shown == ["the whole answer"]
    await dreaming
    assert [seen.versions[-1] for seen in house.platform.messages.values()] == ["the whole answer", "…"]
    assert house.platform.shown == ["the whole answer"]


async def test_a_stale_worker_touches_nothing():
    """A worker that lost its lease writes neither to the store nor to the platform."""
    house = House(["half an", 100.0])
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(5)
    hold.give(Order.LOST)
    await running
    assert house.platform.shown == ["half an"]


@pytest.mark.parametrize("tries", [0, APOLOGIES - 1, APOLOGIES])
async def test_a_poisoned_turn_ends_with_an_apology(tries: int):
    """After five claims that killed their workers the reader gets an apology, in many tries, and the thread goes on."""
    house = House()
    for crash in range(POISONED + tries):
        await house.claim(None if crash else "Why?")
        await expire()
    await house.run(await house.claim(None))
    assert house.platform.shown == ([phrases.APOLOGY] if tries < APOLOGIES else [])
    [turn] = await house.turns()
    assert turn.stop is StopReason.POISONED


async def test_what_was_poisoned_is_not_asked_with_what_comes_after_it():
    """A question that killed its workers is not sent again with the next one, or it would kill that one's, too."""
    house = House(["an answer"])
    for crash in range(POISONED):
        await house.claim(None if crash else "What kills?", "1")
        await expire()
    await house.run(await house.claim(None))
    await house.ask("And that?", "2")
    [request] = house.model.requests
    assert "What kills?" not in str(request.messages)
