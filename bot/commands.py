"""Words a person can say to the bot itself, and who may say anything at all.

`classify` decides what a message is; `Reception` is the door through which intakes hand messages in.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from bot.conversation import Message, ThreadKey
from bot.ports import TurnStore
from bot.text.graphemes import visible


class Kind(enum.Enum):
    """What a message wants."""

    QUESTION = "question"
    GREETING = "greeting"  # nothing one could see but the mention
    HELP = "help"
    RESET = "reset"
    STOP = "stop"
    RETRY = "retry"
    STRANGER = "stranger"  # from somebody or somewhere that may not ask


_WORDS = {kind.value: kind for kind in (Kind.HELP, Kind.RESET, Kind.STOP, Kind.RETRY)}


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask, and where; an empty set means everybody or everywhere. Ids as the platform writes them."""

    users: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    workspaces: frozenset[str] = frozenset()

    def allows(self, message: Message) -> bool:
        """Whether this message may be answered. Direct messages are in no Discord guild: there, users decide."""
        place = message.place
        return (
            (not self.users or message.author.id in self.users)
            and (not self.channels or place.channel in self.channels or place.thread in self.channels)
            and (not self.workspaces or message.key.tenant in self.workspaces)
        )


def classify(message: Message, access: Access) -> Kind:
    """What the message wants, from its text alone."""
    if not access.allows(message):
        return Kind.STRANGER
    word = re.sub(r"[\s`*_.!/]+", "", message.text).lower()
    if not visible(message.text) and not message.attachments:
        return Kind.GREETING
    return _WORDS.get(word, Kind.QUESTION)


class Reception:
    """The `bot.ports.Inbox` over a store: puts questions into the mailbox and lets `stop` pass the queue."""

    def __init__(self, store: TurnStore, access: Access) -> None:
        self._store = store
        self._access = access

    async def submit(self, message: Message) -> bool:
        """See `bot.ports.Inbox.submit`. Strangers who only go on in a thread are passed over in silence."""
        kind = classify(message, self._access)
        if kind is Kind.STRANGER and not message.addressed:
            return False
        new = await self._store.submit(message, alone=kind is not Kind.QUESTION)
        if new and kind is Kind.STOP and await self._store.amend(message.key, message.installation):
            # The running answer ends by itself with a word; the order to stop needs no answer of its own.
            await self._store.amend(message.key, message.installation, message_id=message.id)
        return new

    async def takes_part(self, key: ThreadKey) -> bool:
        """See `bot.ports.Inbox.takes_part`."""
        return await self._store.takes_part(key)

    async def key_of(self, installation: str, message_id: str) -> ThreadKey | None:
        """See `bot.ports.Inbox.key_of`."""
        return await self._store.key_of(installation, message_id)

    async def edited(self, message: Message) -> None:
        """See `bot.ports.Inbox.edited`."""
        await self._store.amend(message.key, message.installation, message_id=message.id, text=message.text)

    async def deleted(self, key: ThreadKey, installation: str, message_id: str) -> None:
        """See `bot.ports.Inbox.deleted`."""
        await self._store.amend(key, installation, message_id=message_id)

    async def directs(self, installation: str) -> tuple[str, ...]:
        """See `bot.ports.KnowsDirects.directs`."""
        return await self._store.directs(installation)

    async def cursor(self, installation: str) -> str | None:
        """See `bot.ports.Inbox.cursor`."""
        return await self._store.cursor(installation)

    async def move_cursor(self, installation: str, value: str) -> None:
        """See `bot.ports.Inbox.move_cursor`."""
        await self._store.move_cursor(installation, value)
