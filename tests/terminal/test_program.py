"""`python -m bot chat` as scripts and people run it: between pipes, and on a terminal."""

from __future__ import annotations

import asyncio
import os
import readline
import signal
import termios
from importlib import metadata

import pytest

from bot.app import first_run
from bot.app.app import open_chat
from bot.app.settings import read
from bot.errors import SettingsError
from bot.terminal import phrases
from tests.terminal.program import on_terminal, piped

WORDS = "so many words that it takes a while " * 6
ENDLESS = WORDS * 20
"""For answers that do not come to their end."""


class Nowhere:
    """A screen nobody looks at."""

    def write(self, text: str) -> None:
        pass

    def wait(self, why: str = "") -> None:
        pass


def questions(claude) -> list[str]:
    """What the program asked last, each time."""
    return [body["messages"][-1]["content"] for body in claude.asked()]


async def test_only_answers_go_into_a_pipe(claude, environment, tmp_path):
    """Whatever comes in is answered, and out come the answers alone: no prompt, no codes, no log, no line of ours."""
    claude.answer("A \x1b]0;title\x07plain\x9b31m line – café 🧑‍🚀\n\tand tab\n")
    claude.answer("survived")
    claude.fault("drop", text="all of this answer", at=8)
    claude.answer("all of this answer")
    async with piped(tmp_path / "data", "chat", **environment) as program:
        program.say(b"first\n\n  \n\xff\x00bad\nbreak\nhelp\nexit\nnever asked\n")
        assert await program.ends() == 0
    assert program.output == (
        "A ]0;titleplain31m line – café 🧑‍🚀\n\tand tab\nsurvived\n"
        f"all of t\n\n(Response interrupted. Trying again...)\n\nall of this answer\n{phrases.HELP}\n"
    )
    assert program.errors == ""
    assert questions(claude) == ["first", "\ufffdbad", "break", "break"]
    assert claude.asked()[3] == claude.asked()[2]
    assert [message["role"] for message in claude.asked()[3]["messages"]] == ["user", "assistant"] * 2 + ["user"]


async def test_a_session_goes_on_beside_others_in_the_same_data(claude, environment, tmp_path):
    """While another process uses the same data, --resume goes on with the last session, and answers to the end."""
    settings = read(
        _env_file=None,
        data_dir=tmp_path / "data",
        anthropic_api_key=claude.api_key,
        anthropic_base_url=claude.url,
    )
    claude.answer("a1")
    claude.answer(WORDS, rate=60)
    async with open_chat(settings, None) as chat:
        await chat.say("q1", Nowhere())
        async with (
            open_chat(settings, "other") as silent,
            piped(tmp_path / "data", "chat", "--resume", "--stats", **environment) as program,
        ):
            assert await silent.turns() == ()
            program.say("q2")
            program.process.stdin.write_eof()
            assert await program.ends() == 0
        assert [turn.answer for turn in await chat.turns()] == ["a1", WORDS]
    answer, figures = program.output.rstrip("\n").rsplit("\n", 1)
    assert answer == WORDS
    assert all(word in figures for word in ("tokens in", "cached", "out", "first token after ", "whole answer "))
    assert program.errors == ""
    assert [message["content"] for message in claude.asked()[1]["messages"]] == ["q1", "a1", "q2"]
    for resume, words in [("a b", "expected a session's name"), ("", "no session yet")]:
        with pytest.raises(SettingsError, match=words):
            async with open_chat(settings.model_copy(update={"data_dir": tmp_path / "new"}), resume):
                pass


async def test_a_reader_who_left_ends_it_quietly(claude, environment, tmp_path):
    """When nobody reads the pipe any more, the answer stops, the program ends, and nothing complains."""
    claude.answer(ENDLESS, rate=100)
    theirs, its = os.pipe()
    async with piped(tmp_path / "data", "chat", stdout=its, **environment) as program:
        os.close(its)
        program.say("q1\nq2\n")
        assert await asyncio.to_thread(os.read, theirs, 4)
        os.close(theirs)
        assert await program.ends() == 0
    assert program.errors == ""
    assert questions(claude) == ["q1"]


async def test_an_interrupt_stops_the_answer_between_pipes(claude, environment, tmp_path):
    """SIGINT stops the answer and not the program; while nothing is answered it ends the program."""
    claude.answer(ENDLESS, rate=20)
    claude.answer("next")
    async with piped(tmp_path / "data", "chat", **environment) as program:
        program.say("q1\n")
        await program.shows("many words")
        program.process.send_signal(signal.SIGINT)
        await program.shows("\n\n(Stopped.)\n")
        program.say("q2\n")
        await program.shows("next\n")
        ended = asyncio.create_task(program.ends())
        while not ended.done():  # it may not be reading yet, the first time
            program.process.send_signal(signal.SIGINT)
            await asyncio.wait({ended}, timeout=5.0)
        assert ended.result() == 130
    assert program.errors == ""


