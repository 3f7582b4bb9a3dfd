"""A conversation of one person in one process: the terminal's share of the bot. Claims nothing, edits nothing.

It asks through the same attempts as a turn on a platform, with the same note and the same retries, and keeps the same
history; the text goes straight to the one who asked.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from bot import context, phrases
from bot.attempt import End, Ended, attempt, conclude
from bot.commands import Access, Kind, classify
from bot.conversation import Author, Message, Place, Stop, ThreadKey, Turn, Usage
from bot.desk import Policy
from bot.lease import Order, Orders
from bot.ports import History, Model, Request

INSTALLATION = "terminal:local"


class Screen(Protocol):
    """Where a person reads along. Neither method may raise."""

    def write(self, text: str) -> None:
        """Show a piece of the answer, or of a note of the bot's own."""
        ...

    def wait(self, why: str = "") -> None:
        """Show that text is still to come, until the next `write`; `why` is empty for the usual reason."""
        ...


class _Attempted:
    """An attempt's text, on its way to the screen, and the seconds to the first of it."""

    def __init__(self, screen: Screen) -> None:
        self.overflow = asyncio.Event()
        self.first_token: float | None = None
        self._began = _now()
        self._pieces: list[str] = []
        self._screen = screen

    def write(self, text: str) -> None:
        if self.first_token is None:
            self.first_token = _now() - self._began
        self._pieces.append(text)
        self._screen.write(text)

    @property
    def text(self) -> str:
        return "".join(self._pieces)


@dataclass(frozen=True, slots=True)
class Answered:
    """What one exchange came to.

    Args:
        stop: why it ended.
        usage: tokens; zeros when the answer did not come to its own end.
        first_token: seconds from asking, the last time, to the first text; None without any.
        total: seconds from the question to the end.
    """

    stop: Stop
    usage: Usage = field(default_factory=Usage)
    first_token: float | None = None
    total: float = 0.0


class Chat:
    """One session.

    Args:
        model: whom to ask.
        history: where turns are kept.
        policy: the operator's choices.
        backoff: as `bot.desk.Desk.backoff`.
        session: the session's name; the same name goes on where it ended.
        on_kept: called whenever the history has a new turn of this session.
    """

    def __init__(
        self,
        model: Model,
        history: History,
        policy: Policy,
        backoff: Callable[[int, float | None], float],
        session: str,
        *,
        on_kept: Callable[[], None] = lambda: None,
    ) -> None:
        self.session = session
        self._model = model
        self._history = history
        self._policy = policy
        self._backoff = backoff
        self._on_kept = on_kept
        self._key = ThreadKey("terminal", "local", session)
        self._orders = Orders()

    def stop(self) -> None:
        """Stop the answer that is being written."""
        self._orders.give(Order.STOP)

    async def turns(self) -> tuple[Turn, ...]:
        """The session so far, oldest first. Raises StoreUnavailable."""
        return await self._history.load(self._key)

    def shown(self, turn: Turn) -> str:
        """The answer of an earlier turn as the person read it, with what stood below; empty where there was none."""
        return "\n\n".join(filter(None, (turn.answer, phrases.below(turn.stop))))

    async def say(self, text: str, screen: Screen) -> Answered:
        """Answer `text` on `screen`, every piece as it arrives.

        Raises:
            StoreUnavailable: the history cannot be read or written; what was shown is not kept then.
        """
        self._orders = Orders()
        screen.wait()
        question = self._message(text)
        kind = classify(question, Access())
        history = await self.turns()
        questions: tuple[Message, ...] = (question,)
        replaces: str | None = None
        match kind:
            case Kind.QUESTION:
                pass
            case Kind.RETRY if history:
                questions, replaces = history[-1].questions, history[-1].id
                history = history[:-1]
            case _:
                if kind is Kind.RESET:
                    await self._history.forget(self._key)
                screen.write(phrases.LOCAL_IN_TERMINAL[kind])
                return Answered(Stop.LOCAL)
        request = context.build(self._policy.system_prompt, history, questions, tokens=self._policy.context_tokens)
        began = _now()
        end, attempted, broken = await self._ask(request, screen)
        turn = self._turn(questions, end, attempted.text, broken, screen)
        await self._history.append(self._key, turn, replaces=replaces)
        self._on_kept()
        return Answered(turn.stop, turn.usage, attempted.first_token, _now() - began)

    async def _ask(self, request: Request, screen: Screen) -> tuple[End, _Attempted, int]:
        """Ask until an attempt is the last one; returns how it ended, itself, and how many broke."""
        broken = waits = 0
        busy_since: float | None = None
        while True:
            attempted = _Attempted(screen)
            end = await attempt(self._model, request, attempted, self._orders)
            text = attempted.text
            if end.how is Ended.BUSY and not text:
                busy_since = _now() if busy_since is None else busy_since
                waits += 1
                pause = self._backoff(waits, end.retry_after)
                if _now() - busy_since + pause > self._policy.busy_timeout:
                    break
                screen.wait(phrases.BUSY)
            elif end.how in (Ended.BROKE, Ended.BUSY):
                busy_since = None
                broken += 1
                pause = self._backoff(broken, end.retry_after)
                if broken >= self._policy.max_attempts:
                    break
                if text.strip():
                    screen.write(f"\n\n{phrases.INTERRUPTED_AGAIN}\n\n")
                screen.wait()
            else:
                break
            await self._orders.pause(pause)
        return end, attempted, broken

    def _turn(self, questions: tuple[Message, ...], end: End, text: str, broken: int, screen: Screen) -> Turn:
        """What is kept of the exchange, once the screen has the rest of it: a refusal's sentence, why it was cut."""
        conclusion = conclude(end, text)
        screen.write(conclusion.answer[len(text) :])
        if conclusion.sentence:
            gap = "\n\n" if text.strip() else ""
            screen.write(gap + conclusion.sentence)
        finished = end.finished
        return Turn(
            id=secrets.token_hex(7),
            questions=questions,
            answer=conclusion.answer,
            stop=conclusion.stop,
            usage=finished.usage if finished else Usage(),
            model=finished.model if finished else "",
            attempts=broken + (conclusion.stop is not Stop.FAILED),
            finished_at=time.time(),
        )

    def _message(self, text: str) -> Message:
        return Message(
            key=self._key,
            installation=INSTALLATION,
            id=secrets.token_hex(8),
            author=Author("you"),
            text=text,
            sent_at=time.time(),
            place=Place("terminal", direct=True),
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
