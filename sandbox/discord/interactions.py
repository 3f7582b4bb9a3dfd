"""Interactions: a person presses a button or runs a command, the bot answers within 3 s and may edit what it answered.

Covers messages, deferred messages, updates of the pressed message and forms; no autocomplete.
"""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass
from typing import Any

from sandbox.journal import Journal

from . import forms, payloads
from .actions import SUPPRESS_EMBEDS, Actions
from .errors import ApiError, form_error
from .rest import Call, Endpoint
from .sessions import Intent
from .world import Message, World

Json = dict[str, Any]

ANSWER_SECONDS = 3.0
"""How long an interaction waits for its first answer."""

TOKEN_SECONDS = 900.0
"""How long its token can be used."""

EPHEMERAL, LOADING = 1 << 6, 1 << 7
"""Message flags: only the person sees it; "is thinking"."""


BUTTON = 2
"""The component type."""

LABEL, FORM_TITLE, FORM_PARTS = 18, 45, 5
"""A form: the component that holds a field, characters of its title, and how many components it takes."""


def buttons_of(message: Message) -> dict[str, str]:
    """The buttons of a message: custom ids by labels."""
    parts = [part for row in message.components for part in row.get("components") or []]
    return {part["label"]: part["custom_id"] for part in parts if part["type"] == BUTTON}


class Kind(enum.IntEnum):
    """Interaction types."""

    COMMAND = 2
    COMPONENT = 3
    FORM = 5


class Answer(enum.IntEnum):
    """Interaction callback types."""

    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    FORM = 9


@dataclass(slots=True)
class Interaction:
    """One interaction; `answer` is the message it made or updated."""

    id: str
    token: str
    kind: Kind
    user: str
    channel: str
    begun: float
    pressed: Message | None = None
    answered: bool = False
    answer: Message | None = None


