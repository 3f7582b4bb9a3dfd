"""What exists: one guild, its people, roles, channels, threads and messages. State and look-ups, no rules."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .permissions import EVERYONE, IN_DM, NOTHING, Overwrite, Permission, resolve

EPOCH_MS = 1_420_070_400_000
"""The first millisecond of 2015, from which snowflakes count."""

TEXT, DM, THREAD, FORUM = 0, 1, 11, 15
"""Channel types: a guild's text channel, a direct message, a public thread."""


class Clock:
    """The stand-in's wall clock: Unix seconds, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return time.time() + self.ahead


@dataclass(slots=True)
class User:
    """A person or the bot. `dms_closed` is the error code that direct messages to them meet."""

    id: str
    username: str
    global_name: str | None = None
    nick: str | None = None
    bot: bool = False
    roles: list[str] = field(default_factory=list)
    joined_at: float = 0.0
    dms_closed: int | None = None

    @property
    def name(self) -> str:
        """The name readers see."""
        return self.nick or self.global_name or self.username


@dataclass(slots=True)
class Role:
    """A role of the guild."""

    id: str
    name: str
    permissions: Permission
    position: int = 1
    mentionable: bool = False
    managed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent: its name, MIME type and bytes."""

    filename: str
    content: bytes
    content_type: str = "application/octet-stream"


@dataclass(slots=True, kw_only=True)
class Message:
    """A message. `mentions`, `mention_roles` and `mention_everyone` are those of its newest version.

    `position` counts a thread's messages from 0; None elsewhere. `extra` holds fields that only some messages have, as
    Discord writes them: a poll, what was forwarded.
    """

    id: str
    channel: str
    author: str
    content: str
    created: float
    kind: int = 0
    position: int | None = None
    edited: float | None = None
    mentions: list[str] = field(default_factory=list)
    mention_roles: list[str] = field(default_factory=list)
    mention_everyone: bool = False
    attachments: list[dict[str, Any]] = field(default_factory=list)
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    flags: int = 0
    tts: bool = False
    reference: dict[str, Any] | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    interaction: dict[str, Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def replies_to(self) -> str | None:
        """The id of the message this one refers to."""
        return None if self.reference is None else self.reference.get("message_id")


@dataclass(slots=True, kw_only=True)
class Channel:
    """A text channel, a forum, a thread or a direct message. `messages` are in the order of their ids."""

    id: str
    kind: int
    name: str = ""
    parent: str | None = None
    position: int = 0
    topic: str | None = None
    overwrites: dict[str, Overwrite] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    last_message: str | None = None
    recipient: str | None = None
    owner: str | None = None
    members: dict[str, float] = field(default_factory=dict)
    archived: bool = False
    locked: bool = False
    archive_changed: float = 0.0
    archive_minutes: int = 1440
    created: float = 0.0
    sent: int = 0


class World:
    """One guild, its people and their direct messages with the bot."""

    def __init__(self, clock: Clock, *, guild_name: str, bot_name: str) -> None:
        self.clock = clock
        self._last_snowflake = 0
        self.guild_id = self.snowflake()
        self.guild_name = guild_name
        self.bot_in_guild = True
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.uploads: dict[str, Upload] = {}
        self.roles: dict[str, Role] = {
            self.guild_id: Role(self.guild_id, "@everyone", EVERYONE, position=0),
        }
        self.application_id = self.snowflake()
        self.bot_id = self.application_id
        role = self.add_role(bot_name, Permission.MENTION_EVERYONE, managed_by=self.bot_id)
        self.owner_id = self.add_user("owner", "Olive Owner")
        self.users[self.bot_id] = User(self.bot_id, bot_name, bot=True, roles=[role], joined_at=clock.now())

    def advance(self, seconds: float) -> None:
        """Put the clock forward, or back; ids follow it."""
        self.clock.ahead += seconds
        if seconds < 0:
            self._last_snowflake = 0

    def snowflake(self) -> str:
        """A new id, greater than all before unless the clock was put back; its upper bits are the time."""
        value = max((int(self.clock.now() * 1000) - EPOCH_MS) << 22, self._last_snowflake + 1)
        self._last_snowflake = value
        return str(value)

    # --- who and what -----------------------------------------------------------------------------------

    def add_user(
        self, username: str, global_name: str | None = None, nick: str | None = None, *, bot: bool = False
    ) -> str:
        """A new member of the guild, a person or another bot; returns the id."""
        id_ = self.snowflake()
        self.users[id_] = User(id_, username, global_name, nick, bot=bot, joined_at=self.clock.now())
        return id_

    def add_role(
        self,
        name: str,
        permissions: Permission = NOTHING,
        *,
        mentionable: bool = False,
        managed_by: str | None = None,
    ) -> str:
        """A new role; returns the id."""
        id_ = self.snowflake()
        self.roles[id_] = Role(id_, name, permissions, len(self.roles), mentionable=mentionable, managed_by=managed_by)
        return id_

    def add_channel(self, name: str, kind: int = TEXT) -> Channel:
        """A new channel, for text or a forum."""
        channel = Channel(id=self.snowflake(), kind=kind, name=name, position=len(self.channels))
        self.channels[channel.id] = channel
        return channel

    def dm_with(self, user: str) -> Channel:
        """The direct message channel of the bot with `user`, made when there is none."""
        for channel in self.channels.values():
            if channel.kind == DM and channel.recipient == user:
                return channel
        channel = Channel(id=self.snowflake(), kind=DM, recipient=self.users[user].id)
        self.channels[channel.id] = channel
        return channel

    def threads(self, *, archived: bool, parent: str | None = None) -> Iterator[Channel]:
        """The guild's threads that are archived, or those that are not."""
        for channel in self.channels.values():
            if channel.kind == THREAD and channel.archived is archived and parent in (None, channel.parent):
                yield channel

    def in_guild(self, channel: Channel) -> bool:
        """Whether it belongs to the guild."""
        return channel.kind != DM

    def find_message(self, channel: str | None, message: str | None) -> Message | None:
        """A message by its ids, None when it is not there."""
        where = self.channels.get(channel or "")
        return None if where is None else where.messages.get(message or "")

    # --- who may what -----------------------------------------------------------------------------------

    def permissions(self, user: str, channel: Channel) -> Permission:
        """What `user` may do in `channel`."""
        if channel.kind == DM:
            return IN_DM if user in (channel.recipient, self.bot_id) else NOTHING
        if user == self.owner_id:
            return Permission.all()
        if user == self.bot_id and not self.bot_in_guild:
            return NOTHING
        place = self.channels.get(channel.parent or "", channel)
        roles = self.users[user].roles
        return resolve(
            user=user,
            everyone=self.guild_id,
            base=[self.roles[self.guild_id].permissions, *(self.roles[role].permissions for role in roles)],
            roles=roles,
            overwrites=place.overwrites.values(),
        )

    def mentionable_users(self, channel: Channel) -> set[str]:
        """Who can be mentioned there."""
        return {channel.recipient or "", self.bot_id} if channel.kind == DM else set(self.users)

    def mentionable_roles(self, channel: Channel) -> dict[str, bool]:
        """The roles that can be mentioned there, and whether anybody may."""
        if channel.kind == DM:
            return {}
        return {role.id: role.mentionable for role in self.roles.values() if role.id != self.guild_id}

    def display_text(self, text: str) -> str:
        """The text with mentions as readers see them."""
        return re.sub(
            r"<@!?(\d+)>",
            lambda found: f"@{self.users[found[1]].name}" if found[1] in self.users else found[0],
            text,
        )
