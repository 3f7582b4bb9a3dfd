"""What the core asks of the outside: a platform to write on, a model to ask, a store to keep turns in.

Protocols only. Each is as small as the core can live with; what only some platforms can do stands apart
as a capability of its own, asked for with `isinstance`.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from aiohttp import web

from bot.conversation import Delta, Finished, Message, MessageRef, Place, Stop, ThreadKey, Turn, Usage
from bot.text import Dialect

# --- writing to a platform ---------------------------------------------------------------------------------


class Write(enum.Enum):
    """The kinds of call a platform counts."""

    POST = "post"
    EDIT = "edit"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Budget:
    """One limit a platform keeps: at most `calls` in any `window` seconds on bucket `name`.

    `name` is unique within the process (`slack:T1:chat.update`). `burst` is how many may go at once; the rest
    are spread so that no window, however the platform places it, holds more than `calls`.
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
class Receipt:
    """A write that succeeded.

    `stored` is the text the platform says the message now holds, where its answer tells (None: it does not).
    `observed` are the buckets its headers spoke of.
    """

    ref: MessageRef
    stored: str | None = None
    observed: tuple[Observed, ...] = ()


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

    def budgets(self, write: Write, place: Place) -> tuple[Budget, ...]:
        """The budgets one such call spends from, all of them."""
        ...

    async def open(self, place: Place, title: str) -> Place:
        """Make the place ready (open a thread named `title` where that is the custom) and return where to write.

        Idempotent; where a thread may not be opened, returns a place that replies instead.
        """
        ...

    async def post(self, place: Place, text: str, nonce: str) -> Receipt:
        """Post a new message. `nonce` (at most 25 characters) is stored with it, so that `find` finds it."""
        ...

    async def edit(self, place: Place, ref: MessageRef, text: str) -> Receipt:
        """Replace the text of one of our messages. Idempotent."""
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
class NotifiesAsker(Protocol):
    """A platform that can tell the asker, with a ping to them alone, that a long answer is done."""

    async def notify(self, place: Place, user: str, ref: MessageRef, nonce: str) -> Receipt:
        """Post a short reply that pings only `user` and links to `ref`."""
        ...


class Adapter(Protocol):
    """One platform, whole, as the application starts and stops it; `start` comes before everything else."""

    @property
    def installation(self) -> str:
        """The name of its mailboxes."""
        ...

    @property
    def platform(self) -> Platform:
        """Where answers are written."""
        ...

    @property
    def connected(self) -> bool:
        """Whether messages can come in now."""
        ...

    @property
    def health(self) -> str:
        """One line about the connection, for people."""
        ...

    def routes(self) -> Sequence[web.RouteDef]:
        """What the application's HTTP server must serve for it."""
        ...

    async def start(self) -> None:
        """Find out who the bot is. Raises SettingsError for what the operator must mend."""
        ...

    async def check(self) -> list[str]:
        """Try everything `run` would need; returns warnings. Raises as `start`."""
        ...

    async def listen(self, inbox: Inbox) -> None:
        """Hand messages to `inbox` from now on; returns when they can come. Raises SettingsError."""
        ...

    async def closed(self) -> None:
        """Wait until no message can ever come again. Raises SettingsError when the platform refused the bot."""
        ...

    async def stop_intake(self) -> None:
        """Take no more messages; answers can still be written."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


# --- asking the model --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What Claude is asked.

    Args:
        messages: whole messages in alternation, beginning and ending with the user's.
        system: the system prompt.
        model: the model's id; empty for the configured one.
        max_tokens: an upper bound on the answer, thinking included; 0 for the configured one.
    """

    messages: tuple[tuple[Literal["user", "assistant"], str], ...]
    system: str = ""
    model: str = ""
    max_tokens: int = 0


class Model(Protocol):
    """Claude. Raises only `bot.errors.ModelError`s."""

    def stream(self, request: Request) -> AsyncIterator[Delta | Finished]:
        """Yield text as it arrives and one `Finished` last, or raise Interrupted, Busy or Refused.

        One call is one request on the wire: retrying is the caller's. Closing the iterator frees the connection.
        """
        ...

    async def ask(self, request: Request) -> Finished:
        """One standard call for text that code consumes. Retries a few times by itself within a minute."""
        ...


