"""One turn from claim to commit, on fakes at its boundary and in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from bot.conversation import Finished, StopReason, Usage
from bot.errors import (
    BadCredentials,
    Busy,
    ContentRefused,
    Interrupted,
    MessageFrozen,
    MessageGone,
    OutcomeUnknown,
    PlaceClosed,
    RateLimited,
    Refused,
    TooLong,
    Unavailable,
)
from bot.ports import Write
from bot.turn import phrases
from bot.turn.lease import Order
from bot.turn.posted import REFUSED
from tests.turn.house import House

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


async def test_a_placeholder_grows_into_the_whole_answer():
    """The reader first sees the placeholder, then growing text, and last the whole answer, in one message."""
    house = House([1.0, *["word "] * 40, 5.0, "end"], limit=2000)
    await house.ask()
    [seen] = house.platform.messages.values()
    assert seen.versions[0] == "…"
    assert seen.versions[-1].strip() == "word " * 40 + "end"
    assert len(seen.versions) > 2
    assert house.platform.most_in_flight == 1
    [turn] = await house.turns()
    assert (turn.answer, turn.stop, turn.attempts) == ("word " * 40 + "end", StopReason.END_TURN, 1)


async def test_an_answer_longer_than_a_message_goes_on_in_the_next():
    """A long answer stands in several messages that together hold every word once, in order."""
    words = [f"w{n} " for n in range(300)]
    house = House([x for word in words for x in (word, 0.05)])
    await house.ask()
    assert len(house.platform.shown) > 5
    assert "\n".join(house.platform.shown).split() == "".join(words).split()
    assert all(len(text) <= 200 for text in house.platform.shown)


async def test_a_broken_stream_leaves_the_note_and_starts_from_scratch():
    """After text was seen, the partial stays with the note below it, and a new message gets the answer."""
    house = House(["half an", 3.0, Interrupted("reset")], ["the whole answer"])
    await house.ask()
    assert house.platform.shown == [f"half an\n\n{phrases.INTERRUPTED_AGAIN}", "the whole answer"]
    assert house.model.requests[0] == house.model.requests[1]
    [turn] = await house.turns()
    assert (turn.answer, turn.attempts) == ("the whole answer", 2)


async def test_discard_leaves_only_the_note():
    """With ON_INTERRUPT=discard the partial goes and the first message becomes the note."""
    long = [x for n in range(80) for x in (f"w{n} ", 0.1)]
    house = House([*long, 3.0, Interrupted("reset")], ["the whole answer"], keep_partials=False)
    await house.ask()
    assert house.platform.shown == [phrases.INTERRUPTED_AGAIN, "the whole answer"]


async def test_what_was_torn_off_stays_as_it_last_looked():
    """Half a link or an open mark of Markdown is closed or held back above the note, as while it grew."""
    house = House(["some **bold", 3.0, " and [a link](https://exam", 3.0, Interrupted("reset")], ["the whole answer"])
    await house.ask()
    assert house.platform.shown[0] == f"some **bold and a link**\n\n{phrases.INTERRUPTED_AGAIN}"


async def test_a_break_before_any_text_is_no_interruption():
    """While nobody saw text, a broken stream goes on behind the same placeholder, without a note."""
    house = House([2.0, Interrupted("reset")], ["answer"])
    await house.ask()
    [seen] = house.platform.messages.values()
    assert seen.versions[-1] == "answer"
    assert not any("interrupted" in version for version in seen.versions)


async def test_the_last_attempt_says_what_to_do():
    """When every attempt broke, the reader is told for good, and the question is stored without an answer."""
    house = House(*[["part", 2.0, Interrupted("reset")]] * 3)
    await house.ask()
    assert len(house.model.requests) == 3
    assert house.platform.shown[-1] == f"part\n\n{phrases.INTERRUPTED_FOR_GOOD}"
    assert "Trying again" not in house.platform.shown[-1]
    [turn] = await house.turns()
    assert (turn.answer, turn.stop) == ("", StopReason.FAILED)


async def test_busy_waits_and_counts_as_no_attempt():
    """Overload before the first text is waited out behind the same placeholder, and costs no attempt."""
    house = House(*[[Busy("529", retry_after=2.0)]] * 5, ["answer"], max_attempts=1)
    await house.ask()
    [seen] = house.platform.messages.values()
    assert seen.versions[-1] == "answer"
    [turn] = await house.turns()
    assert turn.attempts == 1


async def test_busy_for_too_long_fails_visibly():
    """After BUSY_TIMEOUT the reader is told that Claude is overloaded."""
    house = House(*[[Busy("529", retry_after=60.0)]] * 3, busy_timeout=100.0)
    await house.ask()
    assert house.platform.shown == [phrases.BUSY_FOR_GOOD]


async def test_a_refusal_by_the_api_says_why():
    """What the API does not take ends at once, with its reason."""
    house = House([Refused("the prompt is too long")])
    await house.ask()
    assert house.platform.shown == ["(Claude could not be asked: the prompt is too long.)"]


@pytest.mark.parametrize(
    "stop", [StopReason.MAX_TOKENS, StopReason.CONTEXT_EXCEEDED, StopReason.PAUSE_TURN, StopReason.TOOL_USE]
)
async def test_a_cut_answer_says_so(stop: StopReason):
    """An answer that ended for a reason of its own carries a sentence, which is not part of what is stored."""
    house = House(["text", stop])
    await house.ask()
    assert house.platform.shown == [f"text\n\n{phrases.sentence_below(stop)}"]
    [turn] = await house.turns()
    assert (turn.answer, turn.stop) == ("text", stop)


async def test_a_refusal_is_a_finished_answer():
    """When Claude declines, the sentence the reader saw is what is stored."""
    house = House([StopReason.REFUSAL])
    await house.ask()
    [turn] = await house.turns()
    assert house.platform.shown == [turn.answer]
    assert turn.stop is StopReason.REFUSAL


async def test_no_text_at_all_is_a_broken_attempt():
    """`end_turn` without any text is tried again."""
    house = House([StopReason.END_TURN], ["answer"])
    await house.ask()
    assert house.platform.shown == ["answer"]


async def test_stop_keeps_what_was_written():
    """A person's stop ends the answer with a word, and the partial is stored with its reason."""
    house = House(["some text", 100.0, "never"])
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(5)
    hold.give(Order.STOP)
    await running
    assert house.platform.shown == ["some text\n\n(Stopped.)"]
    [turn] = await house.turns()
    assert (turn.answer, turn.stop) == ("some text", StopReason.STOPPED)


