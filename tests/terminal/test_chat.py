"""A session of one person on a scripted model, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from bot.conversation import StopReason, ThreadKey
from bot.errors import Busy, Interrupted, Refused
from bot.terminal.chat import Answered, Chat
from bot.testing.store import MemoryStore
from bot.turn import phrases
from bot.turn.services import Policy
from tests.turn.fakes import ScriptedModel

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

WAITING = "<waiting>"


class Screen:
    """Remembers what was shown, with the (virtual) second of each piece."""

    def __init__(self) -> None:
        self.shown: list[tuple[float, str]] = []
        self.whys: list[str] = []

    def write(self, text: str) -> None:
        self.shown.append((asyncio.get_running_loop().time(), text))

    def wait(self, why: str = "") -> None:
        self.whys.append(why)
        self.shown.append((asyncio.get_running_loop().time(), WAITING))

    @property
    def text(self) -> str:
        return "".join(piece for _, piece in self.shown if piece != WAITING)


class Room:
    """A session, its model and its history."""

    def __init__(self, *scripts, **policy) -> None:
        self.model = ScriptedModel(*scripts)
        self.store = MemoryStore(history_ttl=1e6, clock=asyncio.get_running_loop().time)
        self.policy = Policy(system_prompt="Be brief.", **policy)
        self.kept = 0
        self.chat = self.open("one")

    def open(self, session: str) -> Chat:
        return Chat(
            self.model, self.store, self.policy, lambda _n, after: after or 1.0, session, on_kept=self._count_kept
        )

    def _count_kept(self) -> None:
        self.kept += 1

    async def say(self, text: str = "Why?") -> tuple[Answered, Screen]:
        screen = Screen()
        return await self.chat.say(text, screen), screen


async def test_text_is_shown_as_it_arrives():
    """Something stands on the screen at once, and each piece is there the moment it arrives, not at the end."""
    room = Room([2.0, "one ", 3.0, "two"])
    answered, screen = await room.say()
    assert [(round(at), piece) for at, piece in screen.shown if piece] == [(0, WAITING), (2, "one "), (5, "two")]
    assert (round(answered.first_token), round(answered.total)) == (2, 5)
    assert (answered.stop, answered.usage.output) == (StopReason.END_TURN, 2)


async def test_a_session_remembers_what_was_said_in_it():
    """A question goes out with the turns before it, also when the session is opened again; another session has none."""
    room = Room(["a1"], ["a2"], ["b1"])
    await room.say("q1")
    room.chat = room.open("one")
    await room.say("q2")
    room.chat = room.open("two")
    await room.say("q3")
    asked = [request.messages for request in room.model.requests]
    assert asked[1] == (("user", "q1"), ("assistant", "a1"), ("user", "q2"))
    assert asked[2] == (("user", "q3"),)
    assert room.kept == 3


async def test_a_broken_answer_gets_the_note_and_begins_from_scratch():
    """The partial stays with the note below it, the same request goes out again, and only the whole answer is kept."""
    room = Room(["half an", Interrupted("reset")], ["the whole answer"])
    answered, screen = await room.say()
    assert screen.text == "half an\n\n(Response interrupted. Trying again...)\n\nthe whole answer"
    assert room.model.requests[0] == room.model.requests[1]
    [turn] = await room.chat.turns()
    assert (turn.answer, turn.stop, turn.attempts) == ("the whole answer", StopReason.END_TURN, 2)
    assert answered.stop is StopReason.END_TURN


async def test_what_broke_before_any_text_is_no_interruption():
    """Nothing was seen, so nothing is said of it: the answer comes as if nothing had been."""
    room = Room([Interrupted("no connection")], [], ["whole"])
    _, screen = await room.say()
    assert screen.text == "whole"


async def test_the_last_break_promises_nothing():
    """When the attempts are spent the person reads what to do, the question stays, and the next one follows it."""
    room = Room(*[["half", Interrupted("reset")]] * 3, ["fine"])
    answered, screen = await room.say("q1")
    assert screen.text.count(phrases.INTERRUPTED_AGAIN) == 2
    assert screen.text.endswith(f"half\n\n{phrases.INTERRUPTED_FOR_GOOD}")
    assert answered.stop is StopReason.FAILED
    [turn] = await room.chat.turns()
    assert turn.answer == ""
    await room.say("q2")
    assert room.model.requests[-1].messages == (("user", "q1\n\nq2"),)


async def test_a_busy_claude_is_waited_for():
    """Overload before any text counts as no attempt: a status says so, and the answer follows."""
    room = Room(*[[Busy("overloaded", retry_after=2.0)]] * 5, ["whole"], max_attempts=1)
    _, screen = await room.say()
    assert screen.text == "whole"
    assert set(screen.whys) == {"", phrases.BUSY}
    [turn] = await room.chat.turns()
    assert turn.attempts == 1


async def test_patience_with_a_busy_claude_ends():
    """After BUSY_TIMEOUT the person reads that Claude is overloaded, and what to do."""
    room = Room(*[[Busy("overloaded", retry_after=50.0)]] * 9, busy_timeout=120.0)
    answered, screen = await room.say()
    assert screen.text == phrases.BUSY_FOR_GOOD
    assert answered.stop is StopReason.FAILED
    assert len(room.model.requests) == 3


@pytest.mark.parametrize("script", [["half an", 60.0, "never"], [60.0, "never"], [Busy("b", retry_after=60.0)]])
async def test_stop_ends_the_answer_where_it_is(script):
    """Stop ends the answer at once, in the middle, before any text and while waiting; what was shown is kept."""
    room = Room(script, ["next"])
    screen = Screen()
    saying = asyncio.create_task(room.chat.say("q1", screen))
    await asyncio.sleep(1.0)
    room.chat.stop()
    answered = await saying
    assert answered.stop is StopReason.STOPPED
    assert answered.total < 2.0
    assert screen.text.endswith("(Stopped.)")
    [turn] = await room.chat.turns()
    assert turn.answer == ("half an" if script[0] == "half an" else "")
    later, _ = await room.say("q2")
    assert later.stop is StopReason.END_TURN


async def test_retry_asks_the_last_question_again():
    """The new answer takes the place of the old one, and is asked without it."""
    room = Room(["a1"], ["a2"], ["better"])
    await room.say("q1")
    await room.say("q2")
    _, screen = await room.say("/retry")
    assert screen.text == "better"
    assert room.model.requests[2] == room.model.requests[1]
    assert [turn.answer for turn in await room.chat.turns()] == ["a1", "better"]


async def test_words_to_the_bot_itself_ask_nobody():
    """Help, reset, stop and a retry of nothing are answered here, and only reset changes what is remembered."""
    room = Room(["a1"])
    for word, text in [("retry", phrases.NOTHING_TO_RETRY), ("stop", phrases.NOTHING_TO_STOP), ("\x00", "Hello!")]:
        answered, screen = await room.say(word)
        assert screen.text.startswith(text)
        assert answered.stop is StopReason.LOCAL
        assert "mention" not in screen.text
    await room.say("q1")
    _, screen = await room.say("help")
    assert "Ctrl-C" in screen.text
    assert "mention" not in screen.text.lower()
    assert len(await room.chat.turns()) == 1
    await room.say("reset")
    assert await room.chat.turns() == ()
    assert len(room.model.requests) == room.kept == 1


@pytest.mark.parametrize(
    ("script", "stop", "shown", "kept"),
    [
        (
            ["cut", StopReason.MAX_TOKENS],
            StopReason.MAX_TOKENS,
            f"cut\n\n{phrases.sentence_below(StopReason.MAX_TOKENS)}",
            "cut",
        ),
        ([StopReason.MAX_TOKENS], StopReason.FAILED, phrases.nothing(StopReason.MAX_TOKENS), ""),
        ([StopReason.REFUSAL], StopReason.REFUSAL, phrases.refusal(""), phrases.refusal("")),
        (
            ["No", StopReason.REFUSAL],
            StopReason.REFUSAL,
            f"No\n\n{phrases.refusal('')}",
            f"No\n\n{phrases.refusal('')}",
        ),
        ([Refused("no credit")], StopReason.FAILED, "(Claude could not be asked: no credit.)", ""),
    ],
)
async def test_every_end_is_told(script, stop, shown, kept):
    """Whatever ended the answer, the person reads why, and what is kept is what Claude said."""
    room = Room(script)
    answered, screen = await room.say()
    [turn] = await room.chat.turns()
    assert (answered.stop, screen.text, turn.answer) == (stop, shown, kept)


@pytest.mark.parametrize("text", ["a\x00b", "\ud800 lone", "x" * 200_000, "🧑‍🚀", "مرحبا", "a\u200bb"])
async def test_strange_input_is_answered(text):
    """Null bytes, lone surrogates, walls of text: each is answered, and so is the next."""
    room = Room(["a1"], ["a2"])
    assert (await room.say(text))[1].text == "a1"
    assert (await room.say("and now?"))[1].text == "a2"
    for request in room.model.requests:
        assert all(body.encode() and "\x00" not in body for _, body in request.messages)


async def test_sessions_of_the_terminal_are_named_apart():
    """A session is stored under the terminal's name, where no platform's thread can be."""
    room = Room(["a1"])
    await room.say()
    assert len(await room.store.load(ThreadKey("terminal", "local", "one"))) == 1
