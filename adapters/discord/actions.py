"""What people press and write into forms on Discord: acknowledged at once, carried out after that.

Discord waits three seconds and delivers no press again. Who presses in vain is told so by a message that only they see.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, cast

import discord

from adapters.discord import buttons
from adapters.discord.calls import Calls
from adapters.discord.markup import name_of
from adapters.discord.reading import spot_of
from bot.conversation import Author, Control, MessageRef, Place, Press
from bot.errors import PlatformError, StoreUnavailable
from bot.ports import Inbox

log = logging.getLogger(__name__)

CALLBACK = "/interactions/{interaction_id}/{token}/callback"
FOLLOW_UP = "/webhooks/{application_id}/{token}"
EPHEMERAL = 1 << 6

MESSAGE, DEFERRED_UPDATE, MODAL = 4, 6, 9
"""Callback types (Developer Docs, "Interaction Callback Type")."""

NOT_NOW = "That cannot be done right now. Please press again in a moment."


class Actions:
    """Carries out what people press.

    Args:
        client: the connection's client.
        calls: makes the calls.
        installation: whose credentials presses come in by.
        inbox: knows what becomes of a press.
    """

    def __init__(self, client: discord.Client, calls: Calls, installation: str, inbox: Inbox) -> None:
        self._client = client
        self._calls = calls
        self._installation = installation
        self._inbox = inbox
        self._running: set[asyncio.Task[None]] = set()

    def take(self, interaction: discord.Interaction) -> None:
        """Begin to carry out what somebody did; returns at once."""
        data = cast("Mapping[str, Any]", interaction.data or {})
        wanted = buttons.read(data.get("custom_id"))
        if wanted is None or interaction.message is None:
            return
        written = interaction.type is discord.InteractionType.modal_submit
        press = self._press(interaction, interaction.message, *wanted, buttons.words(data) if written else "")
        task = asyncio.create_task(self._carry_out(interaction, press, written=written), name="discord press")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Return when all that was begun is done."""
        while self._running:
            await asyncio.wait(tuple(self._running))

    def _press(
        self, interaction: discord.Interaction, message: discord.Message, control: Control, turn_id: str, words: str
    ) -> Press:
        spot = spot_of(message)
        thread = str(spot.thread) if spot.thread else None
        reply_to = str(message.id) if spot.key is None else None
        return Press(
            control=control,
            turn_id=turn_id,
            installation=self._installation,
            message=MessageRef(str(message.channel.id), str(message.id)),
            author=Author(str(interaction.user.id), name_of(interaction.user)),
            place=Place(str(spot.channel), thread=thread, reply_to=reply_to, direct=spot.guild is None),
            pressed_at=interaction.created_at.timestamp(),
            moderates=interaction.permissions.manage_messages,
            words=words,
        )

    async def _carry_out(self, interaction: discord.Interaction, press: Press, *, written: bool) -> None:
        """Acknowledge, do it, and tell the person what does not show by itself."""
        asks = press.control is Control.BAD and not written  # a form must be the first answer
        try:
            if not asks:
                await self._answer(interaction, {"type": DEFERRED_UPDATE})
            told, done = await self._done(press)
            if asks and done:
                await self._answer(interaction, {"type": MODAL, "data": buttons.form(press.turn_id)})
            elif asks:
                await self._answer(interaction, {"type": MESSAGE, "data": _private(told)})
            elif told:
                await self._call(FOLLOW_UP, interaction, _private(told))
        except PlatformError as error:
            log.info("a press could not be answered", extra={"error": str(error)})

    async def _done(self, press: Press) -> tuple[str, bool]:
        try:
            result = await self._inbox.press(press)
        except StoreUnavailable:
            return NOT_NOW, False
        return result.told, result.done

    async def _answer(self, interaction: discord.Interaction, body: dict[str, Any]) -> None:
        await self._call(CALLBACK, interaction, body)

    async def _call(self, path: str, interaction: discord.Interaction, body: dict[str, Any]) -> None:
        answer = await self._calls.request(
            self._client.http,
            "POST",
            path,
            json=body,
            interaction_id=str(interaction.id),
            application_id=str(interaction.application_id),
            token=interaction.token,
        )
        if not answer.ok:
            log.info("Discord did not take the answer to a press", extra={"status": answer.status})


def _private(sentence: str) -> dict[str, Any]:
    return {"content": sentence, "flags": EPHEMERAL, "allowed_mentions": {"parse": []}}
