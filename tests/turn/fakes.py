"""Fakes at the boundary of a turn: a platform that remembers what readers saw, and a model that follows a script."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

from bot.conversation import Author, Delta, Finished, Message, MessageRef, Place, StopReason, ThreadKey, Usage
from bot.errors import MessageGone, ModelError, PlatformError
from bot.ports import Content, Posted, RateLimit, Receipt, Request, Write
from bot.text import Dialect

CLOCK = 100.0
"""What the platform's clock shows when the event loop's shows zero; people ask in the seconds before that."""


@dataclass
class Seen:
    """One message as readers saw it."""

    ref: MessageRef
    nonce: str
    posted_at: float
    versions: list[str] = field(default_factory=list)
    deleted: bool = False


class FakePlatform:
    """Keeps messages in memory; `fail(call, error)` makes the next such call raise, `lost=True` after doing it."""

    status_lasts = 60.0

    def __init__(
        self, limit: int = 200, latency: float = 0.05, *, keeps_nonces: bool = True, first_id: int = 1
    ) -> None:
        self.installation = "fake:T"
        self.keeps_nonces = keeps_nonces
        self.messages: dict[str, Seen] = {}
        self.limit = limit
        self.latency = latency
        self.statuses: list[str] = []
        self.closed_because = ""
        self.calls: list[str] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.cancelled = 0
        self._ids = itertools.count(first_id)
        self._faults: dict[str, deque[tuple[PlatformError, bool]]] = {}

    def fail(self, call: str, error: PlatformError, *, times: int = 1, lost: bool = False) -> None:
        self._faults.setdefault(call, deque()).extend([(error, lost)] * times)

    def heal(self) -> None:
        """Fail no more."""
        self._faults.clear()

    def dialect(self, place: Place) -> Dialect:
        return Dialect("fake", self.limit, len, str)

    def closed(self, place: Place) -> str:
        return self.closed_because

    def rate_limits(self, write: Write, place: Place) -> tuple[RateLimit, ...]:
        return (RateLimit(f"fake:{write.value}", 50, 60.0, 10),)

    async def open(self, place: Place, title: str) -> Place:
        await self._call("open", lambda: None)
        return Place(place.channel, thread=place.root)

    async def post(self, place: Place, content: Content, nonce: str) -> Receipt:
        def do() -> Receipt:
            ref = MessageRef(place.channel, str(next(self._ids)))
            self.messages[ref.id] = Seen(ref, nonce, CLOCK + asyncio.get_running_loop().time(), [content.text])
            return Receipt(ref, content.text)

        return await self._call("post", do)

    async def edit(self, place: Place, ref: MessageRef, content: Content) -> Receipt:
        def do() -> Receipt:
            if self.messages[ref.id].deleted:
                raise MessageGone("gone")
            self.messages[ref.id].versions.append(content.text)
            return Receipt(ref, content.text)

        return await self._call("edit", do)

    async def delete(self, place: Place, ref: MessageRef) -> None:
        def do() -> None:
            self.messages[ref.id].deleted = True

        await self._call("delete", do)

    async def find(self, place: Place, nonce: str, since: float) -> MessageRef | None:
        left = [seen for seen in self.messages.values() if seen.posted_at >= since and not seen.deleted]
        found = [seen.ref for seen in left if seen.nonce == nonce]
        return await self._call("find", lambda: found[0] if found else None)

    async def own_since(self, place: Place, name: str, since: float, after: Sequence[str]) -> tuple[Posted, ...]:
        def found() -> tuple[Posted, ...]:
            left = (seen for seen in self.messages.values() if seen.posted_at >= since and not seen.deleted)
            if self.keeps_nonces:
                return tuple(Posted(seen.ref, seen.versions[-1]) for seen in left if seen.nonce.startswith(name))
            first = max((int(id_) for id_ in after if id_.isdecimal()), default=0)
            return tuple(Posted(seen.ref, seen.versions[-1]) for seen in left if int(seen.ref.id) > first)

        return await self._call("own", found)

    async def show_status(self, place: Place, text: str) -> None:
        self.statuses.append(text)

    async def clear_status(self, place: Place) -> None:
        self.statuses.append("")

    async def _call(self, name, do):
        self.calls.append(name)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency)
            if self._faults.get(name):
                error, lost = self._faults[name].popleft()
                if lost:
                    do()
                raise error
            return do()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1

    @property
    def shown(self) -> list[str]:
        """What readers see now."""
        return [seen.versions[-1] for seen in self.messages.values() if not seen.deleted]


class ScriptedModel:
    """Streams scripts in order; a script is pieces, numbers (seconds to wait), and an error or stop reason last."""

    def __init__(self, *scripts: Iterable[str | float | ModelError | StopReason | Finished]) -> None:
        self.scripts = deque(list(script) for script in scripts)
        self.requests: list[Request] = []

    async def stream(self, request: Request) -> AsyncIterator[Delta | Finished]:
        self.requests.append(request)
        text = ""
        for step in self.scripts.popleft():
            match step:
                case str():
                    if isinstance(step, StopReason):
                        yield self._finished(text, step)
                        return
                    text += step
                    yield Delta(step)
                case int() | float():
                    await asyncio.sleep(step)
                case ModelError():
                    raise step
                case Finished():
                    yield step
                    return
        yield self._finished(text, StopReason.END_TURN)

    def _finished(self, text: str, stop: StopReason) -> Finished:
        return Finished(text=text, stop=stop, usage=Usage(1, 2), model="m", request_id="r", first_token=0.1)

    async def ask(self, request: Request) -> Finished:
        raise NotImplementedError


def message(text: str = "Why?", id_: str = "1", *, thread: str = "1", author: str = "U1", at: float = 1.0) -> Message:
    """A message from a person."""
    return Message(
        key=ThreadKey("fake", "T", thread),
        installation="fake:T",
        id=id_,
        author=Author(author, "Ann"),
        text=text,
        sent_at=at,
        place=Place("C1"),
    )
