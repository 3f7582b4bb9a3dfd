"""Words to the bot, and questions that were changed or had no answer: what Claude is asked then."""

from __future__ import annotations

import asyncio

import pytest

from bot.errors import PlatformError, Refused
from bot.turn import phrases
from bot.turn.lease import Order
from tests.turn.house import KEY, House

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


@pytest.mark.parametrize(
    ("word", "answer"), [("help", phrases.HELP), ("", phrases.GREETING), ("retry", phrases.NOTHING_TO_RETRY)]
)
async def test_words_to_the_bot_ask_nobody(word, answer):
    """Help, an empty mention, and retry without a question are answered by the bot itself and not kept."""
    house = House()
    await house.ask(word)
    assert "\n".join(house.platform.shown).split() == answer.split()
    assert await house.turns() == ()


async def test_retry_asks_the_last_question_again():
    """`retry` asks the same question and its answer takes the place of the last turn."""
    house = House(["first"], ["second"])
    await house.ask("Why?", "1")
    await house.ask("retry", "2", alone=True)
    assert house.model.requests[0] == house.model.requests[1]
    assert [turn.answer for turn in await house.turns()] == ["second"]


@pytest.mark.parametrize("stopped", [False, True])
async def test_a_retry_that_comes_to_nothing_costs_no_answer(stopped: bool):
    """When asking again fails, or is stopped before any text, the answer that stands on the screen is remembered."""
    house = House(["first"], [100.0] if stopped else [Refused("no")])
    await house.ask("Why?", "1")
    hold = await house.claim("retry", "2", alone=True)
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(5)
    hold.give(Order.STOP)
    await running
    assert [turn.answer for turn in await house.turns()] == ["first"]


async def test_a_word_to_the_bot_whose_answer_is_refused_is_no_question():
    """It does not enter the history, where `retry` would ask Claude about it."""
    house = House()
    house.platform.fail("post", PlatformError("odd"), times=10)
    await house.ask("help")
    assert await house.turns() == ()


async def test_reset_forgets():
    """After `reset` Claude is asked without what was said before."""
    house = House(["first"], ["second"])
    await house.ask("Why?", "1")
    await house.ask("reset", "2", alone=True)
    await house.ask("And now?", "3")
    assert len(house.model.requests[1].messages) == 1


async def test_a_failed_question_goes_before_the_next():
    """A turn that failed leaves no answer behind: its question precedes the next one in the same user message."""
    house = House([Refused("no")], ["second"])
    await house.ask("One?", "1")
    await house.ask("Two?", "2")
    [(role, text)] = house.model.requests[1].messages
    assert role == "user"
    assert text.index("One?") < text.index("Two?")


async def test_an_edited_question_is_asked_anew():
    """When a person edits the question while it is answered, the old answer goes and the new question is asked."""
    house = House(["an answer to", 100.0], ["the new answer"])
    hold = await house.claim("Old?")
    keeping = asyncio.create_task(hold.keep())
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(5)
    assert await house.store.amend(KEY, "fake:T", message_id="1", text="New?")
    hold.look()
    await running
    keeping.cancel()
    await house.run(await house.claim(None))
    assert house.platform.shown == ["the new answer"]
    assert "New?" in house.model.requests[1].messages[0][1]


async def test_a_deleted_question_that_was_given_back_is_not_answered():
    """A question that is taken back while its turn waits, with nothing of it on the screen, gets no word."""
    house = House([100.0])
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(5)
    hold.give(Order.DRAIN)
    await running
    assert await house.store.amend(KEY, "fake:T", message_id="1")
    assert await house.store.claim(["fake:T"], "w", 15.0) is None
    assert house.platform.shown == []
