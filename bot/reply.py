"""What the reader sees of one attempt: a placeholder that grows into the answer, over as many messages as it takes.

The stream's reader calls `write` and never waits. One editor task brings the platform's messages up to the newest
text: one write in flight, in reading order, identical text never sent, paced by `Writer`. However an attempt ends,
`finish` or `interrupt` brings its messages to their last text and returns only when the platform has confirmed them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from bot import phrases
from bot.conversation import MessageRef, Place
from bot.errors import ContentRefused, MessageFrozen, MessageGone, PlatformError, TooLong
from bot.pacing import Urgency, Viewer
from bot.ports import Part, Receipt, Write
from bot.slot import Slot
from bot.text import Layout
from bot.writer import Writer

log = logging.getLogger(__name__)

PLACEHOLDER = "…"
REFUSED = "(This part of the answer cannot be shown: the platform refused its content.)"
PATIENCE = 0.5
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
        on_posted: told of every message posted; must not block.
        on_exposed: told once, when readers are about to see text; must not block.

    Attributes:
        exposed: whether readers may have seen text.
        first_text_at: seconds of the event loop at which the first text was confirmed; None before.
        overflow: set when the text needs more than `max_parts` messages.
    """

    def __init__(
        self,
        writer: Writer,
        place: Place,
        name: str,
        attempt: int,
        *,
        max_parts: int,
        on_posted: Callable[[Part], None],
        on_exposed: Callable[[], None],
    ) -> None:
        self.attempt = attempt
        self.exposed = False
        self.first_text_at: float | None = None
        self.overflow = asyncio.Event()
        self._writer = writer
        self._place = place
        self._name = name
        self._max_parts = max_parts
        self._on_posted = on_posted
        self._on_exposed = on_exposed
        self._layout = Layout(writer.platform.dialect(place))
        self._viewer = self._new_viewer()
        self._slots: list[Slot] = []
        self._superseded: list[MessageRef] = []
        self._posted = 0
        self._relimits = 0
        self._ended = self._whole = self._frozen = self._gone = False
        self._refused: dict[int, str] = {}
        self._trailer = ""
        self._placeholder: str | None = None
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
        self._placeholder = placeholder
        self._editor = asyncio.create_task(self._edit(open_place), name=f"editor {self._name}")
        return self._editor

    def adopt(self, parts: Sequence[Part]) -> None:
        """Take over messages that an earlier worker posted for this attempt; what they show is not known."""
        latest = {part.index: part.ref for part in parts}
        self._superseded = [part.ref for part in parts if part.ref != latest[part.index]]
        self._slots = [Slot(latest[index], None, adopted=True) for index in sorted(latest)]
        self._posted = len(parts)
        self.exposed = True

    def write(self, text: str) -> None:
        """Add a piece of the answer. Returns at once."""
        self._layout.feed(text)
        self._viewer.received(len(text))
        if not self._changed.is_set():
            self._changed.set()

    def deleted(self, message_id: str) -> None:
        """A person deleted a message there. If it is one that still grows, the editor fails with MessageGone."""
        if any(message_id in (slot.ref.id, f"{slot.ref.channel}:{slot.ref.id}") for slot in self._slots):
            self._gone = True
            self._changed.set()

    async def stands(self) -> None:
        """Wait until the first message is there. Raises what the editor failed with."""
        editor = self._editor or self.begin(self._placeholder)
        standing = asyncio.create_task(self._standing.wait())
        try:
            await asyncio.wait({standing, editor}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            standing.cancel()
        if editor.done():
            editor.result()

    def say(self, placeholder: str) -> None:
        """Change what stands there while there is no text."""
        self._placeholder = placeholder
        self._changed.set()

    def restart(self) -> None:
        """Begin again in the same messages; only while no text was shown."""
        self._layout = Layout(self._writer.platform.dialect(self._place))
        self._viewer.close()
        self._viewer = self._new_viewer()

    async def finish(self, trailer: str = "") -> None:
        """Show everything, `trailer` below it, and return when the platform has confirmed every message."""
        self._end(trailer)
        await self._edited()

    async def interrupt(self, note: str, *, keep: bool) -> None:
        """End the attempt's messages as abandoned.

        Args:
            note: the sentence that says so.
            keep: the partial text stays as it last looked, with the note below it; otherwise the first message becomes
                the note and the others go.
        """
        if not keep:
            self._layout = Layout(self._writer.platform.dialect(self._place))
        self._end(note, whole=False)
        await self._edited()

    async def withdraw(self) -> None:
        """Delete every message of this attempt."""
        await self.abandon()
        for ref in [*self._superseded, *(slot.ref for slot in self._slots)]:
            await self._writer.delete(self._place, ref)
        self._superseded.clear()
        self._slots.clear()

    async def abandon(self) -> None:
        """Write nothing more; return when no call is in flight. Can be repeated."""
        if self._editor is not None:
            self._editor.cancel()
            await asyncio.wait({self._editor})
        await self._writer.settle()
        self._viewer.close()

    # --- what the turn asks ---------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """All text received."""
        return self._layout.source

    @property
    def messages(self) -> list[MessageRef]:
        """The messages in which the answer stands, in reading order."""
        return [slot.ref for slot in self._slots]

    def cut(self) -> bool:
        """Drop what does not fit `max_parts` messages; returns whether there was any."""
        if len(self._layout.pages(final=True)) <= self._max_parts:
            return False
        kept = self._layout.covered(self._max_parts)
        self._layout = Layout(self._writer.platform.dialect(self._place))
        self._layout.feed(kept)
        return True

    # --- the editor -----------------------------------------------------------------------------------------

    def _new_viewer(self) -> Viewer:
        return self._writer.pacer.viewer(self._writer.platform.budgets(Write.EDIT, self._place))

    def _end(self, trailer: str, *, whole: bool = True) -> None:
        self._trailer, self._whole = trailer, whole
        self._ended = True
        self._viewer.end()
        self._changed.set()

    async def _edited(self) -> None:
        editor = self._editor or self.begin(self._placeholder)
        try:
            await asyncio.shield(editor)
        finally:
            if editor.done():
                self._viewer.close()

    def _pages(self) -> list[str]:
        """What each message should show now."""
        pages = self._layout.pages(final=self._whole, trailer=self._trailer)
        if self._ended:
            return pages
        if not pages and self._placeholder is not None:
            return [self._placeholder]
        if len(pages) > self._max_parts:
            self.overflow.set()
        return pages[: self._max_parts]

    async def _edit(self, open_place: Callable[[], Awaitable[Place]] | None) -> None:
        """Bring the messages up to the newest text until the end was confirmed."""
        if open_place:
            self._place = await open_place()
        while True:
            self._changed.clear()
            if self._gone and not self._ended:
                raise MessageGone("a person deleted it")
            index = self._first_behind(self._pages())
            if index is not None:
                await self._bring_up(index)
            elif self._ended:
                await self._remove_surplus()
                return
            else:
                await self._changed.wait()

    def _first_behind(self, pages: list[str]) -> int | None:
        """The first message, in reading order, that does not show what it should; None when all do.

        Where messages cannot be edited, a page is written once, when it is whole.
        """
        for index, page in enumerate(pages):
            if self._frozen and not self._ended and index == len(pages) - 1:
                return None
            if index == len(self._slots) or (self._slots[index].stand_in or page) != self._slots[index].shown:
                return index
        return None

    async def _bring_up(self, index: int) -> None:
        try:
            if index == len(self._slots):
                await self._post(index)
            else:
                await self._replace(index)
        except TooLong:
            self._relimits += 1
            if self._relimits > RELIMITS:
                self._refuse(index)
            else:
                self._layout.relimit(self._writer.platform.dialect(self._place), self._settled_pages(index))
        except ContentRefused:
            self._refuse(index)

    async def _post(self, index: int, *, admitted: bool = False) -> None:
        def posted(receipt: Receipt, text: str | None) -> None:
            self._slots.append(Slot(receipt.ref, None, stand_in=self._refused.pop(index, None)))
            self._posted += 1
            self._standing.set()
            self._on_posted(Part(self.attempt, index, receipt.ref))
            self._confirm(index, receipt, text)

        nonce = f"{self._name}{self._posted}"
        who = self._viewer if self._layout.source or self._ended else Urgency.FIRST
        await self._writer.post(self._place, lambda: self._newest(index), nonce, who, posted, admitted=admitted)

    async def _replace(self, index: int) -> None:
        slot = self._slots[index]
        # What a dead worker left may show the whole text already: another message could only double it.
        last = index == len(self._slots) - 1 and not slot.adopted
        if last and await self._writer.first_free(self._place, self._viewer, PATIENCE) is Write.POST:
            await self._supersede(index)
            return
        try:
            done = await self._writer.edit(
                self._place, slot.ref, lambda: self._newest(index), self._viewer, admitted=last
            )
        except MessageFrozen as error:
            await self._move(index, error)
        except MessageGone:
            if not slot.adopted:
                raise
            # The worker that posted it may have moved it; a person's deletion would cost one message more.
            del self._slots[index:]
        else:
            if done:
                self._confirm(index, *done)

    def _newest(self, index: int) -> str | None:
        """The text of a message at this moment; None when it already shows that. Readers are about to see it."""
        pages = self._pages()
        if index >= len(pages):
            return None
        if index < len(self._slots):
            wanted = self._slots[index].stand_in or pages[index]
            if wanted == self._slots[index].shown:
                return None
        else:
            wanted = self._refused.get(index, pages[index])
        self._bare = not self._ended and wanted == self._placeholder
        if not self._bare and not self.exposed:
            self.exposed = True
            self._on_exposed()
        return wanted

    def _confirm(self, index: int, receipt: Receipt, text: str | None) -> None:
        """Remember what a message shows."""
        slot = self._slots[index]
        slot.adopted = False
        slot.shown = text
        if text is None:
            return
        if receipt.stored is not None and receipt.stored.strip() != text.strip():
            log.warning(
                "the platform stored another text than it was given",
                extra={"part": index, "given": len(text), "stored": len(receipt.stored)},
            )
            if not slot.rewritten:
                slot.rewritten, slot.shown = True, None
        if not self._bare:
            if self.first_text_at is None:
                self.first_text_at = asyncio.get_running_loop().time()
            self._viewer.shown(len(self._layout.covered(index + 1)))

    def _refuse(self, index: int) -> None:
        """Show a sentence in place of a page; when that is refused too, there is nothing to be shown."""
        log.warning("the platform refused the content of a message", extra={"part": index})
        there = index < len(self._slots)
        if (self._slots[index].stand_in if there else self._refused.get(index)) is not None:
            raise ContentRefused("the platform takes no text there")
        if there:
            self._slots[index].stand_in = REFUSED
        else:
            self._refused[index] = REFUSED

    def _settled_pages(self, index: int) -> int:
        """How many pages before `index` stay as they are when the rest is laid out anew."""
        pages = self._layout.pages(final=self._whole)
        settled = 0
        while settled < min(index, len(pages)) and self._slots[settled].shown == pages[settled]:
            settled += 1
        return settled

    async def _supersede(self, index: int) -> None:
        """Show a first text or an end in a new message, since its edit would come late, and remove the old one."""
        self._superseded.append(self._slots.pop(index).ref)
        await self._post(index, admitted=True)
        await self._remove_superseded()

    async def _move(self, index: int, error: PlatformError) -> None:
        """Go on in new messages from a frozen one on; the old ones go where they can."""
        log.info("message can no longer be edited, going on in a new one", extra={"part": index, "error": str(error)})
        self._frozen = True
        self._superseded += [slot.ref for slot in self._slots[index:]]
        del self._slots[index:]
        await self._remove_superseded()

    async def _remove_surplus(self) -> None:
        pages = len(self._pages())
        self._superseded += [slot.ref for slot in self._slots[pages:]]
        del self._slots[pages:]
        await self._remove_superseded()

    async def _remove_superseded(self) -> None:
        while self._superseded:
            await self._remove(self._superseded[0])
            self._superseded.pop(0)

    async def _remove(self, ref: MessageRef) -> None:
        try:
            await self._writer.remove(self._place, ref, phrases.ELSEWHERE, self._viewer)
        except PlatformError as error:
            log.warning("cannot remove a message", extra={"error": str(error)})
