"""Buttons below answers, on both platforms: what the reader sees, who may press, and what comes of it."""

from __future__ import annotations

import asyncio

import pytest

from bot.conversation import Control
from bot.intake import controls
from bot.turn import phrases
from sandbox.faults import Fault
from tests.whole.house import Side, Slack, start_process

STOP, RETRY, CONTINUE, GOOD, BAD = "Stop", "Retry", "Continue", "👍", "👎"
WORDS = " ".join(f"word{number}" for number in range(200))


def slowly(side: Side, text: str = WORDS) -> None:
    """Let Claude take twenty seconds for an answer."""
    side.house.box.claude.answer(text, rate=len(text) / 20, chunk=10)


async def growing(side: Side):
    """A message that shows some of the answer."""
    return await side.shows_text("word1 ")


async def told(side: Side, sentence: str, user: str | None = None) -> None:
    """Wait until somebody was told this privately."""
    await side.house.until(lambda: sentence in side.told_privately(user), sentence)


async def test_stop_stands_below_while_it_grows_and_goes_with_the_last_edit(side: Side):
    """A growing answer has Stop; a whole one Retry and an opinion, and no Stop."""
    slowly(side, "word0 word1 word2 word3")
    async with side.house.bot():
        await side.ask("Say something")
        shown = await side.shows_text("word0")
        assert side.buttons(shown) == [STOP]
        await side.house.until(lambda: side.buttons(shown) == [RETRY, GOOD, BAD], "the last buttons")
        assert side.texts == ["word0 word1 word2 word3"]


async def test_stop_ends_the_answer_at_once(side: Side):
    """The asker presses Stop: Claude is asked for no more, what was seen stays, marked, and can be continued."""
    slowly(side)
    async with side.house.bot():
        await side.ask("Say a lot")
        shown = await growing(side)
        await side.press(shown, STOP)
        await side.shows_text("(Stopped.)", timeout=3)
        assert "word199" not in side.texts[-1]
        assert side.buttons(shown) == [RETRY, CONTINUE, GOOD, BAD]


async def test_only_who_asked_may_press(side: Side):
    """Somebody else is told so privately, and the answer goes on; an admin may."""
    slowly(side)
    async with side.house.bot(admins=frozenset({"1"})):
        await side.ask("Say a lot")
        shown = await growing(side)
        await side.press(shown, STOP, user=side.other)
        await told(side, controls.NOT_YOURS, side.other)
        assert side.buttons(shown) == [STOP]
        await side.press(shown, STOP)
        await side.shows_text("(Stopped.)", timeout=5)
    assert side.told_privately() == []


async def test_an_admin_may_press(side: Side):
    """Whoever ADMINS names controls everybody's answers."""
    slowly(side)
    async with side.house.bot(admins=frozenset({side.other})):
        await side.ask("Say a lot")
        shown = await growing(side)
        await side.press(shown, STOP, user=side.other)
        await side.shows_text("(Stopped.)", timeout=5)


async def test_a_press_on_what_is_over_says_so(side: Side):
    """Stop, pressed just when the answer ended, stops nothing, and says that."""
    slowly(side, "word0 word1 word2")
    async with side.house.bot():
        await side.ask("Say something")
        shown = await side.shows_text("word0")
        stop = side.button(shown, STOP)
        await side.house.until(lambda: RETRY in side.buttons(shown), "the end")
        await side.press(shown, STOP, gone=stop)
        await told(side, controls.OVER)
        assert side.texts == ["word0 word1 word2"]


async def test_retry_asks_the_same_again_once(side: Side):
    """Two who press Retry at once get one answer; Claude is asked the same, and the history holds one turn."""
    claude = side.house.box.claude
    claude.answer("The first.")
    claude.answer("The second.")
    claude.answer("After that.")
    async with side.house.bot():
        root = await side.ask("Which?")
        shown = await side.shows_text("The first.")
        await side.house.until(lambda: RETRY in side.buttons(shown), "the end")
        again = side.button(shown, RETRY)
        await asyncio.gather(*(side.press(shown, RETRY, gone=again) for _ in range(2)))
        second = await side.shows_text("The second.")
        await side.house.until(lambda: RETRY in side.buttons(second), "the end")
        first, repeated = claude.asked()[:2]
        assert first["messages"] == repeated["messages"]
        await side.press(shown, RETRY, gone=again)
        await told(side, controls.FORGOTTEN)
        await side.follow_up(root, "And then?")
        await side.shows_text("After that.")
    assert "The first." not in str(claude.asked()[-1]["messages"])
    assert len(claude.asked()) == 3


async def test_retry_below_an_older_answer_says_so(side: Side):
    """What was said since would be lost: the person is told to write below."""
    claude = side.house.box.claude
    claude.answer("One.")
    claude.answer("Two.")
    async with side.house.bot():
        root = await side.ask("First?")
        first = await side.shows_text("One.")
        await side.follow_up(root, "Second?")
        await side.shows_text("Two.")
        await side.house.until(lambda: all(RETRY in side.buttons(it) for it in side.answers()), "both ended")
        await side.press(first, RETRY)
        await told(side, controls.MOVED_ON)
    assert len(claude.asked()) == 2


async def test_continue_goes_on_below(side: Side):
    """Below an answer that was cut stands Continue, which asks for the rest."""
    claude = side.house.box.claude
    claude.answer("The beginning", stop_reason="max_tokens")
    claude.answer("and the end.")
    async with side.house.bot():
        await side.ask("Tell me all")
        shown = await side.shows_text("The beginning")
        await side.house.until(lambda: side.buttons(shown) == [RETRY, CONTINUE, GOOD, BAD], "the end")
        await side.press(shown, CONTINUE)
        await side.shows_text("and the end.")
    assert claude.asked()[-1]["messages"][-1]["role"] == "user"
    assert controls.WORDS[Control.CONTINUE] in str(claude.asked()[-1]["messages"][-1])


