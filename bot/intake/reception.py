"""Where the platforms' adapters hand messages in: who may ask is checked here, and `stop` passes those who wait."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from bot.conversation import Message, Press, ThreadKey
from bot.intake.access import Access
from bot.intake.commands import Kind, classify
from bot.intake.controls import Controls
from bot.ports import Admission, History, Mailbox, Presence, PressResult, Quota, Throttle

BOTS = Quota(most=3, within=60.0, silence=600.0)
"""How often another bot is answered in a channel: two bots that answer each other would never end."""


def _aside(message: Message) -> Message:
    """The message as one of a conversation of its author's own, answered without opening a thread.

    So it neither makes the bot take part in the thread it stands in nor waits there for others' answers.
    """
    own, place = f"~{message.author.id}", message.place
    key = replace(message.key, thread=message.key.thread.removesuffix(own) + own)
    if place.root is not None:
        place = replace(place, root=None, reply_to=place.root)
    return replace(message, key=key, place=place)


class Incoming(Mailbox, History, Presence, Throttle, Protocol):
    """Where messages go: the mailboxes, the history, who listens, and who asks how often."""


class Reception:
    """The `bot.ports.Inbox` over a store: puts questions into the mailbox and lets `stop` pass the queue.

    Args:
        store: where they go.
        access: who may ask.
    """

    def __init__(self, store: Incoming, access: Access) -> None:
        self._store = store
        self._access = access
        self._controls = Controls(store, access)

    async def submit(self, message: Message) -> bool:
        """See `bot.ports.Inbox.submit`. A stranger is told once in a thread and then passed over in silence."""
        if message.from_bot:
            pair = f"{message.author.id}@{message.place.channel}"
            admission = await self._store.admit(message.installation, pair, message.id, BOTS)
            if admission is Admission.SILENCED:
                return False
            message = replace(message, looping=admission is Admission.REFUSED)
        if message.roles:  # the history keeps those that count
            message = replace(message, roles=tuple(role for role in message.roles if role in self._access.roles))
        kind = classify(message, self._access)
        if kind is Kind.STRANGER:
            aside = _aside(message)
            if not message.addressed or await self._store.takes_part(aside.key):
                return False
            return await self._store.submit(aside, alone=True)
        new = await self._store.submit(message, alone=kind is not Kind.QUESTION)
        if kind is Kind.STOP:
            await self._stop(message, new=new)
        return new

    async def _stop(self, message: Message, *, new: bool) -> None:
        """Stop the running answer. It ends by itself with a word, so that the order needs no answer of its own.

        Handed in again, the order counts only while it still waits: then the first time did not get this far.
        """
        key, installation = message.key, message.installation
        if new:
            if await self._store.amend(key, installation):
                await self._store.amend(key, installation, message_id=message.id)
        elif await self._store.amend(key, installation, message_id=message.id):
            await self._store.amend(key, installation)

    async def press(self, press: Press) -> PressResult:
        """See `bot.ports.Inbox.press`."""
        return await self._controls.press(press)

    async def takes_part(self, key: ThreadKey) -> bool:
        """See `bot.ports.Inbox.takes_part`."""
        return await self._store.takes_part(key)

    async def key_of(self, installation: str, message_id: str) -> ThreadKey | None:
        """See `bot.ports.Inbox.key_of`."""
        return await self._store.key_of(installation, message_id)

    async def edited(self, message: Message, *, at: float | None = None) -> None:
        """See `bot.ports.Inbox.edited`."""
        await self._store.amend(message.key, message.installation, message_id=message.id, text=message.text, at=at)

    async def deleted(self, key: ThreadKey, installation: str, message_id: str) -> None:
        """See `bot.ports.Inbox.deleted`."""
        await self._store.amend(key, installation, message_id=message_id)

    async def directs(self, installation: str) -> tuple[str, ...]:
        """See `bot.ports.KnowsDirects.directs`."""
        return await self._store.directs(installation)

    async def lead(self, installation: str, candidate: str, lasts: float) -> bool:
        """See `bot.ports.ChoosesLeader.lead`."""
        return await self._store.lead(installation, candidate, lasts)

    async def cursor(self, installation: str) -> str | None:
        """See `bot.ports.Inbox.cursor`."""
        return await self._store.cursor(installation)

    async def move_cursor(self, installation: str, value: str) -> None:
        """See `bot.ports.Inbox.move_cursor`."""
        await self._store.move_cursor(installation, value)
