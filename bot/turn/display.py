"""What one turn shows on its platform: a reply for each attempt, the status before it, the place they go to.

It knows how attempts look, not what follows them: that is `bot.turn.turn`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence

from bot.conversation import MessageRef, Place, StopReason
from bot.errors import MessageGone, PlaceClosed
from bot.ports import Button, Claim, Part, Platform, ShowsButtons, ShowsStatus, StoredAnswer, Write
from bot.text import title
from bot.turn import buttons, phrases
from bot.turn.abandoned import nonce_base
from bot.turn.attempt import AttemptResult
from bot.turn.place import opened
from bot.turn.record import RecordWriter
from bot.turn.reply import PLACEHOLDER, Reply
from bot.turn.services import Policy
from bot.turn.status import Status
from bot.turn.writer import Writer

log = logging.getLogger(__name__)


class Display:
    """The messages of one turn.

    Args:
        claim: whose they are.
        platform: where they are written.
        writer: carries the writes out.
        record: told of every message that is posted, and of every attempt that is brought to its end.
        policy: the operator's choices.

    Attributes:
        attempts: the highest attempt number that was ever used; set before anything is shown.
        place: where the answer goes, as far as it is opened.
        editor: see `bot.turn.attempt`; None while nothing was begun.
    """

    def __init__(self, claim: Claim, platform: Platform, writer: Writer, record: RecordWriter, policy: Policy) -> None:
        self.attempts = 0
        self.place: Place = claim.place
        self.editor: asyncio.Task[None] | None = None
        self._claim = claim
        self._platform = platform
        self._writer = writer
        self._record = record
        self._policy = policy
        self._status = Status(platform if isinstance(platform, ShowsStatus) else None, writer)
        self._reply: Reply | None = None
        self._first_text_at: float | None = None

    @property
    def reply(self) -> Reply:
        """The reply that was begun last."""
        assert self._reply is not None, "nothing was begun"  # noqa: S101 - a caller's mistake
        return self._reply

    @property
    def first_text_at(self) -> float | None:
        """Seconds of the event loop at which the turn's first text was confirmed; None before."""
        return self._first_text_at or (self._reply.first_text_at if self._reply else None)

    def begin(self, *, bare: bool = True) -> None:
        """Begin the next attempt's reply; in a crowd without a placeholder (`bare`), where a status shows instead."""
        self.attempts += 1
        reply = self._make_reply(self.attempts, growing=self._buttons(buttons.growing(self._claim.turn_id)))
        self._status.show(self.place)
        crowded = self._writer.pacer.crowded(self._platform.rate_limits(Write.EDIT, self.place))
        bare = bare and crowded and isinstance(self._platform, ShowsStatus)
        self.editor = reply.begin(None if bare else PLACEHOLDER, open_place=self._open)

    def deleted(self, message_id: str) -> None:
        """A message of the thread was deleted; if it is one that still grows, its attempt ends."""
        if self._reply is not None:
            self._reply.deleted(message_id)

    def broke(self, count: int, end: AttemptResult) -> None:
        """Note that the stream broke, as the `count`-th of this turn."""
        self._record.note(attempts=count, partial=self.reply.text)
        why = str(end.error or "no text")
        log.info("stream broke", extra={**self._claim.names(), "attempt": count, "error": why})

    def busy(self) -> None:
        """Say that Claude is busy."""
        self.reply.say(phrases.BUSY)

    async def interrupt(self) -> bool:
        """End a broken attempt's messages with the note, begin the next; False when nothing can be shown any more."""
        if not await self._note():
            return False
        self.begin()
        return True

    async def say(self, text: str) -> None:
        """Show a sentence of the bot's own."""
        self.attempts += 1
        reply = self._make_reply(self.attempts)
        reply.write(text)
        reply.begin(None, open_place=self._open)
        await self._shown(reply.finish())

    async def deliver(self, outcome: StoredAnswer) -> bool:
        """Bring the reply to its end: an answer whole, what a failure has torn off as it last looked.

        Returns False when a person removed it or the place closed.
        """
        below = self._buttons(buttons.ended(self._claim.turn_id, outcome.stop))
        if outcome.stop is StopReason.FAILED:
            keep = self._policy.keep_partials
            return await self._shown(self.reply.interrupt(outcome.detail, keep=keep, buttons=below))
        return await self._shown(self.reply.finish(outcome.detail, below))

    async def deliver_stored(self, outcome: StoredAnswer) -> None:
        """Show the answer that an earlier worker finished and could not bring to its end."""
        reply = self._make_reply(outcome.attempt, name=self.attempts + 1)
        reply.adopt([part for part in self._claim.parts if part.attempt == outcome.attempt])
        reply.write(outcome.answer)
        reply.begin(None, open_place=self._open)
        await self.deliver(outcome)

    async def end_unanswered(self, *, keep: bool) -> None:
        """Leave the turn to another claim: end the messages with the note (`keep`), or remove them."""
        if keep:
            await self._note()
        else:
            await self.reply.withdraw()
            self._record.note(settled=self.reply.attempt)

    def hide_status(self) -> None:
        """Take the status away; returns at once."""
        self._status.hide()

    def late(self) -> tuple[Sequence[MessageRef], str]:
        """Return the messages that readers may have seen text in, and that text."""
        reply = self._reply
        return (reply.messages, reply.text) if reply is not None and reply.exposed else ((), "")

    async def close(self) -> None:
        """Write nothing more; return when no call is in flight."""
        if self._reply is not None:
            await self._reply.abandon()
        await self._status.close()
        await self._writer.settle()

    def _buttons(self, wanted: tuple[Button, ...]) -> tuple[Button, ...]:
        """Return buttons where the platform shows any."""
        shows = isinstance(self._platform, ShowsButtons) and self._platform.shows_buttons(self.place)
        return wanted if shows else ()

    def _make_reply(self, number: int, *, name: int | None = None, growing: tuple[Button, ...] = ()) -> Reply:
        def posted(part: Part) -> None:
            self._record.note(part=part, place=self.place)
            if not reply.exposed:
                self._status.show(self.place)

        def exposed() -> None:
            self._status.hide()
            self._record.note(shown=number)

        if self._reply is not None and self._first_text_at is None:
            self._first_text_at = self._reply.first_text_at
        reply = self._reply = Reply(
            self._writer,
            self.place,
            nonce_base(self._claim.turn_id, name or number),
            number,
            max_parts=self._policy.max_parts,
            buttons=growing,
            on_posted=posted,
            on_exposed=exposed,
        )
        return reply

    async def _open(self) -> Place:
        """Open the place, once."""
        if self._claim.place.root is None or self.place != self._claim.place:
            return self.place
        self.place = await opened(self._writer, self._claim.place, title(self._claim.messages[0].text))
        return self.place

    async def _note(self) -> bool:
        shown = await self._shown(self.reply.interrupt(phrases.INTERRUPTED_AGAIN, keep=self._policy.keep_partials))
        if shown:
            self._record.note(settled=self.reply.attempt)
        return shown

    async def _shown(self, ending: Awaitable[None]) -> bool:
        """Await the end of some messages; False when a person removed them or the place closed."""
        try:
            await ending
        except (MessageGone, PlaceClosed) as error:
            log.info("the end is not shown", extra={**self._claim.names(), "error": str(error)})
            return False
        return True
