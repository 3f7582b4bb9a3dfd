"""One write to a platform, carried through: admitted by pacing, never cancelled in flight, repeated until it is known.

A write is repeated through rate limits, server errors, dropped connections and lost answers; a post whose answer was
lost is looked for before it is posted again. The text is asked for at the last moment, so that the newest wins.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bot.backoff import growing
from bot.conversation import MessageRef, Place
from bot.errors import (
    ContentRefused,
    MessageFrozen,
    MessageGone,
    OutcomeUnknown,
    PlatformError,
    RateLimited,
    Unavailable,
    Unforeseen,
)
from bot.pacing import LiveReply, Pacer, Urgency
from bot.ports import Content, Platform, Posted, RateLimit, ReadsOwn, Receipt, Write

log = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_WINDOW = 300.0
"""Seconds of nothing but transient failures after which a write is given up (the turn then waits in the store)."""

UNFORESEEN = 3
"""How often a post is refused for a reason that nobody knows before its text is taken for the reason."""

RETRY_AFTER_CAP = 60.0
"""Seconds beyond which a Retry-After of a failing server is not obeyed: a reader waits."""

BACKOFF, BACKOFF_CAP = 0.5, 15.0
"""First pause after a transient failure, and the longest, in seconds; doubled each time, half of it random."""


REST_CAP = 30.0
"""Seconds to which the rests grow that follow when the same write is refused for rate again and again."""


@dataclass(slots=True)
class Tally:
    """What one turn's writes came to, for its log line."""

    posts: int = 0
    edits: int = 0
    refused: int = 0
    repeated: int = 0


