"""The mailboxes: what people wrote and nobody has answered yet, one for each thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Literal, Protocol

from bot.conversation import Message, Place, ThreadKey


@dataclass(frozen=True, slots=True)
class Signal:
    """Something a worker should look at now.

    A turn is `ready` to claim; `key`'s running turn was `amended`; or a message of its thread that nobody ever handed
    in was `deleted`, which may be one of the answer.
    """

    kind: Literal["ready", "amended", "deleted"]
    key: ThreadKey | None = None
    message_id: str = ""


class Mailbox(Protocol):
    """The mailboxes of all threads. Every method raises StoreUnavailable."""

    async def submit(self, message: Message, *, alone: bool = False) -> bool:
        """Put a message into its thread's mailbox, once: False when it was there before.

        An `alone` message is a turn of its own (a command); others that wait together are answered together.
        """
        ...

    async def takes_part(self, key: ThreadKey) -> bool:
        """Whether a message of this thread was ever submitted (within the history's life)."""
        ...

    async def key_of(self, installation: str, message_id: str) -> ThreadKey | None:
        """The thread in which `record` noted this message as ours."""
        ...

    async def amend(
        self,
        key: ThreadKey,
        installation: str,
        *,
        message_id: str | None = None,
        text: str | None = None,
        at: float | None = None,
        turn_id: str = "",
    ) -> bool:
        """Change what waits or runs in a thread; returns whether there was anything to change.

        With `text`: the waiting message's new text, written `at` (Unix seconds of the platform; None counts as newest).
        An older one than it has changes nothing, nor does the same again. With `message_id` alone: the message is taken
        back, and a running turn that asks nothing else is stopped, one that others asked along in counts as edited.
        With neither: the running turn is stopped, if it is `turn_id` where that is given. What comes before its message
        (platforms deliver again, and out of order) waits for it a while.
        """
        ...

    async def running(self, key: ThreadKey, installation: str) -> tuple[str, tuple[Message, ...]]:
        """Return the id of the turn that is under way in a thread, and what it asks; an empty id when none is."""
        ...

    async def waiting(self, installation: str, lasts: float) -> tuple[Place, ...]:
        """Where a message was accepted and no worker took it up: a few at a time, nearest turn first.

        Each place is told to one caller in `lasts` seconds, who is to show a status there now.
        """
        ...

    def signals(self, installations: Collection[str]) -> AsyncIterator[Signal]:
        """Yield what happens, from now on. Best effort: a worker sweeps every second as well."""
        ...

    async def cursor(self, installation: str) -> str | None:
        """See `Inbox.cursor`."""
        ...

    async def move_cursor(self, installation: str, value: str) -> None:
        """See `Inbox.move_cursor`."""
        ...

    async def directs(self, installation: str) -> tuple[str, ...]:
        """See `KnowsDirects.directs`."""
        ...
