"""What Slack sends, as typed values: checked once, at the door, for HTTP and Socket Mode alike.

What is missing or null has its default. What is of another type than Slack's reference says makes the whole payload
odd, and nothing behind the door ever sees it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

ID = r"\A(?:[A-Z][A-Z0-9]{0,30})?\Z"
TIME = r"\A(?:[0-9]{1,12}\.[0-9]{6})?\Z"


TOLD = frozenset({"app_mention", "channel_unarchive", "group_unarchive", "member_joined_channel", "message"})
"""The types of events that say something to the bot."""


FIELDS = 100
"""Fields of a form; Slack's have about fifteen."""

DEEPEST = 100
"""Levels of nesting; Slack's blocks have about ten. Ten times as many are more than Python's own recursion bears."""


class OddPayload(ValueError):
    """A payload that is none of Slack's; says where it is odd, and nothing of what stands there.

    Attributes:
        field: the last field on the way there that Slack has a name for: one of a few, whatever a stranger sends.
    """

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}"[:200])
        self.field = field


def _or_default(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


Text = Annotated[str, _or_default("")]
Id = Annotated[str, _or_default(""), Field(pattern=ID)]
Time = Annotated[str, _or_default(""), Field(pattern=TIME)]
Objects = Annotated[list[Any], _or_default([])]


class _Typed(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", regex_engine="python-re")


class Event(_Typed):
    """A message, an event about one, or a version of one inside such an event."""

    type: Text = ""
    subtype: Text = ""
    channel: Id = ""
    channel_type: Text = ""
    user: Id = ""
    team: Id = ""
    user_team: Id = ""
    source_team: Id = ""
    username: Text = ""
    bot_id: Id = ""
    app_id: Id = ""
    bot_profile: dict[str, Any] | None = None
    text: Text = ""
    ts: Time = ""
    thread_ts: Time = ""
    deleted_ts: Time = ""
    event_ts: Time = ""
    hidden: Annotated[bool, _or_default(False)] = False
    files: Objects = []
    blocks: Objects = []
    attachments: Objects = []
    message: Event | None = None
    previous_message: Event | None = None


class Envelope(_Typed):
    """What a request or a frame brings."""

    type: Text = ""
    team_id: Id = ""
    is_ext_shared_channel: bool | None = None
    challenge: Text = ""
    event: dict[str, Any] | None = None


class Frame(_Typed):
    """What comes over a WebSocket."""

    type: Text = ""
    envelope_id: Text = ""
    reason: Text = ""
    num_connections: Any = None
    payload: Annotated[dict[str, Any], _or_default({})] = {}


class Person(_Typed):
    """Who pressed."""

    id: Id = ""
    username: Text = ""
    team_id: Id = ""


class Named(_Typed):
    """Something that is known by its id."""

    id: Id = ""


class Action(_Typed):
    """One button."""

    action_id: Text = ""
    value: Text = ""
    action_ts: Time = ""


class Input(_Typed):
    """What was written into one field of a form."""

    value: Text = ""


class State(_Typed):
    """What was written into a form, by the ids of its blocks and fields."""

    values: Annotated[dict[str, dict[str, Input]], _or_default({})] = {}


class View(_Typed):
    """A form."""

    callback_id: Text = ""
    private_metadata: Text = ""
    state: State | None = None


class Interaction(_Typed):
    """What somebody pressed, or a form that they sent."""

    type: Text = ""
    user: Person = Person()
    channel: Named | None = None
    message: Event | None = None
    actions: Annotated[list[Action], _or_default([])] = []
    trigger_id: Text = ""
    view: View | None = None


def read_interaction(payload: object) -> Interaction:
    """Return what somebody did to a button or a form. Raises OddPayload."""
    return _read(Interaction, payload)


def read_form(body: bytes) -> object:
    """Return what the field `payload` of a form holds; None where there is none. Raises OddPayload."""
    try:
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS)
    except ValueError:
        raise OddPayload("form", "it is none") from None
    return read_json(fields["payload"][0]) if "payload" in fields else None


def read_json(text: str | bytes) -> object:
    """Return what a body or a frame holds. Raises OddPayload."""
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        raise OddPayload("JSON", "it is none") from None
    level = [payload]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
    if level:
        raise OddPayload("JSON", "it is nested too deep")
    return payload


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def read_frame(payload: object) -> Frame:
    """Return a frame. Raises OddPayload."""
    return _read(Frame, payload)


def read_envelope(payload: object) -> Envelope:
    """Return the envelope. Raises OddPayload."""
    return _read(Envelope, payload)


def read_event(payload: object) -> dict[str, Any]:
    """Return a `message` or `app_mention` event, or a message of a thread, with its known fields. Raises OddPayload."""
    return _read(Event, payload).model_dump(exclude_unset=True, exclude_none=True)


def typed(payload: object) -> dict[str, Any]:
    """Return what matters of a request or an envelope's payload: an event that says nothing to the bot is left empty.

    Raises OddPayload.
    """
    envelope = read_envelope(payload)
    event = envelope.event or {}
    kind = event.get("type")
    return {
        "type": envelope.type,
        "team_id": envelope.team_id,
        "is_ext_shared_channel": envelope.is_ext_shared_channel,
        "challenge": envelope.challenge,
        "event": read_event(event) if isinstance(kind, str) and kind in TOLD else {"type": ""},
    }


Model = TypeVar("Model", bound=_Typed)


def _read(kind: type[Model], payload: object) -> Model:
    try:
        return kind.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        names = [str(name) for name in first["loc"] if name in kind.model_fields]
        raise OddPayload(names[-1] if names else kind.__name__, first["msg"]) from None