# --- keeping turns -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """One message an attempt posted; `attempt` counts from 1, `index` (the part) from 0."""

    attempt: int
    index: int
    ref: MessageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finished answer in the outbox: written before the last edit, so that a successor only delivers it.

    `attempt` owns the messages it is shown in; `detail` is the bot's own sentence below it, empty for none.
    """

    answer: str
    stop: Stop
    attempt: int
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A leased, fenced turn.

    Args:
        key: the thread.
        installation: whose turn it is.
        turn_id: the same for every claim of this turn; at most 14 characters of [a-z0-9].
        token: the fence: every write names it and is refused when another claim was made since.
        claims: how often this turn was claimed, this one included (crashes count, releases do not).
        attempts: streams of earlier claims that broke.
        messages: what is asked, frozen at the first claim, in platform order.
        place: where the answer goes; what `record` stored last, or else that of the last message.
        parts: what earlier claims posted, oldest first.
        shown: the latest attempt of which readers may have seen text; 0 for none.
        settled: the latest attempt whose messages were brought to their end (noted or removed); 0 for none.
        outcome: the finished answer of an earlier claim, not yet delivered; None mostly.
        stopped: a person asked to stop this turn.
        history: the thread's turns, oldest first.
        lease_until: local `time.monotonic()` after which nothing more may be written.
        first_claimed_at: Unix seconds of this turn's first claim: where a search by nonce begins.
    """

    key: ThreadKey
    installation: str
    turn_id: str
    token: str
    claims: int
    attempts: int
    messages: tuple[Message, ...]
    place: Place
    parts: tuple[Part, ...] = ()
    shown: int = 0
    settled: int = 0
    outcome: Outcome | None = None
    stopped: bool = False
    history: tuple[Turn, ...] = ()
    lease_until: float = 0.0
    first_claimed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Lease:
    """A renewed lease: the local deadline (`time.monotonic()`), and what people asked for meanwhile.

    `edited` says that a question's text changed since the claim: the next claim of the turn has the new one.
    """

    until: float
    stopped: bool = False
    edited: bool = False


@dataclass(frozen=True, slots=True)
class Signal:
    """Something a worker should look at now: a turn is `ready` to claim, or `key`'s running turn was `amended`."""

    kind: Literal["ready", "amended"]
    key: ThreadKey | None = None


class Inbox(Protocol):
    """What an intake may do: hand messages in before the platform is acknowledged, and a few look-ups."""

    async def submit(self, message: Message) -> bool:
        """Accept a message that is for us; False when it was accepted before. Raises StoreUnavailable."""
        ...

    async def takes_part(self, key: ThreadKey) -> bool:
        """Whether the bot takes part in that thread."""
        ...

    async def key_of(self, installation: str, message_id: str) -> ThreadKey | None:
        """The conversation one of the bot's own messages belongs to; None when it is not known."""
        ...

    async def edited(self, message: Message) -> None:
        """A person changed the text of a message handed in before; unknown ones are ignored."""
        ...

    async def deleted(self, key: ThreadKey, installation: str, message_id: str) -> None:
        """A person deleted a message: a question handed in before is taken back, a running one stopped."""
        ...

    async def cursor(self, installation: str) -> str | None:
        """Where backfill goes on: what `move_cursor` stored last."""
        ...

    async def move_cursor(self, installation: str, value: str) -> None:
        """Remember how far messages were seen. Values are decimal numbers; it never moves back."""
        ...


@runtime_checkable
class KnowsDirects(Protocol):
    """An inbox that remembers where direct messages were: Discord lists no bot's direct messages, and backfill asks."""

    async def directs(self, installation: str) -> tuple[str, ...]:
        """Return the channels of the direct messages submitted last, newest first, capped. Raises StoreUnavailable."""
        ...