class Interactions:
    """Begins interactions for people and takes the bot's answers."""

    def __init__(self, world: World, actions: Actions, journal: Journal) -> None:
        self.world = world
        self.actions = actions
        self.journal = journal
        self._by_token: dict[str, Interaction] = {}
        self.forms: dict[str, tuple[Json, Message | None]] = {}
        """The form that is shown to a person, and the message it was opened from."""

    def calls(self) -> list[Endpoint]:
        """The calls by name; the token in the path is all the authorization they need, and no limit counts them."""
        original = "/webhooks/{application}/{token}/messages/@original"
        return [
            Endpoint(name, method, template, act, counts=False, public=True)
            for name, method, template, act in (
                ("POST interaction callback", "POST", "/interactions/{id}/{token}/callback", self.callback),
                ("POST followup", "POST", "/webhooks/{application}/{token}", self.follow_up),
                ("GET original", "GET", original, self.get_original),
                ("PATCH original", "PATCH", original, self.edit_original),
                ("DELETE original", "DELETE", original, self.delete_original),
            )
        ]

    # --- people -----------------------------------------------------------------------------------------

    def press(self, message: Message, user: str, custom_id: str) -> str:
        """A person presses a button, perhaps one that has just gone; returns the interaction's id."""
        data: Json = {"component_type": 2, "custom_id": custom_id}
        return self._begin(Kind.COMPONENT, user, message.channel, data, pressed=message)

    def submit(self, user: str, words: str) -> str:
        """A person sends the form that is shown to them; raises KeyError when none is."""
        form, pressed = self.forms.pop(user)
        channel = pressed.channel if pressed is not None else ""
        fields = [
            {**each, "component": {**each["component"], "value": words}}
            for each in form["components"]
            if each["type"] == LABEL
        ]
        data = {"custom_id": form["custom_id"], "components": fields}
        return self._begin(Kind.FORM, user, channel, data, pressed=pressed)

    def command(self, channel: str, user: str, command: Json, options: Json) -> str:
        """A person runs a registered slash command with text options; returns the interaction's id."""
        given = [{"name": name, "type": 3, "value": value} for name, value in options.items()]
        data: Json = {"id": command["id"], "name": command["name"], "type": 1, "options": given}
        return self._begin(Kind.COMMAND, user, channel, data)

    def _begin(self, kind: Kind, user: str, channel: str, data: Json, pressed: Message | None = None) -> str:
        world = self.world
        begun = Interaction(
            id=world.snowflake(),
            token=secrets.token_urlsafe(24),
            kind=kind,
            user=user,
            channel=channel,
            begun=world.clock.now(),
            pressed=pressed,
        )
        self._by_token[begun.token] = begun
        place, person = world.channels[channel], world.users[user]
        event: Json = {
            "id": begun.id,
            "application_id": world.application_id,
            "type": int(kind),
            "token": begun.token,
            "version": 1,
            "data": data,
            "channel_id": channel,
            "channel": payloads.channel(world, place),
            "app_permissions": str(int(world.permissions(world.bot_id, place))),
            "locale": "en-US",
            "entitlements": [],
            "authorizing_integration_owners": {},
            "attachment_size_limit": forms.ATTACHMENT_BYTES,
        }
        if pressed is not None:
            event["message"] = payloads.message_event(world, pressed, with_content=True)
        if world.in_guild(place):
            granted = str(int(world.permissions(user, place)))
            event |= {"guild_id": world.guild_id, "guild_locale": "en-US", "context": 0}
            event["guild"] = {"id": world.guild_id, "locale": "en-US", "features": []}
            event["member"] = payloads.member(person) | {"permissions": granted}
        else:
            event |= {"user": payloads.user(person), "context": 1}
        self.actions.gateway.dispatch("INTERACTION_CREATE", Intent(0), place, lambda _: event)
        return begun.id

    # --- the bot ----------------------------------------------------------------------------------------

    def callback(self, call: Call) -> tuple[int, Any]:
        """The first answer, which must come within 3 s and once."""
        begun = self._by_token.get(call.path["token"])
        now = self.world.clock.now()
        if begun is None or begun.id != call.path["id"]:
            raise ApiError(10062)
        if begun.answered:
            raise ApiError(40060)
        if now - begun.begun > ANSWER_SECONDS:
            raise ApiError(10062)
        kind, data = self._kind_of(call.body), call.body.get("data") or {}
        forms.shapes(data)
        if kind is Answer.FORM:
            self._open(begun, data)
        elif kind in (Answer.DEFERRED_UPDATE, Answer.UPDATE):
            begun.answer = begun.pressed
            if kind is Answer.UPDATE and begun.pressed is not None:
                self._change(begun.pressed, data)
        elif kind is Answer.DEFERRED_MESSAGE:
            begun.answer = self._show(begun, call, data, flags=LOADING | int(data.get("flags") or 0))
        else:
            begun.answer = self._show(begun, call, data, flags=int(data.get("flags") or 0))
        begun.answered = True
        if call.query.get("with_response") not in ("1", "true"):
            return 204, None
        told: Json = {"id": begun.id, "type": int(begun.kind)}
        resource: Json = {"type": int(kind)}
        if begun.answer is not None and kind is not Answer.DEFERRED_UPDATE:
            told["response_message_id"] = begun.answer.id
            told["response_message_loading"] = bool(begun.answer.flags & LOADING)
            resource["message"] = payloads.message(self.world, begun.answer)
        return 200, {"interaction": told, "resource": resource}

    def _open(self, begun: Interaction, data: Json) -> None:
        title, parts = data.get("title"), data.get("components")
        if begun.kind is Kind.FORM or not (isinstance(title, str) and 1 <= len(title) <= FORM_TITLE):
            raise form_error("title", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {FORM_TITLE} in length.")
        if not (isinstance(parts, list) and 1 <= len(parts) <= FORM_PARTS and data.get("custom_id")):
            raise form_error("components", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {FORM_PARTS} in length.")
        self.forms[begun.user] = (data, begun.pressed)
        self.journal.add("discord", "form", user=begun.user, title=title)

    @staticmethod
    def _kind_of(body: Json) -> Answer:
        try:
            return Answer(body["type"])
        except (KeyError, ValueError):
            raise form_error("type", "BASE_TYPE_CHOICES", "The stand-in takes types 4, 5, 6, 7 and 9.") from None

    def follow_up(self, call: Call) -> tuple[int, Any]:
        """A further message."""
        begun = self._living(call)
        forms.shapes(call.body)
        message = self._show(begun, call, call.body, flags=int(call.body.get("flags") or 0))
        return 200, None if message is None else payloads.message(self.world, message)

    def get_original(self, call: Call) -> tuple[int, Any]:
        """The first answer."""
        return 200, payloads.message(self.world, self._original(call))

    def edit_original(self, call: Call) -> tuple[int, Any]:
        """Edit the first answer; this ends "is thinking"."""
        message = self._original(call)
        forms.shapes(call.body)
        message.flags &= ~LOADING
        self._change(message, call.body)
        return 200, payloads.message(self.world, message)

    def delete_original(self, call: Call) -> tuple[int, Any]:
        """Delete the first answer."""
        self.actions.delete(self._original(call))
        return 204, None

    def _living(self, call: Call) -> Interaction:
        begun = self._by_token.get(call.path["token"])
        if begun is None or not begun.answered or self.world.clock.now() - begun.begun > TOKEN_SECONDS:
            raise ApiError(50027)
        return begun

    def _original(self, call: Call) -> Message:
        message = self._living(call).answer
        if message is None or self.world.find_message(message.channel, message.id) is None:
            raise ApiError(10008)
        return message

    def _change(self, message: Message, data: Json) -> None:
        changes: Json = {}
        if "content" in data:
            changes["content"] = forms.content(data)
        if "embeds" in data:
            changes["embeds"] = forms.embeds(data)
        if "components" in data:
            changes["components"] = forms.components(data, message.flags)
        self.actions.edit(message, allowed=data.get("allowed_mentions"), changes=changes)

    def _show(self, begun: Interaction, call: Call, data: Json, *, flags: int) -> Message | None:
        """Post an answer; one for the person alone is only noted, since no other reader sees it."""
        text, embeds, components = forms.content(data), forms.embeds(data), forms.components(data, flags)
        if not (text or embeds or components or call.files or flags & LOADING):
            raise ApiError(50006)
        if flags & EPHEMERAL:
            self.journal.add("discord", "ephemeral", channel=begun.channel, user=begun.user, text=text)
            return None
        person = payloads.user(self.world.users[begun.user])
        return self.actions.post(
            self.world.channels[begun.channel],
            self.world.bot_id,
            text,
            allowed=data.get("allowed_mentions"),
            flags=flags & (SUPPRESS_EMBEDS | LOADING | forms.IS_COMPONENTS_V2),
            uploads=call.files,
            embeds=embeds,
            components=components,
            kind=20 if begun.kind is Kind.COMMAND else 0,
            interaction={
                "id": begun.id,
                "type": int(begun.kind),
                "user": person,
                "authorizing_integration_owners": {},
            },
        )