class Writer:
    """The writes of one turn.

    Args:
        platform: where to write.
        pacer: admits every write.
        fence: awaited before every write; raises when the turn is no longer ours.
        since: Unix seconds before which no message of this turn was posted.
    """

    def __init__(self, platform: Platform, pacer: Pacer, *, fence: Callable[[], Awaitable[None]], since: float) -> None:
        self.platform = platform
        self.pacer = pacer
        self.tally = Tally()
        self._fence = fence
        self._since = since
        self._calls: set[asyncio.Task[Any]] = set()
        self.doubtful = False
        """Whether the answer to a post was lost: the platform may still carry it out, beside its repetition."""

    async def post(
        self,
        place: Place,
        content: Callable[[], Content | None],
        nonce: str,
        who: LiveReply | Urgency,
        posted: Callable[[Receipt, Content | None], None],
        *,
        admitted: bool = False,
    ) -> None:
        """Post `content()` as a new message, once.

        Args:
            place: where.
            content: called when the write may go; None means that there is nothing to post any more.
            nonce: identifies the message for ever.
            who: for whom pacing admits it.
            posted: told of the message and what it shows (None when one of several tries is found: which is not known),
                also when the caller was cancelled while the call was in flight.
            admitted: pacing has admitted the first try (see `first_free`).

        Raises:
            PlatformError: one that repeating does not mend, or the last of `RETRY_WINDOW` seconds of those it would.
        """
        rate_limits = self.platform.rate_limits(Write.POST, place)
        unsure, refusals = False, 0
        tried: set[Content] = set()

        async def call(newest: Content) -> None:
            receipt = await self.platform.post(place, newest, nonce)
            self.tally.posts += 1
            self._observe(receipt)
            posted(receipt, newest)

        async def attempt() -> None:
            nonlocal unsure, admitted, refusals
            if unsure and (ref := await self._find_or_none(place, nonce)):
                posted(Receipt(ref), tried.pop() if len(tried) == 1 else None)
                return
            unsure = False
            admitted = await self._admit(rate_limits, who, admitted)
            if (newest := content()) is None:
                return
            try:
                await self._call(call(newest))
            except OutcomeUnknown as error:
                unsure = self.doubtful = True
                tried.add(newest)
                refusals += isinstance(error, Unforeseen)
                if refusals == UNFORESEEN:
                    raise ContentRefused(str(error)) from error
                raise

        await self._carry_through(attempt, rate_limits)

    async def edit(
        self,
        place: Place,
        ref: MessageRef,
        content: Callable[[], Content | None],
        who: LiveReply | Urgency,
        *,
        admitted: bool = False,
    ) -> tuple[Receipt, Content] | None:
        """Replace what a message shows by `content()`; as `post`, but an edit may always be repeated.

        Returns:
            The receipt and what was written; None when there was nothing to write any more, or when the
            platform refused for rate what `first_free` had admitted: another way may be free by now.
        """
        rate_limits = self.platform.rate_limits(Write.EDIT, place)
        chosen = admitted

        async def attempt() -> tuple[Receipt, Content] | None:
            nonlocal admitted
            admitted = await self._admit(rate_limits, who, admitted)
            if (newest := content()) is None:
                return None
            try:
                receipt = await self._call(self.platform.edit(place, ref, newest))
            except RateLimited as error:
                if not chosen:
                    raise
                self._refused(error, rate_limits)
                return None
            self.tally.edits += 1
            self._observe(receipt)
            return receipt, newest

        return await self._carry_through(attempt, rate_limits)

    async def delete(self, place: Place, ref: MessageRef, who: LiveReply | Urgency = Urgency.HOUSEKEEPING) -> None:
        """Delete one of our messages; raises as `post` does."""
        rate_limits = self.platform.rate_limits(Write.DELETE, place)

        async def attempt() -> None:
            await self._admit(rate_limits, who)
            await self._call(self.platform.delete(place, ref))

        await self._carry_through(attempt, rate_limits)

    async def discard(self, ref: MessageRef) -> None:
        """Delete a message that only this worker knows of, which needs no turn. Raises as `post` does."""
        place = Place(ref.channel)
        await self._unfenced(lambda: self.platform.delete(place, ref), self.platform.rate_limits(Write.DELETE, place))

    async def retract(self, place: Place, refs: Sequence[MessageRef], note: str) -> None:
        """Make the first of messages that are nobody's any more the note, and delete the others; needs no turn either.

        What is gone already is success. Raises as `post` does.
        """
        first, *others = refs
        rate_limits = self.platform.rate_limits(Write.EDIT, place)
        with contextlib.suppress(MessageGone):
            await self._unfenced(lambda: self.platform.edit(place, first, Content(note)), rate_limits)
        for ref in others:
            await self.discard(ref)

    async def _unfenced(
        self, call: Callable[[], Coroutine[Any, Any, object]], rate_limits: tuple[RateLimit, ...]
    ) -> None:
        async def attempt() -> None:
            await self.pacer.admit(rate_limits, Urgency.HOUSEKEEPING)
            await self._call(call())

        await self._carry_through(attempt, rate_limits)

    async def own(self, place: Place, name: str, after: Sequence[str], *, patient: bool) -> tuple[Posted, ...]:
        """See `ReadsOwn.own_since`; none where a platform does not tell. Raises as `post` does, or at once."""
        platform = self.platform
        if not isinstance(platform, ReadsOwn):
            return ()

        def look() -> Coroutine[Any, Any, tuple[Posted, ...]]:
            return self._asked(platform.own_since(place, name, self._since, after))

        return await (self._carry_through(look, ()) if patient else look())

    async def remove(self, place: Place, ref: MessageRef, otherwise: str, who: LiveReply | Urgency) -> None:
        """Delete one of our messages; where that is refused, let it say `otherwise`. Raises as `post` does."""
        try:
            await self.delete(place, ref, who)
        except MessageFrozen:
            await self.edit(place, ref, lambda: Content(otherwise), who if isinstance(who, Urgency) else Urgency.ENDING)

    async def once(self, call: Coroutine[Any, Any, T]) -> T:
        """Carry out one other platform call in a task of our own, so that no cancellation reaches it in flight."""
        return await self._call(call)

    async def settle(self) -> None:
        """Wait until no call is in flight."""
        while self._calls:
            await asyncio.wait(self._calls)

    async def _find_or_none(self, place: Place, nonce: str) -> MessageRef | None:
        try:
            return await self._look(place, nonce)
        except (Unavailable, OutcomeUnknown):
            raise
        except PlatformError as error:
            # Losing the answer is worse than the small chance of showing it twice.
            log.warning("cannot look for a post whose answer was lost, posting it again", extra={"error": str(error)})
            return None

    async def _look(self, place: Place, nonce: str) -> MessageRef | None:
        return await self._asked(self.platform.find(place, nonce, self._since))

    async def _asked(self, call: Coroutine[Any, Any, T]) -> T:
        try:
            return await self._call(call)
        except RateLimited as error:
            raise Unavailable(str(error), retry_after=error.retry_after) from error

    async def first_free(self, place: Place, who: LiveReply, fallback_after: float) -> Write:
        """Wait for an edit's rate limit, and after `fallback_after` seconds for a post's too; spend the first free one.

        Platforms count the two apart: an ending that many edits stand before can go out as a new message.
        """
        ways = (Write.EDIT, Write.POST)
        choices = [self.platform.rate_limits(way, place) for way in ways]
        return ways[await self.pacer.admit_any(choices, who, fallback_after=fallback_after)]

    async def _admit(
        self, rate_limits: tuple[RateLimit, ...], who: LiveReply | Urgency, admitted: bool = False
    ) -> bool:
        """Wait until the write may go, unless that was waited for before; returns False, for the next try."""
        if not admitted:
            await self.pacer.admit(rate_limits, who)
        await self._fence()
        return False

    async def _call(self, call: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(call)
        self._calls.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _observe(self, receipt: Receipt) -> None:
        for observed in receipt.observed:
            self.pacer.observe(observed)

    def _refused(self, error: RateLimited, rate_limits: tuple[RateLimit, ...], at_least: float = 0.0) -> None:
        self.tally.refused += 1
        limited = tuple(rate_limit for rate_limit in rate_limits if rate_limit.name == error.bucket) or rate_limits
        self.pacer.refused(limited, max(error.retry_after or 1.0, at_least))

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()  # fetched: a caller that was cancelled meanwhile has no use for it

    async def _carry_through(self, attempt: Callable[[], Awaitable[T]], rate_limits: tuple[RateLimit, ...]) -> T:
        failing_since: float | None = None
        pauses, rests = growing(BACKOFF, BACKOFF_CAP), growing(BACKOFF, REST_CAP)
        while True:
            try:
                return await attempt()
            except RateLimited as error:
                self._refused(error, rate_limits, next(rests))
            except (Unavailable, OutcomeUnknown) as error:
                self.tally.repeated += 1
                now = asyncio.get_running_loop().time()
                failing_since = failing_since or now
                if now - failing_since > RETRY_WINDOW:
                    raise
                pause = min(error.retry_after or 0.0, RETRY_AFTER_CAP) or next(pauses)
                log.info("platform call failed, trying again", extra={"error": repr(error), "pause": round(pause, 2)})
                await asyncio.sleep(pause)
