"""What people press and write into forms on Slack: acknowledged at once, carried out after that.

Slack waits three seconds and delivers no press again. Who presses in vain is told so by a message that only they see.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from adapters.slack.blocks import OURS
from adapters.slack.calls import Api
from adapters.slack.fields import Identity
from adapters.slack.payloads import Interaction, read_json
from adapters.slack.rendering import plain
from bot.conversation import Author, Control, MessageRef, Place, Press
from bot.errors import PlatformError, StoreUnavailable
from bot.ports import Inbox

log = logging.getLogger(__name__)

FORM = "ft.wrong"
LONGEST_WORDS = 3_000
"""Characters that a field of a form takes (Slack's docs, "Plain-text input element")."""

NOT_NOW = "That cannot be done right now. Please press again in a moment."


class Actions:
    """Carries out what people press.

    Args:
        us: who the bot is.
        inbox: knows what becomes of a press.
        api: where forms are opened and people are told something.
        clock: Unix seconds.
    """

    def __init__(self, us: Identity, inbox: Inbox, api: Api, clock: Callable[[], float] = time.time) -> None:
        self._us = us
        self._inbox = inbox
        self._api = api
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()

    def take(self, interaction: Interaction) -> None:
        """Begin to carry out what somebody did; returns at once, so that it can be acknowledged."""
        if interaction.type == "view_submission":
            if (press := self._written(interaction)) is not None:
                self._begin(self._carry_out(press, ""))
        elif interaction.type == "block_actions" and (press := self._pressed(interaction)) is not None:
            self._begin(self._carry_out(press, interaction.trigger_id))

    async def close(self) -> None:
        """Return when all that was begun is done."""
        while self._running:
            await asyncio.wait(tuple(self._running))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="slack press")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _pressed(self, interaction: Interaction) -> Press | None:
        channel, message, user = interaction.channel, interaction.message, interaction.user
        if channel is None or message is None or not (channel.id and message.ts and user.id and interaction.actions):
            return None
        action = interaction.actions[0]
        control, _, turn_id = action.value.partition(":")
        if not action.action_id.startswith(OURS) or control not in set(Control) or not turn_id:
            return None
        return Press(
            control=Control(control),
            turn_id=turn_id,
            installation=self._us.installation,
            message=MessageRef(channel.id, message.ts),
            author=Author(user.id),
            place=Place(channel.id, thread=message.thread_ts or None, direct=channel.id.startswith("D")),
            pressed_at=self._clock(),
        )

    def _written(self, interaction: Interaction) -> Press | None:
        """What was wrong with an answer, in the words of whoever did not like it."""
        view = interaction.view
        if view is None or view.callback_id != FORM or not interaction.user.id:
            return None
        about = read_json(view.private_metadata)
        if not (isinstance(about, list) and len(about) == len(("channel", "message", "turn"))):
            return None
        channel, message, turn_id = map(str, about)
        fields = view.state.values.values() if view.state is not None else ()
        return Press(
            control=Control.BAD,
            turn_id=turn_id,
            installation=self._us.installation,
            message=MessageRef(channel, message),
            author=Author(interaction.user.id),
            place=Place(channel),
            pressed_at=self._clock(),
            words="\n".join(field.value for block in fields for field in block.values() if field.value),
        )

    async def _carry_out(self, press: Press, trigger_id: str) -> None:
        """Do it, and tell the person what does not show by itself. `trigger_id` opens one form within three seconds."""
        told = ""
        try:
            result = await self._inbox.press(press)
            told = result.told
            if result.done and press.control is Control.BAD and trigger_id:
                await self._api.call("views.open", {"trigger_id": trigger_id, "view": _form(press)})
                told = ""
        except StoreUnavailable:
            told = NOT_NOW
        except PlatformError as error:
            log.info("no form can be opened", extra={"error": str(error)})
        if told:
            await self._tell(press, told)

    async def _tell(self, press: Press, sentence: str) -> None:
        arguments = {
            "channel": press.place.channel,
            "user": press.author.id,
            "thread_ts": press.place.thread,
            "text": plain(sentence),
        }
        try:
            await self._api.call("chat.postEphemeral", arguments)
        except PlatformError as error:
            log.info("nobody can be told privately there", extra={"error": str(error)})


def _form(press: Press) -> dict[str, Any]:
    text = {"type": "plain_text_input", "action_id": "words", "multiline": True, "max_length": LONGEST_WORDS}
    return {
        "type": "modal",
        "callback_id": FORM,
        "private_metadata": json.dumps([press.message.channel, press.message.id, press.turn_id]),
        "title": _plain("Thank you"),
        "submit": _plain("Send"),
        "close": _plain("Skip"),
        "blocks": [{"type": "input", "block_id": "wrong", "element": text, "label": _plain("What was wrong?")}],
    }


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}