class History(Protocol):
    """Turns without a mailbox, for a conversation that only one process takes part in (the terminal)."""

    async def load(self, key: ThreadKey) -> tuple[Turn, ...]:
        """Return the thread's turns, oldest first. Raises StoreUnavailable."""
        ...

    async def append(self, key: ThreadKey, turn: Turn, *, replaces: str | None = None) -> None:
        """Add a turn, in place of the last one when its id is `replaces`. Raises StoreUnavailable."""
        ...

    async def forget(self, key: ThreadKey) -> None:
        """Drop the thread's turns. Raises StoreUnavailable."""
        ...


class TurnStore(Protocol):
    """The mailbox and the history. Every method raises StoreUnavailable; those with a claim raise LeaseLost."""

    async def submit(self, message: Message, *, alone: bool = False) -> bool:
        """Put a message into its thread's mailbox, once: False when it was there before.

        An `alone` message is a turn of its own (a command); others that wait together are answered together.
        """
        ...

    async def takes_part(self, key: ThreadKey) -> bool:
        """Whether a message of this thread was ever submitted (within the history's life)."""
        ...

    async def key_of(self, installation: str, message_id: str) -> ThreadKey | None:
        """The thread in which `record` noted this message as ours."""
        ...

    async def amend(
        self, key: ThreadKey, installation: str, *, message_id: str | None = None, text: str | None = None
    ) -> bool:
        """Change what waits or runs in a thread; returns whether there was anything to change.

        With `text`: the waiting message's new text. With `message_id` alone: the message is taken back, and a
        running turn that asks it is stopped. With neither: the running turn is stopped.
        """
        ...

    async def claim(self, installations: Collection[str], worker: str, lease: float) -> Claim | None:
        """Take the next turn of any of the installations for `lease` seconds; None when nothing is ready."""
        ...

    async def renew(self, claim: Claim, lease: float) -> Lease:
        """Extend the lease by `lease` seconds from now."""
        ...

    async def record(
        self,
        claim: Claim,
        *,
        place: Place | None = None,
        part: Part | None = None,
        attempts: int | None = None,
        partial: str | None = None,
        shown: int | None = None,
        settled: int | None = None,
    ) -> None:
        """Note what must survive a crash; each argument given is stored, all in one step.

        Args:
            claim: whose record it is.
            place: where the answer goes, once it was opened.
            part: a message that was posted; also noted as ours for `key_of`.
            attempts: how many streams broke so far.
            partial: the text of the attempt that broke, for inspection.
            shown: the attempt of which readers may see text from now on.
            settled: the attempt whose messages were brought to their end.
        """
        ...

    async def finish(self, claim: Claim, outcome: Outcome) -> None:
        """Put the finished answer into the outbox."""
        ...

    async def commit(self, claim: Claim, turn: Turn | None, *, replaces: str | None = None) -> None:
        """End the turn: append it to the history, or nothing when None; free the thread. Repeating it is harmless.

        `replaces` is the id of the history's last turn, which goes when the new one comes (retry).
        """
        ...

    async def release(self, claim: Claim, *, delay: float = 0.0) -> None:
        """Give the turn back, to be claimed `delay` seconds from now; counts neither as claim nor as attempt."""
        ...

    async def forget(self, key: ThreadKey) -> None:
        """Drop the thread's history (not its mailbox): a new conversation here."""
        ...

    def signals(self, installations: Collection[str]) -> AsyncIterator[Signal]:
        """Yield what happens, from now on. Best effort: a worker sweeps every second as well."""
        ...

    async def cursor(self, installation: str) -> str | None:
        """See `Inbox.cursor`."""
        ...

    async def move_cursor(self, installation: str, value: str) -> None:
        """See `Inbox.move_cursor`."""
        ...

    async def directs(self, installation: str) -> tuple[str, ...]:
        """See `KnowsDirects.directs`."""
        ...

    async def check(self) -> list[str]:
        """Ask the server whether it keeps what it is given: one warning a finding, empty when all is well."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
