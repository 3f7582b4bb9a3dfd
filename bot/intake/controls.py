"""What people want of an answer by pressing a button below it: who may, and how it is carried out.

A press that asks Claude becomes a message in the thread's mailbox, under an id that is the same for everybody who
presses: two people at once are one. Everything else is done in the store. Any process can carry out any press, however
long ago the button was written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from bot.conversation import Control, Message, Press, Rating, ThreadKey, Turn
from bot.intake.access import Access
from bot.ports import History, Mailbox, PressResult

log = logging.getLogger(__name__)

WORDS = {Control.RETRY: "retry", Control.CONTINUE: "Please continue."}
"""What a press says in place of the person."""

OVER = "This answer is finished: there is nothing to stop."
NOT_YOURS = "Only the person who asked can do that here."
MOVED_ON = "The conversation has gone on since then. Please write below instead."
FORGOTTEN = "I no longer remember this answer."
UNDER_WAY = "That is under way already."
THANKS = "Thank you. Your feedback is stored with the answer."

LOOKS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between looks at a turn that is shown whole and not stored yet."""

LONGEST_WORDS = 4_000
"""Characters of feedback that are kept: as many as a form on Discord takes."""


class Controlled(Mailbox, History, Protocol):
    """Where presses are carried out."""


class Controls:
    """Carries presses out.

    Args:
        store: where turns are.
        access: who may.
    """

    def __init__(self, store: Controlled, access: Access) -> None:
        self._store = store
        self._access = access

    async def press(self, press: Press) -> PressResult:
        """See `bot.ports.Inbox.press`."""
        ref = press.message
        key = await self._store.key_of(press.installation, f"{ref.channel}:{ref.id}")
        if key is None:
            return PressResult(done=False, told=FORGOTTEN)
        result = await (self._stop(key, press) if press.control is Control.STOP else self._after(key, press))
        names = {"key": str(key), "turn": press.turn_id, "control": press.control.value}
        log.info("pressed", extra={**names, "done": result.done})
        return result

    async def _stop(self, key: ThreadKey, press: Press) -> PressResult:
        turn_id, asked = await self._store.running(key, press.installation)
        if turn_id != press.turn_id:
            return PressResult(done=False, told=OVER)
        if not self._may(press, asked):
            return PressResult(done=False, told=NOT_YOURS)
        stopped = await self._store.amend(key, press.installation, turn_id=turn_id)
        return PressResult(done=stopped, told="" if stopped else OVER)

    async def _after(self, key: ThreadKey, press: Press) -> PressResult:
        """Carry out what can be wanted of an answer that has ended."""
        turns, turn = await self._ended(key, press)
        if turn is None:
            return PressResult(done=False, told=FORGOTTEN)
        if not self._may(press, turn.questions):
            return PressResult(done=False, told=NOT_YOURS)
        if press.control in (Control.GOOD, Control.BAD):
            rating = Rating(good=press.control is Control.GOOD, words=press.words[:LONGEST_WORDS])
            await self._store.rate(key, turn.id, press.author.id, rating)
            return PressResult(done=True, told=THANKS)
        if turn is not turns[-1]:
            return PressResult(done=False, told=MOVED_ON)
        new = await self._store.submit(_spoken(key, press), alone=True)
        return PressResult(done=new, told="" if new else UNDER_WAY)

    async def _ended(self, key: ThreadKey, press: Press) -> tuple[tuple[Turn, ...], Turn | None]:
        """Return the history and the turn in it. The last edit shows the buttons a moment before the turn is stored."""
        turns: tuple[Turn, ...] = ()
        for pause in LOOKS:
            running, _ = await self._store.running(key, press.installation)  # first: what has ended by then is stored
            turns = await self._store.load(key)
            turn = next((turn for turn in reversed(turns) if turn.id == press.turn_id), None)
            if turn is not None or running != press.turn_id:
                return turns, turn
            await asyncio.sleep(pause)
        return turns, None

    def _may(self, press: Press, asked: Iterable[Message]) -> bool:
        if press.author.id in self._access.denied:
            return False
        asker = press.author.id in {message.author.id for message in asked}
        return asker or press.moderates or press.author.id in self._access.admins


def _spoken(key: ThreadKey, press: Press) -> Message:
    return Message(
        key=key,
        installation=press.installation,
        id=f"{press.control}:{press.turn_id}",
        author=press.author,
        text=WORDS[press.control],
        sent_at=press.pressed_at,
        place=press.place,
        about=press.turn_id,
    )