async def test_deleting_the_message_is_stop():
    """A reader who deletes the growing message ends the answer; nothing is posted again."""
    house = House(["some text", 5.0, *["more"] * 5, 100.0])
    house.platform.fail("edit", MessageGone("gone"))
    await house.ask()
    assert len(house.platform.messages) == 1
    [turn] = await house.turns()
    assert turn.stop is StopReason.STOPPED


async def test_a_closed_place_ends_quietly():
    """Where the bot may no longer write, the turn ends without a loop, and is kept."""
    house = House(["some text", 5.0, "more"])
    house.platform.fail("post", PlaceClosed("archived"))
    await house.ask()
    assert house.platform.messages == {}
    assert house.platform.calls.count("post") == 1


async def test_drain_notes_and_gives_back():
    """At shutdown a running answer ends with the note and another worker answers from scratch in a new message."""
    house = House(["half an", 100.0], ["the whole answer"])
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(5)
    hold.give(Order.DRAIN)
    await running
    assert house.platform.shown == [f"half an\n\n{phrases.INTERRUPTED_AGAIN}"]
    again = await house.claim(None)
    assert again.claim.claims == 1
    await house.run(again)
    assert house.platform.shown == [f"half an\n\n{phrases.INTERRUPTED_AGAIN}", "the whole answer"]


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RateLimited("429", retry_after=3.0), False),
        (Unavailable("500"), False),
        (OutcomeUnknown("reset"), False),
        (OutcomeUnknown("reset"), True),
    ],
    ids=["limited", "unavailable", "reset", "lost"],
)
@pytest.mark.parametrize("call", ["post", "edit"])
async def test_writes_are_carried_through(call, error, lost):
    """Through rate limits, server errors and lost answers the reader ends with one whole answer, once."""
    house = House(["the ", 2.0, "whole ", 2.0, "answer"])
    house.platform.fail(call, error, times=1 if lost else 4, lost=lost)
    await house.ask()
    assert house.platform.shown == ["the whole answer"]


