"""Claims: a worker takes a turn, keeps its lease, notes how far it came, and ends it or gives it back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from bot.conversation import Message, MessageRef, Place, StopReason, ThreadKey, Turn, Usage


@dataclass(frozen=True, slots=True)
class Part:
    """One message an attempt posted; `attempt` counts from 1, `index` (the part) from 0."""

    attempt: int
    index: int
    ref: MessageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """A finished answer in the outbox: written before the last edit, so that a successor only delivers it.

    `answer` is what is shown; of a FAILED turn that is the partial text, which does not enter the history.
    `attempt` owns the messages it is shown in; `detail` is the bot's own sentence below it, empty for none.
    """

    answer: str
    stop: StopReason
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
        takes: the same, releases included.
        attempts: streams of earlier claims that broke.
        messages: what is asked, frozen at the first claim, in platform order.
        place: where the answer goes; what `record` stored last, or else that of the last message.
        parts: what earlier claims posted, oldest first.
        shown: the latest attempt of which readers may have seen text; 0 for none.
        settled: the attempts whose messages were brought to their end (noted or removed) for good.
        outcome: the finished answer of an earlier claim, not yet delivered; None mostly.
        stopped: a person asked to stop this turn.
        history: the thread's turns, oldest first.
        lease_until: local `time.monotonic()` after which nothing more may be written.
        first_claimed_at: Unix seconds of this turn's first claim: where a search by nonce begins.
        after: the id of the newest message that an earlier turn posted in the thread; None where none is known.
    """

    key: ThreadKey
    installation: str
    turn_id: str
    token: str
    claims: int
    takes: int
    attempts: int
    messages: tuple[Message, ...]
    place: Place
    parts: tuple[Part, ...] = ()
    shown: int = 0
    settled: frozenset[int] = frozenset()
    outcome: StoredAnswer | None = None
    stopped: bool = False
    history: tuple[Turn, ...] = ()
    lease_until: float = 0.0
    first_claimed_at: float = 0.0
    after: str | None = None

    def names(self) -> dict[str, object]:
        """Return what a log line names the turn by."""
        return {"conversation": str(self.key), "turn": self.turn_id, "claim": self.claims}

    def noted(
        self, *, part: Part | None = None, settled: int | None = None, partial: str | None = None, **record: Any
    ) -> Claim:
        """Return the claim with what `Claims.record` stored since: what a store that forgot is told."""
        parts = self.parts if part is None or part in self.parts else (*self.parts, part)
        ended = self.settled if settled is None else self.settled | {settled}
        return replace(
            self, parts=parts, settled=ended, **{name: value for name, value in record.items() if value is not None}
        )


@dataclass(frozen=True, slots=True)
class Lease:
    """A renewed lease: the local deadline (`time.monotonic()`), and what people asked for meanwhile.

    `edited` says that a question's text changed since the claim, or that one of several was taken back: the next claim
    of the turn asks what is asked now.
    """

    until: float
    stopped: bool = False
    edited: bool = False


class Claims(Protocol):
    """The turns of all threads, one claimed at a time in each. Raises StoreUnavailable; with a claim LeaseLost, too."""

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
            settled: an attempt whose messages were brought to their end.
        """
        ...

    async def finish(self, claim: Claim, outcome: StoredAnswer) -> None:
        """Put the finished answer into the outbox; not where its question was edited since the claim."""
        ...

    async def commit(self, claim: Claim, turn: Turn | None, *, replaces: str | None = None) -> None:
        """End the turn: append it to the history, or nothing when None; free the thread. Repeating it is harmless.

        `replaces` is the id of the history's last turn, which goes when the new one comes (retry).
        """
        ...

    async def release(self, claim: Claim, *, delay: float = 0.0) -> None:
        """Give the turn back, to be claimed `delay` seconds from now; counts neither as claim nor as attempt."""
        ...

    async def reset(self, claim: Claim) -> None:
        """Drop the history of the claim's thread (not its mailbox): a new conversation here."""
        ...
