"""Who may ask, and where."""

from __future__ import annotations

from dataclasses import dataclass

from bot.conversation import Message

NO_GUILD = "@me"
"""The tenant of Discord's direct messages, see `bot.conversation.ThreadKey`."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask, and where; an empty set means everybody or everywhere. Ids as the platform writes them.

    Args:
        users: ids of people.
        channels: ids of channels and threads.
        workspaces: ids of Slack teams and Discord guilds.
        admins: ids of people who may ask everywhere, and control others' answers.
        external: whether people of other organisations may ask, and anybody where such people read along.
    """

    users: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    workspaces: frozenset[str] = frozenset()
    external: bool = False
    admins: frozenset[str] = frozenset()

    def allows(self, message: Message) -> bool:
        """Whether this message may be answered.

        Discord's direct messages are in no guild: where guilds are named, only people who are named may write them.
        """
        place, tenant = message.place, message.key.tenant
        if message.author.id in self.admins:
            return True
        return (
            (self.external or not message.external)
            and (not self.users or message.author.id in self.users)
            and (not self.channels or place.channel in self.channels or place.thread in self.channels)
            and (not self.workspaces or tenant in self.workspaces or (tenant == NO_GUILD and bool(self.users)))
        )
