"""A conversation of one person in one process: the terminal's share of the bot. Claims nothing, edits nothing.

It asks through the same attempts as a turn on a platform, with the same note and the same retries, and keeps the same
history; the text goes straight to the one who asked.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from bot import context, phrases
from bot.attempt import Ended, attempt, conclude
from bot.commands import Access, Kind, classify
from bot.conversation import Author, Message, Place, Stop, ThreadKey, Turn, Usage
from bot.desk import Policy
from bot.lease import Order, Orders
from bot.ports import History, Model, Request

INSTALLATION = "terminal:local"


class _Screen:
    """Where an attempt's text goes, and what was written of it."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self.overflow = asyncio.Event()
        self.pieces: list[str] = []
        self._show = show

    def write(self, text: str) -> None:
        self.pieces.append(text)
        self._show(text)


@dataclass(frozen=True, slots=True)
class Answered:
    """What one exchange came to: why it ended, tokens, and seconds to the first token and to the end."""

    stop: Stop
    usage: Usage
    first_token: float | None
    total: float


class Chat:
    """One session.

    Args:
        model: whom to ask.
        history: where turns are kept.
        policy: the operator's choices.
        backoff: as `bot.desk.Desk.backoff`.
        session: the session's name; the same name goes on where it ended.
    """

    def __init__(
        self,
        model: Model,
        history: History,
        policy: Policy,
        backoff: Callable[[int, float | None], float],
        session: str,
    ) -> None:
        self.session = session
        self._model = model
        self._history = history
        self._policy = policy
        self._backoff = backoff
        self._key = ThreadKey("terminal", "local", session)
        self._orders = Orders()

    def stop(self) -> None:
        """Stop the answer that is being written."""
        self._orders.give(Order.STOP)

    async def turns(self) -> tuple[Turn, ...]:
        """The session so far, oldest first."""
        return await self._history.load(self._key)

    async def say(self, text: str, show: Callable[[str], None]) -> Answered:
        """Answer `text`, handing every piece to `show` as it arrives.

        Raises:
            StoreUnavailable: the history cannot be read or written; what was shown is not kept then.
        """
        self._orders = Orders()
        question = self._message(text)
        kind = classify(question, Access())
        history = await self.turns()
        questions: tuple[Message, ...] = (question,)
        replaces: str | None = None
        match kind:
            case Kind.RETRY if history:
                questions, replaces = history[-1].questions, history[-1].id
                history = history[:-1]
            case Kind.QUESTION:
                pass
            case _:
                if kind is Kind.RESET:
                    await self._history.forget(self._key)
                show(phrases.LOCAL[kind])
                return Answered(Stop.LOCAL, Usage(), None, 0.0)
        request = context.build(self._policy.system_prompt, history, questions, tokens=self._policy.context_tokens)
        began = time.monotonic()
        turn, first_token = await self._ask(request, questions, show)
        await self._history.append(self._key, turn, replaces=replaces)
        return Answered(turn.stop, turn.usage, first_token, time.monotonic() - began)

    async def _ask(
        self, request: Request, questions: tuple[Message, ...], show: Callable[[str], None]
    ) -> tuple[Turn, float | None]:
        broken = waits = 0
        waiting_since: float | None = None
        while True:
            screen = _Screen(show)
            end = await attempt(self._model, request, screen, self._orders)
            text = "".join(screen.pieces)
            if end.how is Ended.BUSY and not text:
                waits += 1
                waiting_since = waiting_since or time.monotonic()
                pause = self._backoff(waits, end.retry_after)
                if time.monotonic() - waiting_since + pause <= self._policy.busy_timeout:
                    if waits == 1:
                        show(phrases.BUSY + "\n")
                    await self._orders.pause(pause)
                    continue
            elif end.how in (Ended.BROKE, Ended.BUSY):
                broken += 1
                if broken < self._policy.max_attempts:
                    if text:
                        show(f"\n\n{phrases.INTERRUPTED_AGAIN}\n\n")
                    await self._orders.pause(self._backoff(broken, end.retry_after))
                    continue
            break
        conclusion = conclude(end, text)
        answer, stop = conclusion.answer, conclusion.stop
        show(answer[len(text) :])
        if conclusion.sentence:
            show(f"\n\n{conclusion.sentence}" if text else conclusion.sentence)
        finished = end.finished
        turn = Turn(
            id=secrets.token_hex(7),
            questions=questions,
            answer=answer,
            stop=stop,
            usage=finished.usage if finished else Usage(),
            model=finished.model if finished else "",
            attempts=broken + (stop is not Stop.FAILED),
            finished_at=time.time(),
        )
        return turn, finished.first_token if finished else None

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