async def test_an_opinion_is_kept_with_its_words(side: Side):
    """A thumb up is thanked for; a thumb down asks what was wrong, and the words are kept as well."""
    side.house.box.claude.answer("The answer.")
    async with side.house.bot():
        await side.ask("Well?")
        shown = await side.shows_text("The answer.")
        await side.house.until(lambda: GOOD in side.buttons(shown), "the end")
        await side.press(shown, GOOD)
        await told(side, controls.THANKS)
        await side.press(shown, BAD)
        await side.house.until(lambda: list(side.journal.of(side.name, "form")), "the form")
        await side.submit("It was too short.")
        await side.house.until(lambda: len(side.told_privately()) == 2, "thanked again")
        assert side.buttons(shown) == [RETRY, GOOD, BAD]


async def test_a_failure_has_retry_alone(side: Side):
    """Where Claude could not be asked, what helps stands below."""
    claude = side.house.box.claude
    claude.fault("bad_request")
    claude.answer("Now it works.")
    async with side.house.bot():
        await side.ask("Well?")
        shown = await side.shows_text("could not be asked")
        await side.house.until(lambda: side.buttons(shown) == [RETRY], "the end")
        await side.press(shown, RETRY)
        await side.shows_text("Now it works.")


async def test_the_bots_own_words_have_none(side: Side):
    """Help is no answer of Claude's."""
    async with side.house.bot():
        await side.ask("help")
        shown = await side.shows_text("Mention me")
        assert side.buttons(shown) == []


async def test_a_broken_attempt_has_no_buttons(side: Side):
    """The messages of an attempt that broke keep neither Stop nor anything else."""
    claude = side.house.box.claude
    claude.fault("cut", text=WORDS, at=200, chunk=20, rate=200)
    claude.answer("Whole.")
    async with side.house.bot(waits=lambda *_: 0.1):
        await side.ask("Well?")
        broken = await side.shows_text(phrases.INTERRUPTED_AGAIN)
        whole = await side.shows_text("Whole.")
        await side.house.until(lambda: RETRY in side.buttons(whole), "the end")
        assert side.buttons(broken) == []


async def test_only_the_last_message_has_buttons(side: Side):
    """Of an answer over several messages only the last has any."""
    side.house.box.claude.answer("\n\n".join(f"Paragraph {number}. {WORDS}" for number in range(12)), chunk=400)
    async with side.house.bot():
        await side.ask("Tell me all")
        await side.house.until(lambda: any(RETRY in side.buttons(it) for it in side.answers()), "the end")
        *others, last = side.answers()
        assert others
        assert [side.buttons(it) for it in others] == [[]] * len(others)
        assert side.buttons(last) == [RETRY, GOOD, BAD]


async def test_any_process_carries_out_what_is_pressed_after_a_restart(side: Side):
    """A button that was written before a restart works after it."""
    claude = side.house.box.claude
    claude.answer("The first.")
    claude.answer("The second.")
    async with side.house.bot():
        await side.ask("Which?")
        shown = await side.shows_text("The first.")
        await side.house.until(lambda: RETRY in side.buttons(shown), "the end")
    async with side.house.bot():
        await side.press(shown, RETRY)
        await side.shows_text("The second.")


async def test_who_was_killed_leaves_no_stop_behind(side: Side, tmp_path):
    """A worker that is killed leaves a growing answer with Stop; its successor ends that, and Stop is gone."""
    slowly(side)
    killed = await start_process(side, tmp_path, LEASE_SECONDS="2s")
    await side.ask("Say a lot")
    first = await growing(side)
    assert side.buttons(first) == [STOP]
    killed.kill()
    await killed.wait()
    side.house.box.claude.answer("Whole.")
    again = await start_process(side, tmp_path, LEASE_SECONDS="2s")
    whole = await side.shows_text("Whole.", timeout=60)
    await side.house.until(lambda: RETRY in side.buttons(whole), "the end", timeout=30)
    assert [STOP in side.buttons(shown) for shown in side.answers()] == [False] * len(side.answers())
    again.terminate()
    await again.wait()


async def test_a_press_is_acknowledged_though_the_store_is_away(slack: Slack):
    """Slack hears at once that the press arrived, and the person that it could not be done."""
    slack.house.box.claude.answer("The answer.")
    async with slack.house.bot():
        await slack.ask("Well?")
        shown = await slack.shows_text("The answer.")
        await slack.house.until(lambda: RETRY in slack.buttons(shown), "the end")
        slack.server.faults.add(Fault("chat.postEphemeral", "status", times=1, status=500))
        await slack.press(shown, GOOD)  # an answer that is lost breaks nothing
        await slack.press(shown, GOOD)
        await told(slack, controls.THANKS)


@pytest.mark.parametrize("body", [b"payload=no json", b"payload=%7B%7D", b"payload=[]", b"ssl_check=1", b"\xff=1"])
async def test_an_odd_press_is_acknowledged(slack: Slack, body: bytes):
    """What is no press costs nothing, and a mention afterwards is answered."""
    slack.house.box.claude.answer("Fine.")
    async with slack.house.bot(slack_app_token=None, slack_signing_secret=slack.server.signing_secret) as app:
        push = await slack.server.push_to(f"http://127.0.0.1:{app.http_port}/slack/events")
        assert (await push.form(body)).status == 200
        await slack.ask("Well?")
        shown = await slack.shows_text("Fine.")
        await slack.house.until(lambda: RETRY in slack.buttons(shown), "the end")
        await slack.press(shown, GOOD)
        await told(slack, controls.THANKS)
