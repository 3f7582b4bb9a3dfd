"""Who may ask, and where."""

from __future__ import annotations

from dataclasses import dataclass

from bot.conversation import Message

NO_GUILD = "@me"
"""The tenant of Discord's direct messages, see `bot.conversation.ThreadKey`."""

HAS_ROLES = "discord"
"""The platform on which people have roles."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask, and where; an empty set means everybody or everywhere. Ids as the platform writes them.

    Args:
        users: ids of people.
        channels: ids of channels and threads.
        workspaces: ids of Slack teams and Discord guilds.
        admins: ids of people who may ask everywhere, and control others' answers.
        denied: ids of people who may not ask, whatever else allows them.
        roles: ids of Discord roles; where some are named, people there need one of them, or be named themselves.
        external: whether people of other organisations may ask, and anybody where such people read along.
    """

    users: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    workspaces: frozenset[str] = frozenset()
    external: bool = False
    admins: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()

    def allows(self, message: Message) -> bool:
        """Whether this message may be answered.

        Discord's direct messages are in no guild: where guilds or roles are named, only people who are named may write
        them.
        """
        place, tenant, author = message.place, message.key.tenant, message.author.id
        if author in self.denied:
            return False
        if author in self.admins:
            return True
        return (
            (self.external or not message.external)
            and (author in self.users or self._allows_others(message))
            and (not self.channels or place.channel in self.channels or place.thread in self.channels)
            and (not self.workspaces or tenant in self.workspaces or (tenant == NO_GUILD and bool(self.users)))
        )

    def _allows_others(self, message: Message) -> bool:
        """Whether people who are not named may ask: by a role of theirs, or since nobody is named."""
        if self.roles and message.key.platform == HAS_ROLES:
            return not self.roles.isdisjoint(message.roles)
        return not self.users
