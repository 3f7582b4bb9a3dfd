"""One attempt: one stream on the wire, read into a reply, ending in exactly one way.

The stream's reader never waits for the platform. Besides the stream itself, an attempt ends by an order (stop, drain,
lost lease), by a reader who deletes the message, or when the answer fills as many messages as it may.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
from dataclasses import dataclass
from typing import Any, Protocol

from bot.conversation import Delta, Finished, StopReason
from bot.errors import Busy, Interrupted, LeaseLost, MessageGone, ModelError, PlaceClosed, Refused
from bot.ports import Model, Request
from bot.text import visible
from bot.turn.lease import Order, Orders


class AttemptEnd(enum.Enum):
    """How one attempt ended."""

    FINISHED = enum.auto()
    STOPPED = enum.auto()  # a person said so
    FULL = enum.auto()  # as many messages as one answer may fill
    BROKE = enum.auto()  # the stream broke, or held no text
    BUSY = enum.auto()  # overloaded or rate limited before any text
    REFUSED = enum.auto()  # the API does not take this request
    EDITED = enum.auto()  # a person changed the question
    DRAINED = enum.auto()  # the process shuts down
    DELETED = enum.auto()  # a person deleted a message of the answer
    CLOSED = enum.auto()  # no way to write there any more
    LOST = enum.auto()  # another worker holds the turn


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """How an attempt ended, with what the model said last."""

    how: AttemptEnd
    finished: Finished | None = None
    error: ModelError | None = None

    @property
    def retry_after(self) -> float | None:
        """Seconds the API asked to wait, where it did."""
        return self.error.retry_after if self.error else None


class Sink(Protocol):
    """Where the text of an attempt goes."""

    @property
    def overflow(self) -> asyncio.Event:
        """Set when no more text fits."""
        ...

    def write(self, text: str) -> None:
        """Take a piece of text, at once."""
        ...


_ORDERS = {
    Order.STOP: AttemptEnd.STOPPED,
    Order.EDITED: AttemptEnd.EDITED,
    Order.DRAIN: AttemptEnd.DRAINED,
    Order.LOST: AttemptEnd.LOST,
}


async def attempt(
    model: Model, request: Request, sink: Sink, orders: Orders, showing: asyncio.Future[None] | None = None
) -> AttemptResult:
    """Stream one answer into `sink` until it ends.

    Args:
        model: whom to ask.
        request: what.
        sink: where the text goes; what it shows is left as it is.
        orders: what ends the attempt from outside.
        showing: done when the text can no longer be shown, with the reason as its exception.

    Raises:
        PlatformError: what `showing` failed with, when that is no way for an attempt to end.
    """
    if (order := orders.weightiest()) is not None:
        return AttemptResult(_ORDERS[order])
    stream = asyncio.create_task(_read(model, request, sink), name="stream")
    ordered = asyncio.create_task(orders.ordered.wait())
    full = asyncio.create_task(sink.overflow.wait())
    try:
        ends: set[asyncio.Future[Any]] = (
            {stream, ordered, full} if showing is None else {stream, ordered, full, showing}
        )
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stream, ordered, full):
            if not task.done():
                task.cancel()
        await asyncio.wait({stream, ordered, full})
        if not stream.cancelled():
            stream.exception()  # fetched: where nothing can be shown, nobody asks how the stream ended
    order = orders.weightiest()
    if order is Order.LOST:
        return AttemptResult(AttemptEnd.LOST)
    if showing is not None and showing.done() and (error := showing.exception()):
        return AttemptResult(_unshown(error))
    if not stream.cancelled():
        return _ended(stream)
    return AttemptResult(AttemptEnd.FULL if order is None else _ORDERS[order])


async def _read(model: Model, request: Request, sink: Sink) -> Finished:
    async with contextlib.aclosing(model.stream(request)) as events:  # type: ignore[type-var]
        async for event in events:
            if isinstance(event, Delta):
                sink.write(event.text)
            else:
                return event
    raise Interrupted("the stream ended without an end")


def _ended(stream: asyncio.Task[Finished]) -> AttemptResult:
    try:
        finished = stream.result()
    except Busy as error:
        return AttemptResult(AttemptEnd.BUSY, error=error)
    except Refused as error:
        return AttemptResult(AttemptEnd.REFUSED, error=error)
    except Interrupted as error:
        return AttemptResult(AttemptEnd.BROKE, error=error)
    if not visible(finished.text) and finished.stop in (StopReason.END_TURN, StopReason.STOP_SEQUENCE):
        return AttemptResult(AttemptEnd.BROKE, finished)
    return AttemptResult(AttemptEnd.FINISHED, finished)


def _unshown(error: BaseException) -> AttemptEnd:
    match error:
        case MessageGone():
            return AttemptEnd.DELETED
        case PlaceClosed():
            return AttemptEnd.CLOSED
        case LeaseLost():
            return AttemptEnd.LOST
        case _:
            raise error
