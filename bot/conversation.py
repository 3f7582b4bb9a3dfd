"""The nouns: who said what, where, and what Claude answered. Plain frozen values without behaviour."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Literal, Self

FollowUps = Literal["all", "mention"]
"""In a thread where the bot takes part: whether it answers every message, or only those that name it."""


@dataclass(frozen=True, slots=True)
class ThreadKey:
    """Where a conversation lives; its text form is the name everything is stored under.

    `slack:T:C:root_ts`, `slack:T:D` (a direct message outside a thread), `slack:T:D:ts`,
    `discord:G:<root message id>`, `discord:@me:C`, `terminal:local:<session>`.
    """

    platform: str
    tenant: str
    thread: str

    def __str__(self) -> str:
        return f"{self.platform}:{self.tenant}:{self.thread}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key whose text form is `text`; raises ValueError when it has not three parts."""
        platform, tenant, thread = text.split(":", 2)
        return cls(platform, tenant, thread)


@dataclass(frozen=True, slots=True)
class Place:
    """Where on the platform an answer is written.

    Args:
        channel: the platform's channel id.
        thread: Slack's `thread_ts`, or the id of the Discord thread (a channel of its own); None when flat.
        reply_to: the message the answer is a reply to, where no thread could be had.
        direct: whether it is a direct message.
        root: the message a thread may still be opened from (Discord); None when there is nothing to open.
    """

    channel: str
    thread: str | None = None
    reply_to: str | None = None
    direct: bool = False
    root: str | None = None


@dataclass(frozen=True, slots=True)
class MessageRef:
    """One message of ours on the platform: what `edit` and `delete` need."""

    channel: str
    id: str


@dataclass(frozen=True, slots=True)
class Author:
    """A person; `name` is the display name, empty while nobody has looked it up."""

    id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file a person sent along. Only its description is kept: name, MIME type, size in bytes, and where it lies."""

    name: str
    mime: str
    size: int
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a person wrote.

    Args:
        key: the conversation it belongs to.
        installation: whose credentials it came in by: `slack:T1`, `discord:APP`, `terminal:local`.
        id: the platform's message id, unique within the installation (`C1:1700.1`, a snowflake).
        author: who wrote it.
        text: what they wrote, without the mention of the bot itself; other mentions as the platform wrote them.
        attachments: files sent along.
        sent_at: the platform's time, Unix seconds: it decides the order.
        place: where the answer goes.
        addressed: mentioned, replied to or written directly, as against a follow-up in a thread.
        mid_thread: the bot is addressed here in the middle of a thread that went on without it.
        from_bot: another bot wrote it, one that may ask.
        roles: ids of its author's roles in that server (Discord).
        about: the turn that a button was pressed below, where this stands for the press; empty for what was written.
        looping: that bot asked too often: it is told so, and Claude is not asked.
        external: its author, or who else can read along, belongs to another organisation, as far as can be told.
    """

    key: ThreadKey
    installation: str
    id: str
    author: Author
    text: str
    sent_at: float
    place: Place
    attachments: tuple[Attachment, ...] = ()
    addressed: bool = True
    mid_thread: bool = False
    external: bool = False
    from_bot: bool = False
    looping: bool = False
    about: str = ""
    roles: tuple[str, ...] = ()


class Control(enum.StrEnum):
    """What a person can want of an answer."""

    STOP = "stop"
    RETRY = "retry"
    CONTINUE = "continue"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A person pressed a button below one of our messages.

    Args:
        control: what they want.
        turn_id: of which answer.
        installation: whose credentials it came in by.
        message: where the button is.
        author: who pressed.
        place: where an answer to it goes.
        pressed_at: the platform's time, Unix seconds.
        moderates: whether the platform lets them manage others' messages there.
        words: what they wrote with it.
    """

    control: Control
    turn_id: str
    installation: str
    message: MessageRef
    author: Author
    place: Place
    pressed_at: float
    moderates: bool = False
    words: str = ""


@dataclass(frozen=True, slots=True)
class Rating:
    """What somebody thinks of an answer: whether it was good, and what was wrong in their words."""

    good: bool
    words: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer, as the API counted them."""

    input: int = 0
    output: int = 0
    cache_write: int = 0
    cache_read: int = 0
    thinking: int = 0


class StopReason(enum.StrEnum):
    """Why an answer ended. The first group comes from Claude, the second from us."""

    END_TURN = "end_turn"
    MAX_TOKENS = "max_tokens"
    STOP_SEQUENCE = "stop_sequence"
    TOOL_USE = "tool_use"
    PAUSE_TURN = "pause_turn"
    REFUSAL = "refusal"
    CONTEXT_EXCEEDED = "model_context_window_exceeded"

    STOPPED = "stopped"  # the person said stop, or deleted the placeholder or the question
    MAX_PARTS = "max_parts"  # the answer filled as many messages as one answer may
    FAILED = "failed"  # every attempt broke, or the API refused the request
    POISONED = "poisoned"  # every worker that asked it died; Claude is not sent it again with what is asked later
    LOCAL = "local"  # answered by the bot itself: help, greeting, polite refusal

    @property
    def failed(self) -> bool:
        """Whether the reader was told that there is no answer."""
        return self in (StopReason.FAILED, StopReason.POISONED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The person's message(s) and Claude's whole answer, as history keeps them.

    `answer` is empty exactly when `stop` is FAILED, POISONED, or STOPPED before any text: the question then goes
    before the next one, but for a poisoned one. `background` is what was said in the thread before the bot was first
    addressed in it.
    """

    id: str
    questions: tuple[Message, ...]
    answer: str
    stop: StopReason
    background: tuple[Message, ...] = ()
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    attempts: int = 1
    finished_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of text as it arrived."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The end of a whole answer: `message_stop` was seen.

    Args:
        text: everything the deltas held, joined.
        stop: why Claude stopped.
        usage: tokens as counted by the API.
        model: the model that answered.
        request_id: the API's id of the request, for support.
        first_token: seconds from sending the request to the first text; None when there was no text.
        detail: more about the stop reason, such as a refusal's category; empty when there is none.
    """

    text: str
    stop: StopReason
    usage: Usage
    model: str
    request_id: str
    first_token: float | None
    detail: str = ""
