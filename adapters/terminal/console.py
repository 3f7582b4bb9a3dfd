"""The bot in a terminal: reads lines and shows the answer as its text arrives, without colour or cursor codes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Callable
from typing import Protocol

from bot.conversation import Stop, Turn, Usage
from bot.errors import BotError


class Exchange(Protocol):
    """What one answer came to."""

    @property
    def stop(self) -> Stop:
        """Why it ended."""
        ...

    @property
    def usage(self) -> Usage:
        """Its tokens."""
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
        """Its name, for `--resume`."""
        ...

    def stop(self) -> None:
        """Stop the answer that is being written."""
        ...

    async def turns(self) -> tuple[Turn, ...]:
        """What was said so far."""
        ...

    async def say(self, text: str, show: Callable[[str], None]) -> Exchange:
        """Answer `text`, handing every piece to `show`."""
        ...


class Console:
    """One session on standard input and output.

    Args:
        session: whom to talk to.
        stats: show tokens and times after each answer.
    """

    def __init__(self, session: Session, *, stats: bool) -> None:
        self._session = session
        self._stats = stats
        self._typed = sys.stdin.isatty() and sys.stdout.isatty()
        self._answering = False

    async def run(self) -> int:
        """Talk until `exit`, Ctrl-D or the end of the input; returns the exit status (1 when a piped answer failed)."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupted)
        failed = False
        try:
            if self._typed:
                await self._greet()
            while (line := await self._read()) is not None:
                if line.strip().lower() in ("exit", "quit"):
                    break
                if line.strip():
                    failed = not await self._exchange(line) or failed
        finally:
            loop.remove_signal_handler(signal.SIGINT)
        if self._typed:
            print(f"To go on with this conversation: --resume {self._session.session}")
        return 1 if failed and not self._typed else 0

    async def _greet(self) -> None:
        print("Ask Claude. Ctrl-C stops an answer; exit or Ctrl-D leaves.")
        for turn in (await self._session.turns())[-3:]:
            for question in turn.questions:
                print(f"\n> {question.text}")
            print(f"\n{turn.answer or '(no answer)'}")

    async def _exchange(self, line: str) -> bool:
        self._answering = True
        try:
            answered = await self._session.say(line, self._show)
        except BotError as error:
            print(f"\n{error}", flush=True)
            return False
        finally:
            self._answering = False
        print(flush=True)
        if self._stats:
            print(_figures(answered), flush=True)
        if self._typed:
            print()
        return answered.stop is not Stop.FAILED

    def _show(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def _interrupted(self) -> None:
        if self._answering:
            self._session.stop()
        elif self._typed:
            print("\n(exit or Ctrl-D leaves)\n> ", end="", flush=True)

    async def _read(self) -> str | None:
        """The next line; None at the end of the input. Read in a thread of its own: waiting for a person blocks."""
        loop = asyncio.get_running_loop()
        line: asyncio.Future[str | None] = loop.create_future()

        def give(value: str | None) -> None:
            if not line.done():
                line.set_result(value)

        def read() -> None:
            try:
                value = input("> ") if self._typed else _plain_line()
            except EOFError:
                value = None
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                loop.call_soon_threadsafe(give, value)

        threading.Thread(target=read, name="input", daemon=True).start()
        return await line


def _plain_line() -> str | None:
    line = sys.stdin.readline()
    return line.rstrip("\n") if line else None


def _figures(answered: Exchange) -> str:
    first = "-" if answered.first_token is None else f"{answered.first_token:.2f} s"
    usage = answered.usage
    return (
        f"[{usage.input} tokens in ({usage.cache_read} cached), {usage.output} out; first token {first}, "
        f"whole answer {answered.total:.2f} s]"
    )
