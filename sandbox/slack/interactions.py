"""Buttons and forms: what people press and send, and how the bot is told. None of it is delivered a second time."""

from __future__ import annotations

import secrets
import time
from typing import Any

from sandbox.slack import payloads
from sandbox.slack.backend import Answer, Backend
from sandbox.slack.call import Call, Refusal
from sandbox.slack.content import labels_in
from sandbox.slack.delivery import Dispatcher
from sandbox.slack.world import Post

TRIGGER_SECONDS = 3.0
"""Seconds for which a trigger opens a form."""


def open_view(call: Call, back: Backend) -> Answer:
    """views.open: shows a form to whoever pressed, once, within three seconds of the press."""
    user, until = back.triggers.pop(call.required("trigger_id"), ("", 0.0))
    if not user:
        raise Refusal("invalid_trigger_id")
    if time.time() > until:
        raise Refusal("expired_trigger_id")
    view = call.structure("view", code="invalid_arguments")
    if not isinstance(view, dict) or view.get("type") != "modal" or not isinstance(view.get("blocks"), list):
        raise Refusal("invalid_arguments")
    if len(str(view.get("private_metadata") or "")) > 3_000 or len(view["title"]["text"]) > 24:
        raise Refusal("invalid_arguments")
    back.forms[user] = view
    back.journal.add("slack", "form", user=user, view=view)
    return {"view": {"id": f"V{secrets.token_hex(5).upper()}", "team_id": back.workspace.team_id, **view}}


class Interactions:
    """People who press. Users and channels go by id."""

    def __init__(self, back: Backend, events: Dispatcher) -> None:
        self._back = back
        self._events = events

    def buttons(self, channel: str, ts: str) -> list[str]:
        """What stands on the buttons of a message, in order."""
        return list(labels_in(self._post(channel, ts).blocks))

    def value(self, channel: str, ts: str, label: str) -> tuple[str, str]:
        """The action id and the value of a button, for a press after it has gone. Raises KeyError."""
        return labels_in(self._post(channel, ts).blocks)[label]

    async def press(
        self, channel: str, ts: str, user: str, label: str, *, button: tuple[str, str] | None = None
    ) -> bool:
        """Press a button as a person; returns whether the bot acknowledged it in time.

        Raises KeyError when no such button is there; `button` is one that was, as `value` returned it.
        """
        post = self._post(channel, ts)
        action_id, known = button or labels_in(post.blocks)[label]
        action: dict[str, Any] = {"type": "button", "action_id": action_id, "block_id": "blk1", "value": known}
        action |= {"action_ts": self._back.workspace.ts(), "text": {"type": "plain_text", "text": label}}
        container: dict[str, Any] = {
            "type": "message",
            "message_ts": post.ts,
            "channel_id": post.channel,
            "is_ephemeral": False,
        }
        container |= {"thread_ts": post.thread} if post.thread else {}
        return await self._send(
            {
                "type": "block_actions",
                "trigger_id": self._trigger(user),
                "channel": {"id": post.channel, "name": self._back.workspace.channels[post.channel].name},
                "message": payloads.message(post, self._back.workspace, metadata=True),
                "container": container,
                "actions": [action],
                "state": {"values": {}},
                "response_url": "https://hooks.slack.com/actions/T/1/x",
            },
            user,
        )

    async def submit(self, user: str, words: str) -> bool:
        """Send the form that is shown to a person; raises KeyError when none is."""
        view = self._back.forms.pop(user)
        values = {
            block["block_id"]: {block["element"]["action_id"]: {"type": "plain_text_input", "value": words or None}}
            for block in view["blocks"]
        }
        shown = {"id": "V0SBX", "team_id": self._back.workspace.team_id, **view, "state": {"values": values}}
        return await self._send({"type": "view_submission", "view": shown, "response_urls": []}, user)

    async def _send(self, body: dict[str, Any], user: str) -> bool:
        space = self._back.workspace
        person = {"id": user, "username": space.users[user].name, "name": space.users[user].name}
        whole = {
            **body,
            "user": {**person, "team_id": space.team_id},
            "team": {"id": space.team_id, "domain": "sandbox"},
            "enterprise": None,
            "is_enterprise_install": False,
            "api_app_id": space.app_id,
            "token": "sandbox-verification-token",
        }
        outcome = await self._events.transport.interact(whole, self._events.ack_timeout)
        self._back.journal.add("slack", "press", user=user, type=body["type"], acked=outcome.acked)
        return outcome.acked

    def _trigger(self, user: str) -> str:
        trigger = f"{secrets.randbelow(10**12)}.{secrets.token_hex(8)}"
        self._back.triggers[trigger] = (user, time.time() + TRIGGER_SECONDS)
        return trigger

    def _post(self, channel: str, ts: str) -> Post:
        return self._back.workspace.channel(channel).posts[ts]
