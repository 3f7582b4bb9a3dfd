"""What every call asks first: does the channel or message exist, and may the bot do that there?"""

from __future__ import annotations

from .actions import Actions
from .errors import ApiError
from .permissions import Permission
from .rest import Call
from .world import DM, THREAD, Channel, Message, World

OLD_SECONDS = 3600.0
"""Age from which edits of a message meet 30046."""


class Access:
    """Look-ups that raise what Discord answers."""

    def __init__(self, world: World, actions: Actions) -> None:
        self.world = world
        self.actions = actions

    def channel(self, call: Call, *needed: Permission) -> Channel:
        """The call's channel, where the bot may view it (else 50001) and has `needed` (else 50013)."""
        channel = self.world.channels.get(call.path["channel"])
        if channel is None:
            raise ApiError(10003)
        granted = self.world.permissions(self.world.bot_id, channel)
        if Permission.VIEW_CHANNEL not in granted:
            raise ApiError(50001)
        if any(each not in granted for each in needed):
            raise ApiError(50003 if channel.kind == DM else 50013)
        return channel

    def message(self, call: Call, channel: Channel) -> Message:
        """The call's message; raises 10008."""
        message = channel.messages.get(call.path["message"])
        if message is None:
            raise ApiError(10008)
        return message

    def thread(self, call: Call) -> Channel:
        """The call's channel where it is a thread; raises 50024."""
        channel = self.channel(call)
        if channel.kind != THREAD:
            raise ApiError(50024)
        return channel

    def may(self, permission: Permission, channel: Channel) -> bool:
        """Whether the bot may do that there."""
        return permission in self.world.permissions(self.world.bot_id, channel)

    def must_be_open(self, channel: Channel) -> None:
        """Refuse changes in an archived thread with 50083."""
        if channel.archived:
            raise ApiError(50083)

    def must_take_posts(self, channel: Channel) -> None:
        """Refuse a post that the place does not take: permission, a locked thread, closed direct messages."""
        if channel.kind == DM:
            closed = self.world.users[channel.recipient or ""].dms_closed
            if closed is not None:
                raise ApiError(closed)
            return
        needed = Permission.SEND_MESSAGES_IN_THREADS if channel.kind == THREAD else Permission.SEND_MESSAGES
        if not self.may(needed, channel):
            raise ApiError(50013)
        if channel.locked and not self.may(Permission.MANAGE_THREADS, channel):
            raise ApiError(50083 if channel.archived else 160005)
