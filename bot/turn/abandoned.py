"""What a dead worker left on the screen: found again and brought to its end by the turn's next claim.

Where readers saw text, the first message becomes the note and the others go; a bare placeholder goes. Nothing of it is
ever grown into an answer: the dead worker may only be asleep, and may still write into it. Where that may be, the
attempt stays unsettled: each later claim, up to the one that commits, writes the note over it once more. Where all that
is left to do is to show a text, that comes first: readers wait for it, and so does nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence

from bot.conversation import MessageRef, Place
from bot.errors import MessageGone, PlatformError, StoreUnavailable
from bot.pacing import Urgency
from bot.ports import Claim, Content, StoredAnswer
from bot.turn import phrases
from bot.turn.record import RecordWriter
from bot.turn.writer import Writer

log = logging.getLogger(__name__)


SHORT_LOOK, LONG_LOOK = 3.0, 90.0
"""Seconds that a look for messages may take: while a reader waits behind it, and once the answer stands (Slack lets
some apps look once a minute)."""

ATTEMPTS_OF_A_CLAIM = 100
"""By how much the attempts of one claim are numbered apart from those of the next."""


def nonce_base(turn_id: str, attempt: int | None = None) -> str:
    """What the nonces of an attempt's messages begin with, or those of all attempts of a turn."""
    return f"{turn_id}." if attempt is None else f"{turn_id}.{attempt}."


class Abandoned:
    """The messages of earlier claims of one turn that were not brought to their end."""

    def __init__(self, claim: Claim, writer: Writer, record: RecordWriter) -> None:
        self._claim = claim
        self._writer = writer
        self._record = record
        self._notes: list[MessageRef] = []
        self._waiting: list[tuple[list[MessageRef], bool]] = []
        self._texts: dict[MessageRef, str | None] = {}
        self._owes_a_look = claim.claims > 1

    async def settle(self, place: Place, *, spare: StoredAnswer | None, later: bool = False) -> int:
        """Bring them to their end.

        Args:
            place: where they are.
            spare: a finished answer whose messages are still to become it.
            later: look for them now, and end them in `clear`.

        Returns:
            The highest attempt number that was ever used.
        """
        claim = self._claim
        messages: dict[int, list[MessageRef]] = defaultdict(list)
        for part in claim.parts:
            messages[part.attempt].append(part.ref)
        last = max([claim.shown, *claim.settled, *messages])
        strays = await self._strays(patient=False) if claim.claims > 1 else []
        if spare is not None:
            self._waiting.append((strays, False))
        elif strays:
            last = max(last, 1 + max(claim.settled, default=0))
            messages[last] += strays
        for attempt in sorted(messages):
            if attempt in claim.settled or (spare is not None and attempt == spare.attempt):
                continue
            if later:
                self._waiting.append((messages[attempt], attempt <= claim.shown))
                continue
            noted = len(self._notes)
            ended = await self._end(place, messages[attempt], seen=attempt <= claim.shown)
            if ended and len(self._notes) == noted:
                self._record.note(settled=attempt)
        # No worker ever gives a message the name that another may still post it under.
        return max(last, ATTEMPTS_OF_A_CLAIM * (claim.takes - 1))

    async def clear(self, place: Place) -> None:
        """End what waits for it, and write the notes once more: who was only asleep may have written over them."""
        # A post that was under way when its worker died may have come only now; and who gave the turn back may not
        # have known that it had posted. A call that seemed to fail may have been carried out late, too.
        look = self._claim.takes > 1 or self._writer.doubtful
        strays = await self._strays(patient=self._owes_a_look) if look else []
        for ref in self._notes:
            await self._note(place, ref)
        while self._waiting:
            refs, seen = self._waiting.pop()
            await self._end(place, refs, seen=seen)
        await self._end(place, strays, seen=False)

    async def take_away(self, place: Place, written: Sequence[MessageRef], text: str) -> None:
        """Remove what this worker posted after it had lost the turn; what was recorded, its successor brings to an end.

        What it wrote late into its abandoned messages goes as well (`text`, in `written`), where its successor was
        done by then and notes them no more. Only where that is certain: the turn has ended, and not with our answer.
        """
        await self._record.settle()
        for part in self._record.unknown:
            try:
                if not await self._record.recorded(part.ref):
                    await self._writer.discard(part.ref)
            except (PlatformError, StoreUnavailable) as error:
                log.warning("cannot remove a message of a lost turn", extra={"error": str(error)})
        if not written or self._record.finished:
            return
        try:
            ended = await self._record.ended()
            own = self._record.offered and ended is not None and ended.answer.strip() == text.strip()
            if ended is not None and not own:
                await self._writer.retract(place, written, phrases.INTERRUPTED_AGAIN)
        except (PlatformError, StoreUnavailable) as error:
            log.warning("cannot take back what was written late", extra={"error": str(error)})

    async def _strays(self, *, patient: bool) -> list[MessageRef]:
        """Messages of this turn, and of no other, by a worker that died before it could record them.

        The first look is one short try, for a reader waits behind it; the last is not, where a worker died and there
        was none before. Nothing is one that anybody recorded, nor while another worker has the turn and may have
        posted it.
        """
        claim = self._claim
        known = self._record.posted.union(self._notes, (part.ref for part in claim.parts))
        known.update(ref for refs, _ in self._waiting for ref in refs)
        self._texts.clear()
        before = [message.id for message in claim.messages] + ([claim.after] if claim.after else [])
        try:
            async with asyncio.timeout(LONG_LOOK if patient else SHORT_LOOK):
                own = await self._writer.own(claim.place, nonce_base(claim.turn_id), before, patient=patient)
                strays = [it.ref for it in own if it.ref not in known and not await self._record.recorded(it.ref)]
                if strays:
                    await self._record.confirm()
        except (PlatformError, TimeoutError) as error:
            log.warning("cannot look for abandoned messages", extra={"error": str(error)})
            return []
        self._owes_a_look = False
        self._texts.update((it.ref, it.text) for it in own)
        return strays

    async def _end(self, place: Place, refs: list[MessageRef], *, seen: bool) -> bool:
        """Note the first of them that is there, where readers saw text, and remove the others; False if one stays."""
        ended = True
        while seen and refs:
            first, *refs = refs
            if await self._note(place, first):
                self._notes.append(first)
                break
        for ref in refs:
            try:
                await self._writer.remove(place, ref, phrases.INTERRUPTED_AGAIN, Urgency.ENDING)
            except PlatformError as error:
                log.warning("cannot remove an abandoned message", extra={"error": str(error)})
                ended = ended and isinstance(error, MessageGone)
        return ended

    async def _note(self, place: Place, ref: MessageRef) -> bool:
        """Write the note over a message, unless it was just seen there; False when the message is gone.

        Each claim comes by here for all who died before, while edits are few and others wait for them.
        """
        if self._texts.get(ref) == phrases.INTERRUPTED_AGAIN:
            return True
        try:
            await self._writer.edit(place, ref, lambda: Content(phrases.INTERRUPTED_AGAIN), Urgency.ENDING)
        except MessageGone:
            return False
        except PlatformError as error:
            log.warning("cannot write the note on an abandoned message", extra={"error": str(error)})
        return True
