"""The journal: every call, event and version of every message, with its time: who saw what when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    Args:
        at: Unix seconds.
        service: "slack", "discord" or "claude".
        kind: "call" (a request arrived), "answer" (its status), "event" (sent to the bot), "ack", "posted",
            "edited", "deleted" (a message changed), "refused" (a limit was hit), "fault" (misbehaviour on order),
            "unheard" (the client hung up before its answer);
            a stand-in may add kinds of its own and names them where it is described.
        data: what belongs to it.
    """

    at: float
    service: str
    kind: str
    data: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.data.get(name)


@dataclass(slots=True)
class Shown:
    """A message as readers see it: its versions (Unix s, text), oldest first, and when it was deleted."""

    service: str
    channel: str
    id: str
    author: str
    thread: str | None
    versions: list[tuple[float, str]] = field(default_factory=list)
    deleted_at: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text shown last."""
        return self.versions[-1][1]


class Journal:
    """An append-only record shared by the stand-ins of one sandbox. Not for several event loops."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._messages: dict[tuple[str, str, str], Shown] = {}
        self._listeners: set[Callable[[Entry], None]] = set()

    def add(self, service: str, kind: str, /, **data: Any) -> Entry:
        """Note that something happened now."""
        entry = Entry(time.time(), service, kind, data)
        self.entries.append(entry)
        for listener in tuple(self._listeners):
            listener(entry)
        return entry

    def posted(
        self,
        service: str,
        channel: str,
        id_: str,
        author: str,
        text: str,
        *,
        thread: str | None = None,
        **extra: Any,
    ) -> Shown:
        """Note a new message."""
        shown = Shown(service, channel, id_, author, thread, extra=extra)
        shown.versions.append((time.time(), text))
        self._messages[service, channel, id_] = shown
        self.add(service, "posted", channel=channel, id=id_, author=author, text=text, thread=thread)
        return shown

    def edited(self, service: str, channel: str, id_: str, text: str, **extra: Any) -> None:
        """Note a new version of a message."""
        shown = self._messages[service, channel, id_]
        shown.versions.append((time.time(), text))
        shown.extra.update(extra)
        self.add(service, "edited", channel=channel, id=id_, text=text)

    def deleted(self, service: str, channel: str, id_: str) -> None:
        """Note that a message went."""
        self._messages[service, channel, id_].deleted_at = time.time()
        self.add(service, "deleted", channel=channel, id=id_)

    def message(self, service: str, channel: str, id_: str) -> Shown:
        """The message with that id, deleted or not; raises KeyError."""
        return self._messages[service, channel, id_]

    def knows(self, service: str, channel: str, id_: str) -> bool:
        """Whether there is a message with that id, or was one."""
        return (service, channel, id_) in self._messages

    def messages(
        self,
        service: str,
        channel: str | None = None,
        *,
        thread: str | None = None,
        author: str | None = None,
        with_deleted: bool = False,
    ) -> list[Shown]:
        """What readers see now, in the order of posting; each argument given narrows it."""
        return [
            shown
            for shown in self._messages.values()
            if shown.service == service
            and (channel is None or shown.channel == channel)
            and (thread is None or shown.thread == thread)
            and (author is None or shown.author == author)
            and (with_deleted or shown.deleted_at is None)
        ]

    def of(self, service: str, kind: str, **match: Any) -> Iterator[Entry]:
        """Entries of one kind whose data hold all of `match`."""
        for entry in self.entries:
            if (entry.service, entry.kind) != (service, kind):
                continue
            if all(entry.data.get(name) == value for name, value in match.items()):
                yield entry

    async def until(self, condition: Callable[[], T], *, timeout: float = 10.0, what: str = "") -> T:  # noqa: ASYNC109
        """Wait until `condition()` is truthy and return it; looked at after every new entry.

        Raises TimeoutError after `timeout` seconds, with the last entries, for a test's report.
        """
        changed = asyncio.Event()

        def listen(_: Entry) -> None:
            changed.set()

        self._listeners.add(listen)
        try:
            async with asyncio.timeout(timeout):
                while not (result := condition()):
                    changed.clear()
                    await changed.wait()
                return result
        except TimeoutError:
            tail = "\n".join(f"  {e.at:.3f} {e.service} {e.kind} {e.data!r:.300}" for e in self.entries[-25:])
            raise TimeoutError(
                f"not seen within {timeout} s: {what or condition!r}; the journal ends with\n{tail}"
            ) from None
        finally:
            self._listeners.discard(listen)

    def listen(self, listener: Callable[[Entry], None]) -> Callable[[], None]:
        """Call `listener` with every new entry; returns how to stop that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)
