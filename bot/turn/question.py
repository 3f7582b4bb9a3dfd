"""What a turn asks: the messages frozen with its claim, after the history, completed by what the platform adds."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from bot.conversation import Message, ThreadKey, Turn
from bot.errors import PlatformError
from bot.ports import CompletesMessages, Platform, ReadsThread, Request
from bot.turn import request
from bot.turn.services import Policy
from bot.turn.writer import Writer

log = logging.getLogger(__name__)


class Question:
    """The question of one turn.

    Args:
        key: the thread.
        messages: what is asked.
        history: the thread's turns, oldest first.
        policy: the operator's choices.

    Attributes:
        messages: what is asked, in platform order.
        background: what was said in the thread before the bot was first addressed in it.
        replaces: the id of the turn whose answer this one takes the place of; None mostly.
    """

    def __init__(self, key: ThreadKey, messages: Sequence[Message], history: Sequence[Turn], policy: Policy) -> None:
        self.messages = tuple(messages)
        self.background: tuple[Message, ...] = ()
        self.replaces: str | None = None
        self._key = key
        self._history = tuple(history)
        self._policy = policy

    def again(self) -> None:
        """Ask the history's last question in place of this one."""
        last = self._history[-1]
        self.messages, self.background, self.replaces = last.questions, last.background, last.id
        self._history = self._history[:-1]

    async def complete(self, platform: Platform, writer: Writer) -> None:
        """Add what the platform knows besides: what was said before, people's names. What it cannot add is left out."""
        first = self.messages[0]
        try:
            if isinstance(platform, ReadsThread) and first.mid_thread and not (self._history or self.replaces):
                self.background = await writer.once(platform.thread_before(first))
            if isinstance(platform, CompletesMessages):
                whole = await writer.once(platform.complete((*self.background, *self.messages)))
                self.background, self.messages = whole[: len(self.background)], whole[len(self.background) :]
        except PlatformError as error:
            log.warning(
                "asking without names or the thread so far", extra={"conversation": str(self._key), "error": str(error)}
            )

    def request(self) -> Request:
        """Return what Claude is asked."""
        return request.build(
            self._policy.system_prompt,
            self._history,
            self.messages,
            background=self.background,
            tokens=self._policy.context_tokens,
        )
