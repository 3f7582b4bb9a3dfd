"""Gateway sessions: which events each is sent, their sequence numbers, and what is kept for a RESUME. No I/O."""

from __future__ import annotations

import enum
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from .permissions import Permission
from .world import Channel, World

Json = dict[str, Any]

KEPT = 2_000
"""Events a session keeps for replay; a client further behind must identify anew."""

RESUMABLE_SECONDS = 180.0
"""How long a session without a connection can be resumed ("minutes", by the documentation)."""


class Intent(enum.IntFlag):
    """Gateway intents (Discord's documentation, "Gateway Intents")."""

    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    DIRECT_MESSAGE_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15


PRIVILEGED = {
    "guild_presences": (Intent.GUILD_PRESENCES, 1 << 13),
    "guild_members": (Intent.GUILD_MEMBERS, 1 << 15),
    "message_content": (Intent.MESSAGE_CONTENT, 1 << 19),
}
"""Intents that must be switched on, and the application flag that says so (that of a bot in under 100 guilds)."""

IN_DM = {
    Intent.GUILD_MESSAGES: Intent.DIRECT_MESSAGES,
    Intent.GUILD_MESSAGE_REACTIONS: Intent.DIRECT_MESSAGE_REACTIONS,
    Intent.GUILD_MESSAGE_TYPING: Intent.DIRECT_MESSAGE_TYPING,
}
"""The intent that stands for a guild's one in direct messages."""


class Link(Protocol):
    """A session's connection, as far as sessions know it."""

    def send(self, text: str) -> None:
        """Send one gateway message, in order."""
        ...


@dataclass(slots=True)
class Session:
    """One identified client: `shard` is its id and the number of shards."""

    id: str
    intents: Intent
    shard: tuple[int, int]
    seq: int = 0
    kept: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=KEPT))
    link: Link | None = None
    left_at: float | None = None

    def push(self, event: str, data: Json, encode: Callable[[Json], str]) -> int:
        """Number an event, keep it, send it where there is a connection; returns its sequence number."""
        self.seq += 1
        text = encode({"op": 0, "t": event, "s": self.seq, "d": data})
        self.kept.append((self.seq, text))
        if self.link is not None:
            self.link.send(text)
        return self.seq

    def missed(self, seq: int) -> list[str] | None:
        """The events after `seq`, oldest first; None when they are no longer all kept."""
        if self.kept and self.kept[0][0] > seq + 1:
            return None
        return [text for number, text in self.kept if number > seq]


class Sessions:
    """All sessions, living or waiting for a RESUME."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sessions: dict[str, Session] = {}

    def __iter__(self) -> Any:
        return iter(tuple(self._sessions.values()))

    def begin(self, intents: Intent, shard: tuple[int, int]) -> Session:
        """A new session."""
        session = Session(secrets.token_hex(16), intents, shard)
        self._sessions[session.id] = session
        return session

    def end(self, session: Session) -> None:
        """Forget a session: a RESUME of it is refused."""
        self._sessions.pop(session.id, None)

    def resumable(self, id_: str) -> Session | None:
        """The session with that id, None when it is gone or was left too long ago."""
        self._forget_the_left()
        return self._sessions.get(id_)

    def _forget_the_left(self) -> None:
        now = self._world.clock.now()
        for session in tuple(self._sessions.values()):
            if session.left_at is not None and now - session.left_at > RESUMABLE_SECONDS:
                self.end(session)

    def hearing(self, intent: Intent, channel: Channel | None) -> list[Session]:
        """The sessions that are sent an event of `channel` (None: of the guild) under `intent`."""
        world = self._world
        direct = channel is not None and not world.in_guild(channel)
        if not direct and not world.bot_in_guild:
            return []
        if channel is not None and Permission.VIEW_CHANNEL not in world.permissions(world.bot_id, channel):
            return []
        self._forget_the_left()
        needed = IN_DM.get(intent, intent) if direct else intent
        return [
            session
            for session in self._sessions.values()
            if needed in session.intents and self._owns(session, direct=direct)
        ]

    def has_guild(self, session: Session) -> bool:
        """Whether the guild belongs to the session's shard."""
        return self._owns(session, direct=False)

    def _owns(self, session: Session, *, direct: bool) -> bool:
        shard, shards = session.shard
        return shard == (0 if direct else (int(self._world.guild_id) >> 22) % shards)
