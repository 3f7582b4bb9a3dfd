"""What a member may do in a channel, computed from roles and overwrites as Discord does. Pure."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass


class Permission(enum.IntFlag):
    """The permission bits the stand-in looks at (Discord's documentation, "Permissions")."""

    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    SEND_MESSAGES_IN_THREADS = 1 << 38

    @classmethod
    def all(cls) -> Permission:
        """Every permission there is."""
        return cls(sum(cls))


NOTHING = Permission(0)

EVERYONE = (
    Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.SEND_MESSAGES_IN_THREADS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.READ_MESSAGE_HISTORY
    | Permission.ADD_REACTIONS
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
)
"""What the @everyone role allows in a new guild, as far as the stand-in goes."""

IN_DM = EVERYONE & ~(Permission.CREATE_PUBLIC_THREADS | Permission.SEND_MESSAGES_IN_THREADS)
"""What both sides may do in a direct message."""


@dataclass(slots=True)
class Overwrite:
    """A channel's exception for a role (`kind` 0) or a member (`kind` 1)."""

    id: str
    kind: int
    allow: Permission = NOTHING
    deny: Permission = NOTHING


def resolve(
    *,
    user: str,
    everyone: str,
    base: Iterable[Permission],
    roles: Collection[str],
    overwrites: Iterable[Overwrite],
) -> Permission:
    """The permissions of `user` in a channel.

    Args:
        user: the member's id.
        everyone: the id of the @everyone role, which is the guild's.
        base: what each of the member's roles allows, @everyone included.
        roles: the ids of the member's roles, without @everyone.
        overwrites: the channel's, a thread's being those of its parent.
    """
    granted = NOTHING
    for role in base:
        granted |= role
    if Permission.ADMINISTRATOR in granted:
        return Permission.all()
    by_id = {overwrite.id: overwrite for overwrite in overwrites}
    if (of_everyone := by_id.get(everyone)) is not None:
        granted = granted & ~of_everyone.deny | of_everyone.allow
    of_roles = [overwrite for id_, overwrite in by_id.items() if id_ in roles and overwrite.kind == 0]
    for overwrite in of_roles:
        granted &= ~overwrite.deny
    for overwrite in of_roles:
        granted |= overwrite.allow
    if (own := by_id.get(user)) is not None:
        granted = granted & ~own.deny | own.allow
    return granted if Permission.VIEW_CHANNEL in granted else NOTHING


def named(names: Iterable[str]) -> Permission:
    """The permissions with these names, in lower case as discord.py spells them; raises KeyError."""
    wanted = NOTHING
    for name in names:
        wanted |= Permission[name.upper()]
    return wanted
