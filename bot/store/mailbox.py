"""What the store in memory keeps of a thread. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bot.conversation import Message, Place, ThreadKey
from bot.ports import Part, StoredAnswer

Standing = tuple[int, int]
"""The round in which a thread's turn comes, and within it the order of arrival; -1 is before all others."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What a message says now, and since when by the platform's clock (Unix seconds; None: unknown)."""

    text: str
    at: float | None

    def older(self, other: Edit) -> bool:
        """Whether it is known to have been made before the other."""
        return self.at is not None and other.at is not None and self.at < other.at


@dataclass(slots=True)
class Flight:
    """A turn that was claimed and not yet committed. Its token is empty while it waits for its next attempt."""

    turn_id: str
    ids: list[str]
    first: float
    after: str | None = None
    token: str = ""
    claims: int = 0
    takes: int = 0
    attempts: int = 0
    place: Place | None = None
    parts: list[Part] = field(default_factory=list)
    shown: int = 0
    settled: set[int] = field(default_factory=set)
    outcome: StoredAnswer | None = None
    gone: set[str] = field(default_factory=set)
    stopped: bool = False
    edited: bool = False

    def asked(self) -> list[str]:
        """What is still asked; see `asked` in `claim.lua`."""
        left = [id_ for id_ in self.ids if id_ not in self.gone]
        unended = self.outcome or self.shown or any(part.attempt not in self.settled for part in self.parts)
        if left or not (self.token or unended):
            return left
        self.stopped = True
        return self.ids

    def take_back(self, message_id: str) -> bool:
        """Ask one message less; returns whether that was the last. Where others are left, they are asked without it."""
        self.gone.add(message_id)
        if self.gone.issuperset(self.ids):
            self.stopped = self.stopped or bool(self.token)
            return True
        self.edited = self.edited or not self.outcome
        return False


@dataclass(slots=True)
class Thread:
    """A thread waits in line (`ready`), waits until `later`, or does neither; never both."""

    key: ThreadKey
    installation: str
    mail: dict[str, tuple[Message, bool]] = field(default_factory=dict)
    edits: dict[str, Edit] = field(default_factory=dict)
    flight: Flight | None = None
    lanes: tuple[tuple[str, int], ...] = ()
    place: Place | None = None
    since: float = 0.0
    ready: Standing | None = None
    later: float | None = None

    def edit(self, message_id: str, edit: Edit) -> bool:
        """Give a message another text; False where an edit said so before, or a newer one came first."""
        before = self.edits.get(message_id)
        if before and edit.older(before):
            return False
        self.edits[message_id] = replace(edit, at=before.at) if before and edit.at is None else edit
        message, alone = self.mail[message_id]
        self.mail[message_id] = (replace(message, text=edit.text), alone)
        return not before or before.text != edit.text

    def remove(self, message_id: str) -> None:
        """Take a message away, if it is there."""
        self.mail.pop(message_id, None)
        self.edits.pop(message_id, None)

    def head(self, most: int) -> list[str]:
        """What the next turn asks, in platform order, ties by id: one `alone` message, or the run up to the next."""
        run: list[str] = []
        for id_ in sorted(self.mail, key=lambda id_: (self.mail[id_][0].sent_at, id_))[:most]:
            alone = self.mail[id_][1]
            if alone and run:
                break
            run.append(id_)
            if alone:
                break
        return run
