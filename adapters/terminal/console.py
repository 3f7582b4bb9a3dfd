"""The bot in a terminal, or between pipes: reads questions, shows each answer as its text arrives."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Protocol

from adapters.terminal.keyboard import Keyboard, Piped, unseen
from adapters.terminal.screen import Screen
from bot.conversation import StopReason, Turn, Usage
from bot.errors import BotError

LEAVING = ("exit", "quit")

SHOWN_AGAIN = 3
"""Turns of a session that are shown when it goes on."""

TWICE_WITHIN = 1.0
"""Seconds between two Ctrl-C that end a program reading from a pipe, which may hold a thousand questions more."""


class Exchange(Protocol):
    """What one answer came to."""

    @property
    def stop(self) -> StopReason:
        """Why it ended."""
        ...

    @property
    def usage(self) -> Usage:
        """Its tokens; zeros when they are not known."""
        ...

    @property
    def first_token(self) -> float | None:
        """Seconds to the first token; None without any."""
        ...

    @property
    def total(self) -> float:
        """Seconds to its end."""
        ...


class Session(Protocol):
    """A conversation of one person."""

    @property
    def session(self) -> str:
        """Its name."""
        ...

    def stop(self) -> None:
        """Stop the answer that is being written."""
        ...

    async def turns(self) -> tuple[Turn, ...]:
        """What was said so far."""
        ...

    def shown(self, turn: Turn) -> str:
        """The answer of an earlier turn, as it was read; empty where there was none."""
        ...

    async def say(self, text: str, screen: Screen) -> Exchange:
        """Answer `text` on the screen."""
        ...


class Console:
    """One session on standard input and output.

    Args:
        session: whom to talk to.
        who: what answers, in words.
        resumed: the session is meant to go on.
        again: the command that goes on with it later.
        stats: show tokens and times after each answer.
    """

    def __init__(self, session: Session, *, who: str, resumed: bool, again: str, stats: bool) -> None:
        self._session = session
        self._who = who
        self._resumed = resumed
        self._again = again
        self._stats = stats
        self._typed = sys.stdin.isatty() and sys.stdout.isatty()
        self._screen = Screen(live=self._typed, on_left=session.stop)
        self._said = self._reading = self._ended = self._broken_off = False
        self._interrupted_at = -TWICE_WITHIN

    async def run(self) -> int:
        """Talk until `exit`, Ctrl-D or the end of the input.

        Returns:
            The exit status: between pipes 1 when an answer failed, and 130 when Ctrl-C ended it; else 0.

        Raises:
            StoreUnavailable: the session cannot be read.
        """
        with self._signals(asyncio.get_running_loop()):
            turns = await self._session.turns()
            if self._resumed and not turns:
                self._screen.problem(f"Nothing is remembered of a session {self._session.session}: it begins now.")
            self._said = bool(turns)
            lines: Keyboard | Piped = Piped()
            if self._typed:
                self._greet(turns)
                lines = Keyboard(question.text for turn in turns for question in turn.questions)
            status = await self._talk(lines)
            if self._typed and self._said:
                self._screen.line(f"To go on with this conversation: {self._again}")
        if self._screen.trouble:
            self._screen.problem(f"The answer cannot be written: {self._screen.trouble}.")
            status = 1
        self._screen.close()
        return 0 if self._typed else status

    def _greet(self, turns: tuple[Turn, ...]) -> None:
        self._screen.line(f"Ask {self._who}.\nCtrl-C stops an answer, Ctrl-D leaves, help says more.\n")
        for turn in turns[-SHOWN_AGAIN:]:
            for question in turn.questions:
                self._screen.line(f"> {question.text}")
            self._screen.line(f"{self._session.shown(turn) or '(no answer)'}\n")

    async def _talk(self, lines: Keyboard | Piped) -> int:
        failed = False
        while not (self._ended or self._screen.left):
            try:
                line = self._read(lines)
            except KeyboardInterrupt:
                if not self._typed:
                    return 130
                self._screen.write("\n(Ctrl-D or exit leaves.)\n")
                continue
            except EOFError:
                line = None
            if line is None and self._typed:
                self._screen.write("\n")
            if line is None or line.strip().lower() in LEAVING:
                break
            if line.strip():
                failed = not await self._exchange(line) or failed
        return 130 if self._broken_off else int(failed)

    def _read(self, lines: Keyboard | Piped) -> str | None:
        """Blocks the loop: nothing else goes on while a person thinks."""
        try:
            self._reading = True
            return lines.read()
        finally:
            self._reading = False

    async def _exchange(self, line: str) -> bool:
        try:
            with unseen() if self._typed else nullcontext():
                answered = await self._session.say(line, self._screen)
        except BotError as error:
            self._screen.problem(f"{error} What was said last is not remembered.")
            return False
        self._screen.end_line()
        if answered.stop is not StopReason.LOCAL:
            self._said = True
            if self._stats:
                self._screen.line(_figures(answered))
        if self._typed:
            self._screen.line()
        return answered.stop is not StopReason.FAILED

    @contextmanager
    def _signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Ctrl-C stops the answer or forgets the line; SIGTERM and a terminal that closes end the program in order."""

        def interrupted(*_: object) -> None:
            if self._reading:
                raise KeyboardInterrupt
            now = time.monotonic()
            if not self._typed and now - self._interrupted_at < TWICE_WITHIN:
                self._ended = self._broken_off = True
            self._interrupted_at = now
            loop.call_soon_threadsafe(self._session.stop)

        def ended(*_: object) -> None:
            self._ended = True
            if self._reading:
                raise EOFError
            loop.call_soon_threadsafe(self._session.stop)

        before = {
            number: signal.signal(number, interrupted if number is signal.SIGINT else ended)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(number) is not signal.SIG_IGN  # as nohup and a shell's `&` have it
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _figures(answered: Exchange) -> str:
    usage = answered.usage
    tokens = "tokens unknown"  # Claude tells at the end, and this answer had none
    if usage.output:
        sent = usage.input + usage.cache_write + usage.cache_read
        tokens = f"{sent} tokens in ({usage.cache_read} cached), {usage.output} out"
    first = "none" if answered.first_token is None else f"after {answered.first_token:.2f} s"
    return f"[{tokens}; first token {first}, whole answer {answered.total:.2f} s]"
