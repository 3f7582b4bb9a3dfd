"""How many messages an answer may fill, the sentence below it included: on fakes at its boundary, in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.conversation import StopReason
from bot.errors import Interrupted
from bot.text import Dialect
from bot.turn import phrases
from bot.turn.draft import Draft
from bot.turn.lease import Order
from tests.turn.house import House

PARTS = 3
SENTENCES = [phrases.sentence_below(stop) for stop in StopReason if phrases.sentence_below(stop)]
in_virtual_time = pytest.mark.looptime


def words(number: int, chars: int) -> str:
    """Words that fill a number of messages of 200 characters, less the last `chars` of them."""
    return "".join(f"word{n:04} " for n in range(1000))[: 200 * number - chars].rstrip()


@in_virtual_time
@pytest.mark.parametrize("parts", [1, 2, PARTS])
async def test_the_sentence_below_a_full_answer_takes_no_message_of_its_own(parts: int):
    """Readers see MAX_PARTS messages, the sentence at the end of the last, and exactly their text is stored."""
    house = House([x for n in range(400) for x in (f"w{n} ", 0.05)], max_parts=parts)
    await house.ask()
    [turn] = await house.turns()
    assert turn.stop is StopReason.MAX_PARTS
    assert len(house.platform.shown) == parts
    sentence = phrases.sentence_below(StopReason.MAX_PARTS)
    assert "\n".join(house.platform.shown).split() == f"{turn.answer} {sentence}".split()
    assert len(turn.answer) > 200 * parts - 120


@in_virtual_time
async def test_an_answer_that_comes_at_once_fills_no_more_messages_than_it_may():
    """Also an answer that has ended before anybody could see that it is too long."""
    house = House([words(9, 0)], max_parts=PARTS)
    await house.ask()
    [turn] = await house.turns()
    assert turn.stop is StopReason.MAX_PARTS
    assert len(house.platform.shown) == PARTS
    assert house.platform.shown[-1].endswith(phrases.sentence_below(StopReason.MAX_PARTS))


@in_virtual_time
async def test_an_answer_that_just_fits_is_whole():
    """Nothing is dropped of an answer that fills all its messages and needs no sentence."""
    house = House([words(PARTS, 5)], max_parts=PARTS)
    await house.ask()
    [turn] = await house.turns()
    assert (turn.answer, turn.stop) == (words(PARTS, 5), StopReason.END_TURN)
    assert len(house.platform.shown) == PARTS


@in_virtual_time
@pytest.mark.parametrize("stop", [StopReason.MAX_TOKENS, StopReason.STOPPED])
async def test_a_reason_keeps_its_sentence_where_only_that_does_not_fit(stop: StopReason):
    """The last words make room for it: readers learn why the answer ended, in as many messages as it may fill."""
    text = words(PARTS, 5)
    house = House([text, 100.0] if stop is StopReason.STOPPED else [text, stop], max_parts=PARTS)
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(5)
    hold.give(Order.STOP)
    await running
    [turn] = await house.turns()
    assert turn.stop is stop
    assert text.startswith(turn.answer)
    assert len(house.platform.shown) == PARTS
    assert house.platform.shown[-1].endswith(f"\n\n{phrases.sentence_below(stop)}")


@in_virtual_time
@pytest.mark.parametrize("attempts", [1, 2])
async def test_the_note_below_a_partial_takes_no_message_of_its_own(attempts: int):
    """Where a stream breaks that had filled its messages, the note stands in the last of them."""
    house = House([words(PARTS, 5), 20.0, Interrupted("reset")], ["whole"], max_parts=PARTS, max_attempts=attempts)
    await house.ask()
    note = phrases.INTERRUPTED_FOR_GOOD if attempts == 1 else phrases.INTERRUPTED_AGAIN
    assert len(house.platform.shown) == PARTS + (attempts - 1)
    assert house.platform.shown[PARTS - 1].endswith(f"\n\n{note}")


@given(
    st.text(st.sampled_from("abc  \n`*|-> 1."), min_size=1, max_size=900),
    st.integers(120, 300),
    st.integers(1, 4),
    st.sampled_from(SENTENCES),
)
@settings(deadline=None)
def test_any_text_is_cut_to_its_messages(text: str, limit: int, most: int, below: str) -> None:
    """What is kept is the text's beginning, as much of it as fills its messages, less what the sentence needs."""
    draft = Draft(lambda: Dialect("any", limit, len, str), most)
    draft.write(text)
    was_cut = draft.cut(below)
    kept = draft.text
    draft.end(below)
    assert len(draft.pages()) <= most
    assert text.startswith(kept)
    assert was_cut or kept == text
    assert not was_cut or kept
