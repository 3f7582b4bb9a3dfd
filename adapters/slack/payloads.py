"""What Slack sends, as typed values: checked once, at the door, for HTTP and Socket Mode alike.

What is missing or null has its default. What is of another type than Slack's reference says makes the whole payload
odd, and nothing behind the door ever sees it.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

ID = r"\A(?:[A-Z][A-Z0-9]{0,30})?\Z"
TIME = r"\A(?:[0-9]{1,12}(?:\.[0-9]{1,6})?)?\Z"


class OddPayload(ValueError):
    """A payload that is none of Slack's; says where it is odd, and nothing of what stands there."""


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
    username: Text = ""
    bot_id: Id = ""
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
    challenge: Text = ""
    event: dict[str, Any] | None = None


class Frame(_Typed):
    """What comes over a WebSocket."""

    type: Text = ""
    envelope_id: Text = ""
    reason: Text = ""
    payload: Annotated[dict[str, Any], _or_default({})] = {}


def read_frame(payload: object) -> Frame:
    """Return a frame. Raises OddPayload."""
    return _read(Frame, payload)


def read_envelope(payload: object) -> Envelope:
    """Return the envelope. Raises OddPayload."""
    return _read(Envelope, payload)


def read_event(payload: object) -> dict[str, Any]:
    """Return a `message` or `app_mention` event, or a message of a thread, with its known fields. Raises OddPayload."""
    return _read(Event, payload).model_dump(exclude_unset=True, exclude_none=True)


Model = TypeVar("Model", bound=_Typed)


def _read(kind: type[Model], payload: object) -> Model:
    try:
        return kind.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise OddPayload(f"{'.'.join(map(str, first['loc'])) or kind.__name__}: {first['msg']}"[:200]) from None
    except RecursionError:
        raise OddPayload("it is nested too deep") from None
