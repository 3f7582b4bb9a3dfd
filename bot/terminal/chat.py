"""A conversation of one person in one process: the terminal's share of the bot. Claims nothing, edits nothing.

It goes by the machine of every turn (`bot.turn.turn`): the same paths, attempts, note and retries, and the same
history. The text goes straight to the one who asked.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from bot.conversation import Author, Message, Place, StopReason, ThreadKey, Turn, Usage
from bot.intake import Access, Kind, classify
from bot.ports import History, Model, StoredAnswer
from bot.terminal import phrases
from bot.turn import (
    BUSY,
    INTERRUPTED_AGAIN,
    PATHS,
    AttemptResult,
    Order,
    Orders,
    Path,
    Policy,
    Question,
    Retries,
    ask,
    found,
    outcome_of,
    sentence_below,
    turn_of,
)

INSTALLATION = "terminal:local"


class Screen(Protocol):
    """Where a person reads along. Neither method may raise."""

    def write(self, text: str) -> None:
        """Show a piece of the answer, or of a note of the bot's own."""
        ...

    def wait(self, why: str = "") -> None:
        """Show that text is still to come, until the next `write`; `why` is empty for the usual reason."""
        ...


class _OnScreen:
    """Shows attempts one after the other on a screen; itself the text of the one that is being shown.

    Nothing stands behind it that could fail, and nothing is ever cut: a screen holds as much as is written.
    """

    attempt = 1
    editor = None

    def __init__(self, screen: Screen) -> None:
        self.overflow = asyncio.Event()
        self.first_token: float | None = None
        self._screen = screen
        self._began = _now()
        self._pieces: list[str] = []

    @property
    def reply(self) -> _OnScreen:
        return self

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    @property
    def exposed(self) -> bool:
        return bool(self.text.strip())

    def write(self, text: str) -> None:
        if self.first_token is None and text:
            self.first_token = _now() - self._began
        self._pieces.append(text)
        self._screen.write(text)

    def cut(self, below: str = "") -> bool:
        del below
        return False

    def restart(self) -> None:
        self.first_token = None
        self._began = _now()
        self._pieces.clear()

    def broke(self, count: int, end: AttemptResult) -> None:
        del count, end
        self._screen.wait()

    def busy(self) -> None:
        self._screen.wait(BUSY)

    async def interrupt(self) -> bool:
        self._screen.write(f"\n\n{INTERRUPTED_AGAIN}\n\n")
        self._screen.wait()
        return True

    def end(self, outcome: StoredAnswer) -> None:
        """Show what stands below the text."""
        if outcome.detail:
            self._screen.write(("\n\n" if self.text.strip() else "") + outcome.detail)


@dataclass(frozen=True, slots=True)
class Answered:
    """What one exchange came to.

    Args:
        stop: why it ended.
        usage: tokens; zeros when the answer did not come to its own end.
        first_token: seconds to the first text from asking, or from the end of the attempt before; None without any.
        total: seconds from the question to the end.
    """

    stop: StopReason
    usage: Usage = field(default_factory=Usage)
    first_token: float | None = None
    total: float = 0.0


class Chat:
    """One session.

    Args:
        model: whom to ask.
        history: where turns are kept.
        policy: the operator's choices.
        backoff: as `bot.turn.Services.backoff`.
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
        return "\n\n".join(filter(None, (turn.answer, sentence_below(turn.stop))))

    async def say(self, text: str, screen: Screen) -> Answered:
        """Answer `text` on `screen`, every piece as it arrives.

        Raises:
            StoreUnavailable: the history cannot be read or written; what was shown is not kept then.
        """
        self._orders = Orders()
        screen.wait()
        typed = self._message(text)
        kind, history = classify(typed, Access()), await self.turns()
        question = Question(self._key, (typed,), history, self._policy)
        if PATHS[found(kind, history=bool(history))] is not Path.ASK:
            if kind is Kind.RESET:
                await self._history.forget(self._key)
            screen.write(phrases.ANSWERS[kind])
            return Answered(StopReason.LOCAL)
        if kind is Kind.RETRY:
            question.again()
        began, shown, retries = _now(), _OnScreen(screen), Retries(self._policy, self._backoff)
        end, _ = await ask(self._model, question.request(), shown, self._orders, retries)
        outcome = outcome_of(end, shown)
        shown.end(outcome)
        turn = turn_of(secrets.token_hex(7), question, outcome, retries.broken)
        await self._history.append(self._key, turn, replaces=question.replaces)
        self._on_kept()
        return Answered(turn.stop, turn.usage, shown.first_token, _now() - began)

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