async def test_a_person_types_edits_interrupts_and_leaves(claude, environment, tmp_path):
    """On a terminal one edits lines, pastes several at once, interrupts, types ahead, and leaves while it answers."""
    async with on_terminal(tmp_path / "data", "chat", "--stats", **environment) as program:
        await program.shows("Ask claude-sonnet-5-5 at 127.0.0.1.\n")
        await program.shows("> ")
        program.say("half a li")
        await program.shows("half a li")
        await program.answers("\x03", "\n(Ctrl-D or exit leaves.)\n> ")
        claude.answer(ENDLESS, rate=20, first_delay=0.2)
        program.say("hello wrld" + "\x1b[D" * 3 + "o\r")
        await program.shows("\n…")
        await program.shows("many words")
        program.say("\x03")
        await program.shows("(Stopped.)\n[tokens unknown; first token after ")
        await program.shows("\n\n> ")
        claude.answer("pasted")
        if "libedit" in (readline.__doc__ or ""):  # which knows no pastes
            program.say("one two")
        else:
            assert "\x1b[?2004h" in program.output  # so a terminal is asked to tell pastes from typing
            program.say("\x1b[200~one\rtwo\x1b[201~")
        await program.shows("two")
        program.say("\r")
        await program.shows("pasted\n[")
        await program.shows("\n\n> ")
        claude.answer(WORDS, rate=40)
        claude.answer("as asked before")
        program.say("last\r")
        await program.shows("many words")
        assert not program.modes & termios.ECHO
        program.say("typed ahead\r\x04")
        await program.shows("\n> typed ahead\n")
        assert program.screen.count("typed ahead") == 1
        await program.shows("as asked before\n")
        await program.shows("To go on with this conversation: ")
        assert await program.ends() == 0
        assert program.modes & (termios.ICANON | termios.ECHO) == termios.ICANON | termios.ECHO
    assert questions(claude)[0].endswith("hello world")
    assert [asked.replace("\n", " ") for asked in questions(claude)][1:] == [
        "<note>the person stopped the answer above where it ends</note>  one two",
        "last",
        "typed ahead",
    ]
    assert "Traceback" not in program.output
    assert "[info" not in program.output


async def test_the_stand_in_needs_no_key_and_closing_the_terminal_leaves_nothing(tmp_path):
    """With --sandbox a stand-in answers at a human pace; a hang-up in mid-answer ends the program and its server."""
    async with on_terminal(tmp_path / "data", "chat", "--sandbox") as program:
        await program.shows("starting ...")
        await program.shows("Ask the stand-in for Claude")
        await program.shows("> ")
        program.say("a long one\r")
        await program.shows("\n…")
        await program.shows(".")
        program.process.send_signal(signal.SIGHUP)
        assert await program.ends() == 0
    assert "Traceback" not in program.output
    assert list((tmp_path / "data" / "sandbox").glob("server.log"))
    assert not list((tmp_path / "data" / "sandbox").glob("server.json"))


async def test_the_command_that_goes_on_works_and_shows_what_was_stopped(tmp_path):
    """On leaving it names a command that goes on without a key, which shows the answer with why it ends in mid-word."""
    async with on_terminal(tmp_path / "data", "chat", "--sandbox") as program:
        await program.shows("> ")
        program.say("a very long one\r")
        await program.shows("\n…")
        await program.shows(".")
        assert not program.modes & termios.ECHO
        program.say("\x03")
        await program.shows("\n\n(Stopped.)\n\n> ")
        assert "^C" not in program.screen
        program.say("exit\r")
        await program.shows("To go on with this conversation: ")
        assert await program.ends() == 0
        assert program.modes & termios.ECHO
    command = program.screen.rstrip().rsplit("conversation: ", 1)[1].split()
    assert command[-4:-1] == ["chat", "--sandbox", "--resume"]
    async with on_terminal(tmp_path / "data", *command[-4:]) as program:
        await program.shows("> a very long one\n")
        await program.shows("\n\n(Stopped.)\n\n> ")
        program.say("\x04")
        assert await program.ends() == 0


async def test_its_version_is_one_line(tmp_path):
    """`--version` says what runs here, and nothing is begun."""
    async with piped(tmp_path / "data", "--version") as program:
        assert await program.ends() == 0
    assert program.output == f"firsttoken {metadata.version('firsttoken')}\n"
    assert program.errors == ""
    assert not (tmp_path / "data").exists()


async def test_without_a_key_the_way_without_one_is_named():
    """Who has no key reads where to get one, and that --sandbox needs none."""
    with pytest.raises(SettingsError, match=r"^ANTHROPIC_API_KEY: .*chat --sandbox"):
        await first_run.chat(lambda: read(_env_file=None), sandbox=False, resume=None, stats=False)