async def test_a_frozen_message_goes_on_in_a_new_one():
    """A message that can no longer be edited is replaced, and the reader sees the whole answer once."""
    house = House(["the ", 2.0, "whole ", 2.0, "answer"])
    house.platform.fail("edit", MessageFrozen("old"))
    await house.ask()
    assert house.platform.shown == ["the whole answer"]


async def test_a_lower_limit_splits_again():
    """When the platform refuses a length, the text is split for the lower limit and nothing is lost."""
    words = " ".join(f"w{n}" for n in range(100))
    house = House([words[:250], 1.0, words[250:]], limit=300)

    def lower() -> None:
        house.platform.limit = 100

    house.platform.fail("edit", TooLong("msg_too_long"))
    asyncio.get_running_loop().call_later(0.01, lower)
    await house.ask()
    assert " ".join(house.platform.shown).split() == words.split()


async def test_refused_content_is_a_visible_failure():
    """Content that the platform does not take is replaced by a sentence that says so."""
    house = House(["bad words"])
    house.platform.fail("edit", ContentRefused("200000"))
    await house.ask()
    assert house.platform.shown == [REFUSED]


async def test_an_answer_fills_no_more_messages_than_it_may():
    """At MAX_PARTS the stream is stopped, the reader is told, and exactly what was shown is stored."""
    house = House([x for n in range(400) for x in (f"w{n} ", 0.05)], max_parts=3)
    await house.ask()
    [turn] = await house.turns()
    assert turn.stop is StopReason.MAX_PARTS
    assert (
        "\n".join(house.platform.shown).split()
        == f"{turn.answer} {phrases.sentence_below(StopReason.MAX_PARTS)}".split()
    )


async def test_a_revoked_token_is_an_alert_until_an_answer_is_written():
    """When the platform refuses the credentials the turn waits in the store, and an alert stands till it is written."""
    house = House(["the answer"], ["the answer"])
    house.platform.fail("post", BadCredentials("SLACK_BOT_TOKEN was revoked"))
    await house.ask()
    assert house.services.alerts.of("fake:T") == "SLACK_BOT_TOKEN was revoked"
    await asyncio.sleep(60)
    await house.run(await house.claim(None))
    assert house.platform.shown == ["the answer"]
    assert house.services.alerts.of("fake:T") == ""


async def test_an_ending_does_not_queue_behind_edits():
    """When the rate limit for edits is spent, the whole answer goes out as a new message and the stub is removed."""
    house = House(["the ", 3.0, "whole answer"])
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(2)
    rate_limits = house.platform.rate_limits(Write.EDIT, hold.claim.place)
    house.services.pacer.refused(rate_limits, 30.0)
    began = asyncio.get_running_loop().time()
    await running
    assert house.platform.shown == ["the whole answer"]
    assert asyncio.get_running_loop().time() - began < 5


async def test_an_ending_that_is_refused_goes_out_as_a_new_message():
    """When the last edit itself meets the platform's limit, the answer does not wait until edits go through again."""
    house = House(["the ", 3.0, "whole answer"])
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(2)
    house.platform.fail("edit", RateLimited("slow down", retry_after=30.0))
    began = asyncio.get_running_loop().time()
    await running
    assert house.platform.shown == ["the whole answer"]
    assert asyncio.get_running_loop().time() - began < 5


async def test_a_reason_that_nobody_knows_is_told_below_the_answer():
    """A reason to stop that the bot does not know stands below the text for the reader, and is not stored."""
    end = Finished(
        text="An answer.", stop=StopReason.END_TURN, usage=Usage(1, 2), model="m", request_id="r", first_token=0.1,
        detail="solar_flare",
    )  # fmt: skip
    house = House(["An answer.", end])
    await house.ask()
    assert house.platform.shown == [f"An answer.\n\n{phrases.unknown_reason('solar_flare')}"]
    [turn] = await house.turns()
    assert (turn.answer, turn.stop) == ("An answer.", StopReason.END_TURN)
