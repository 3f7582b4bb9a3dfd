"""What the reader sees of one attempt: a placeholder that grows into the answer, over as many messages as it takes.

The stream's reader calls `write` and never waits. One editor task brings the platform's messages up to the newest
text: one write in flight, in reading order, identical text never sent, paced by `Writer`. However an attempt ends,
`finish` or `interrupt` brings its messages to their last text and returns only when the platform has confirmed them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from bot.conversation import MessageRef, Place
from bot.errors import ContentRefused, MessageFrozen, MessageGone, PlaceClosed, PlatformError, TooLong
from bot.pacing import LiveReply, Urgency
from bot.ports import Button, Content, Part, Receipt, Write
from bot.turn import phrases
from bot.turn.draft import Draft
from bot.turn.posted import PostedMessages
from bot.turn.writer import Writer

log = logging.getLogger(__name__)

PLACEHOLDER = "…"
POST_FALLBACK = 0.5
"""Seconds a first text or an end waits for an edit before it goes out as a new message: hardly noticed."""

RELIMITS = 4
"""How often one reply is laid out anew for a lower limit before its text counts as refused."""


class Reply:
    """The messages of one attempt.

    Args:
        writer: carries the writes out.
        place: where they go.
        name: what the nonces of its messages begin with; each ends with a number (at most 25 characters in all).
        attempt: its number.
        max_parts: messages the answer may fill.
        buttons: what can be pressed below it while it grows.
        on_posted: told of every message posted; must not block.
        on_exposed: told once, when readers are about to see text; must not block.

    Attributes:
        exposed: whether readers may have seen text.
        first_text_at: seconds of the event loop at which the first text was confirmed; None before.
    """

    def __init__(
        self,
        writer: Writer,
        place: Place,
        name: str,
        attempt: int,
        *,
        max_parts: int,
        buttons: tuple[Button, ...] = (),
        on_posted: Callable[[Part], None],
        on_exposed: Callable[[], None],
    ) -> None:
        self.attempt = attempt
        self.exposed = False
        self.first_text_at: float | None = None
        self._writer = writer
        self._place = place
        self._name = name
        self._buttons = buttons
        self._on_posted = on_posted
        self._on_exposed = on_exposed
        self._draft = Draft(lambda: writer.platform.dialect(self._place), max_parts)
        self._live_reply = self._new_live_reply()
        self._messages = PostedMessages()
        self._posted = 0
        self._relimits = 0
        self._gone = False
        self._bare = True
        self._changed = asyncio.Event()
        self._standing = asyncio.Event()
        self._editor: asyncio.Task[None] | None = None

    # --- what the turn says ---------------------------------------------------------------------------------

    def begin(
        self,
        placeholder: str | None = PLACEHOLDER,
        *,
        open_place: Callable[[], Awaitable[Place]] | None = None,
    ) -> asyncio.Task[None]:
        """Start editing: post the placeholder, then the text as it comes.

        Args:
            placeholder: what stands there while there is no text; None posts nothing before the first text.
            open_place: makes the place ready first; text may come meanwhile.

        Returns:
            The editor, which ends before `finish` only by failing: with MessageGone when a person deleted a message,
            or another error that repeating does not mend.
        """
        self._draft.placeholder = placeholder
        self._editor = asyncio.create_task(self._edit(open_place), name=f"editor {self._name}")
        return self._editor

    def adopt(self, parts: Sequence[Part]) -> None:
        """Take over messages that an earlier worker posted for this attempt; what they show is not known."""
        self._messages.adopt(parts)
        self._posted = len(parts)
        self.exposed = True

    def write(self, text: str) -> None:
        """Add a piece of the answer. Returns at once."""
        self._draft.write(text)
        self._live_reply.received(len(text))
        if not self._changed.is_set():
            self._changed.set()

    def deleted(self, message_id: str) -> None:
        """A person deleted a message there. If it is one that still grows, the editor fails with MessageGone."""
        if self._messages.holds(message_id):
            self._gone = True
            self._changed.set()

    async def stands(self, ordered: asyncio.Event) -> None:
        """Wait until the first message is there, or there is an order. Raises what the editor failed with."""
        editor = self._editor or self.begin(self._draft.placeholder)
        events = [asyncio.create_task(event.wait()) for event in (self._standing, ordered)]
        try:
            await asyncio.wait({editor, *events}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in events:
                waiting.cancel()
        if editor.done():
            editor.result()

    def say(self, placeholder: str) -> None:
        """Change what stands there while there is no text."""
        self._draft.placeholder = placeholder
        self._changed.set()

    def restart(self) -> None:
        """Begin again in the same messages; only while no text was shown."""
        self._draft.clear()
        self._live_reply.close()
        self._live_reply = self._new_live_reply()

    async def finish(self, trailer: str = "", buttons: tuple[Button, ...] = ()) -> None:
        """Show everything, `trailer` and buttons below it; return when the platform has confirmed every message."""
        self._buttons = buttons
        self._end(trailer)
        await self._edited()

    async def interrupt(self, note: str, *, keep: bool, buttons: tuple[Button, ...] = ()) -> None:
        """End the attempt's messages as abandoned.

        Args:
            note: the sentence that says so.
            keep: the partial text stays as it last looked, with the note below it; otherwise the first message becomes
                the note and the others go.
            buttons: what can be pressed below it.
        """
        self._buttons = buttons
        if keep:
            self._draft.cut(note)
        else:
            self._draft.clear()
        self._end(note, whole=False)
        await self._edited()

    async def withdraw(self) -> None:
        """Remove every message of this attempt; one that may not be deleted becomes the note."""
        await self.abandon()
        for ref in [*self._messages.superseded, *self._messages.refs]:
            try:
                await self._writer.remove(self._place, ref, phrases.INTERRUPTED_AGAIN, Urgency.HOUSEKEEPING)
            except (MessageGone, MessageFrozen, PlaceClosed) as error:
                log.warning("cannot remove a message", extra={"error": str(error)})
        self._messages.superseded.clear()
        self._messages.forget(0)

    async def abandon(self) -> None:
        """Write nothing more; return when no call is in flight. Can be repeated."""
        if self._editor is not None:
            self._editor.cancel()
            await asyncio.wait({self._editor})
        await self._writer.settle()
        self._live_reply.close()

    # --- what the turn asks ---------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """All text received."""
        return self._draft.text

    @property
    def overflow(self) -> asyncio.Event:
        """Set when the text needs more messages than the answer may fill."""
        return self._draft.overflow

    @property
    def messages(self) -> list[MessageRef]:
        """The messages in which the answer stands, in reading order."""
        return self._messages.refs

    def cut(self, below: str = "") -> bool:
        """Drop what does not fit `max_parts` messages with a sentence `below` it; returns whether there was any."""
        return self._draft.cut(below)

    # --- the editor -----------------------------------------------------------------------------------------

    def _new_live_reply(self) -> LiveReply:
        return self._writer.pacer.live_reply(self._writer.platform.rate_limits(Write.EDIT, self._place))

    def _end(self, trailer: str, *, whole: bool = True) -> None:
        self._draft.end(trailer, whole=whole)
        self._live_reply.end()
        self._changed.set()

    async def _edited(self) -> None:
        editor = self._editor or self.begin(self._draft.placeholder)
        try:
            await asyncio.shield(editor)
        finally:
            if editor.done():
                self._live_reply.close()

    async def _edit(self, open_place: Callable[[], Awaitable[Place]] | None) -> None:
        """Bring the messages up to the newest text until the end was confirmed."""
        if open_place:
            self._place = await open_place()
        while True:
            self._changed.clear()
            if self._gone and not self._draft.ended:
                raise MessageGone("a person deleted it")
            index = self._messages.behind(self._pages(), growing=not self._draft.ended)
            if index is not None:
                await self._bring_up(index)
            elif self._draft.ended:
                await self._remove_surplus()
                return
            else:
                await self._changed.wait()

    def _pages(self) -> list[Content]:
        """What each message should show now; the buttons are below the last."""
        pages = [Content(text) for text in self._draft.pages()]
        return [*pages[:-1], replace(pages[-1], buttons=self._buttons)] if pages else []

    async def _bring_up(self, index: int) -> None:
        try:
            if index == len(self._messages):
                await self._post(index)
            else:
                await self._replace(index)
        except TooLong:
            self._relimits += 1
            if self._relimits > RELIMITS:
                self._messages.refuse(index)
            else:
                shown = (self._messages[before].shown for before in range(index))
                self._draft.relimit([None if content is None else content.text for content in shown])
        except ContentRefused:
            self._messages.refuse(index)

    async def _post(self, index: int, *, admitted: bool = False) -> None:
        def posted(receipt: Receipt, content: Content | None) -> None:
            self._messages.add(receipt.ref)
            self._posted += 1
            self._standing.set()
            self._on_posted(Part(self.attempt, index, receipt.ref))
            self._confirm(index, receipt, content)

        nonce = f"{self._name}{self._posted}"
        who = self._live_reply if self._draft.text or self._draft.ended else Urgency.FIRST
        await self._writer.post(self._place, lambda: self._newest(index), nonce, who, posted, admitted=admitted)

    async def _replace(self, index: int) -> None:
        message = self._messages[index]
        # What a dead worker left may show the whole text already: another message could only double it.
        last = index == len(self._messages) - 1 and not message.adopted
        if last and await self._writer.first_free(self._place, self._live_reply, POST_FALLBACK) is Write.POST:
            await self._supersede(index)
            return
        try:
            done = await self._writer.edit(
                self._place, message.ref, lambda: self._newest(index), self._live_reply, admitted=last
            )
        except MessageFrozen as error:
            await self._move(index, error)
        except MessageGone:
            if not message.adopted:
                raise
            # The worker that posted it may have moved it; a person's deletion would cost one message more.
            self._messages.forget(index)
        else:
            if done:
                self._confirm(index, *done)

    def _newest(self, index: int) -> Content | None:
        """What a message shows at this moment; None when it already shows that. Readers are about to see it."""
        pages = self._pages()
        if index >= len(pages):
            return None
        wanted = self._messages.wanted(index, pages[index])
        if self._messages.shows(index, wanted):
            return None
        self._bare = not self._draft.ended and wanted.text == self._draft.placeholder
        if not self._bare and not self.exposed:
            self.exposed = True
            self._on_exposed()
        return wanted

    def _confirm(self, index: int, receipt: Receipt, content: Content | None) -> None:
        """Remember what a message shows."""
        message = self._messages[index]
        message.adopted = False
        message.shown = content
        if content is None:
            return
        text = content.text
        if receipt.stored is not None and receipt.stored.strip() != text.strip():
            log.warning(
                "the platform stored another text than it was given",
                extra={"part": index, "given": len(text), "stored": len(receipt.stored)},
            )
            if not (message.rewritten or self._messages.frozen):  # a new message would be stored no better
                message.rewritten, message.shown = True, None
        if not self._bare:
            if self.first_text_at is None:
                self.first_text_at = asyncio.get_running_loop().time()
            self._live_reply.shown(len(self._draft.covered(index + 1)))

    async def _supersede(self, index: int) -> None:
        """Show a first text or an end in a new message, since its edit would come late, and remove the old one."""
        self._messages.retire(index)
        await self._post(index, admitted=True)
        await self._remove_superseded()

    async def _move(self, index: int, error: PlatformError) -> None:
        """Go on in new messages from a frozen one on; the old ones go where they can."""
        log.info("message can no longer be edited, going on in a new one", extra={"part": index, "error": str(error)})
        self._messages.frozen = True
        self._messages.retire(index)
        await self._remove_superseded()

    async def _remove_surplus(self) -> None:
        self._messages.retire(len(self._draft.pages()))
        await self._remove_superseded()

    async def _remove_superseded(self) -> None:
        while self._messages.superseded:
            await self._remove(self._messages.superseded[0])
            self._messages.superseded.pop(0)

    async def _remove(self, ref: MessageRef) -> None:
        try:
            await self._writer.remove(self._place, ref, phrases.ELSEWHERE, self._live_reply)
        except PlatformError as error:
            log.warning("cannot remove a message", extra={"error": str(error)})
