"""Writing to a platform: what every platform can do, and apart from it what only some can."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bot.conversation import Control, Message, MessageRef, Place
from bot.text import Dialect


class Write(enum.Enum):
    """The kinds of call a platform counts."""

    POST = "post"
    EDIT = "edit"
    DELETE = "delete"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit a platform keeps: at most `calls` in any `window` seconds on bucket `name`.

    `name` is the same in every worker and begins with the installation (`slack:T1:chat.update`). `burst` is how many
    may go at once; the rest are spread so that no window, however the platform places it, holds more than `calls`.
    """

    name: str
    calls: int
    window: float
    burst: int


@dataclass(frozen=True, slots=True)
class Observed:
    """What a platform's answer said about a bucket: `limit` calls a window, `remaining` of them, reset in s."""

    bucket: str
    limit: int
    remaining: int
    reset_after: float


@dataclass(frozen=True, slots=True)
class Button:
    """A button below a message.

    Args:
        control: what it is for.
        label: what stands on it.
        turn_id: of which answer; comes back with the press.
    """

    control: Control
    label: str
    turn_id: str


@dataclass(frozen=True, slots=True)
class Content:
    """What one message shows. Whatever stands beside its text is a field of its own, so that no second way is needed.

    Args:
        text: rendered Markdown, as the place's `Dialect` made it.
        buttons: what can be pressed below it, in order; none where the platform is no `ShowsButtons`.
    """

    text: str
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """A write that succeeded.

    `stored` is the text the platform says the message now holds, where its answer tells (None: it does not).
    `observed` are the buckets its headers spoke of.
    """

    ref: MessageRef
    stored: str | None = None
    observed: tuple[Observed, ...] = ()


@dataclass(frozen=True, slots=True)
class Posted:
    """A message of ours as a platform shows it now; `text` is None where it does not tell."""

    ref: MessageRef
    text: str | None


class Platform(Protocol):
    """A place where answers are written. Every method raises only `bot.errors.PlatformError`s.

    A call once begun is never cancelled in flight by the platform's own code, and must not be by its caller:
    the core awaits each call in a task it owns, shielded.
    """

    @property
    def installation(self) -> str:
        """Whose credentials this writes with: `slack:T1`, `discord:APP`."""
        ...

    def dialect(self, place: Place) -> Dialect:
        """How text is written there, and how much fits a message. Its limit may fall after a `TooLong`."""
        ...

    def rate_limits(self, write: Write, place: Place) -> tuple[RateLimit, ...]:
        """The rate limits one such call spends from, all of them; none for one that makes no call there."""
        ...

    async def open(self, place: Place, title: str) -> Place:
        """Make the place ready (open a thread named `title` where that is the custom) and return where to write.

        Idempotent; tries again what may pass, and where no thread can be had returns a place that replies instead.
        Raises PlatformError where nothing can be written at all.
        """
        ...

    async def post(self, place: Place, content: Content, nonce: str) -> Receipt:
        """Post a new message. `nonce` (at most 25 characters) is stored with it, so that `find` finds it."""
        ...

    async def edit(self, place: Place, ref: MessageRef, content: Content) -> Receipt:
        """Replace what one of our messages shows. Idempotent."""
        ...

    async def delete(self, place: Place, ref: MessageRef) -> None:
        """Delete one of our messages; one that is already gone is success."""
        ...

    async def find(self, place: Place, nonce: str, since: float) -> MessageRef | None:
        """Look for a message of ours posted at `since` (Unix s) or later with `nonce`; None when there is none."""
        ...


@runtime_checkable
class ShowsStatus(Protocol):
    """A platform that can show "is thinking" without a message (typing, assistant status)."""

    status_lasts: float
    """Seconds a status stays before it must be shown again."""

    async def show_status(self, place: Place, text: str) -> None:
        """Show `text` (or typing). Best effort: raises PlatformError, which the caller may ignore."""
        ...

    async def clear_status(self, place: Place) -> None:
        """Take the status away, where the platform does not do so by itself."""
        ...


@runtime_checkable
class ShowsButtons(Protocol):
    """A platform on which buttons can stand below a message. They travel with posts and edits."""

    def shows_buttons(self, place: Place) -> bool:
        """Whether they can there, as far as is known."""
        ...


@runtime_checkable
class KnowsClosedPlaces(Protocol):
    """A platform that remembers where it was refused: nobody is asked for an answer that cannot be shown there."""

    def closed(self, place: Place) -> str:
        """Return why nothing can be written there now, as far as is known without a call; empty when it may be."""
        ...


@runtime_checkable
class CompletesMessages(Protocol):
    """A platform whose events lack what Claude should see: names of authors and of the people mentioned."""

    async def complete(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Return the messages with display names filled in and mentions written as `@name`."""
        ...


@runtime_checkable
class ReadsThread(Protocol):
    """A platform on which a thread's earlier messages can be read."""

    async def thread_before(self, message: Message) -> tuple[Message, ...]:
        """Return what was said in the thread before `message`, oldest first, capped by the adapter."""
        ...


@runtime_checkable
class ReadsOwn(Protocol):
    """A platform on which our own messages can be read again: those of a worker that died before it recorded them."""

    async def own_since(self, place: Place, name: str, since: float, after: Sequence[str]) -> tuple[Posted, ...]:
        """Return our messages whose nonce begins with `name`, oldest first.

        Args:
            place: whose conversation is searched. It may be one that was to be opened: what was written there after
                somebody opened it counts as well.
            name: what the nonces begin with.
            since: Unix seconds before which none was posted.
            after: ids of messages that were there before all of them. Where the platform keeps no nonces, every
                message of ours that is newer counts, but for those of `notify`.
        """
        ...


@runtime_checkable
class NotifiesAsker(Protocol):
    """A platform that can tell the asker, with a ping to them alone, that a long answer is done."""

    async def notify(self, place: Place, user: str, ref: MessageRef, nonce: str) -> Receipt:
        """Post a short reply that pings only `user` and links to `ref`."""
        ...
