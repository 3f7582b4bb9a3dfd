"""What people do in the guild: write, edit, delete, archive, take permissions away. For tests and for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import payloads
from .actions import Actions
from .permissions import Overwrite, Permission, named
from .sessions import Intent
from .world import DM, FORUM, TEXT, THREAD, Channel, Message, Upload, World


@dataclass(frozen=True, slots=True)
class Place:
    """A channel as a page lists it: "text", "forum", "thread" or "dm"; `user` is whose direct messages it holds."""

    id: str
    name: str
    kind: str
    parent: str | None = None
    user: str | None = None
    archived: bool = False
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """A user as a page lists them."""

    id: str
    name: str
    bot: bool


class People:
    """Acts for people. Ids that do not exist raise KeyError."""

    world: World
    actions: Actions

    # --- who and where ----------------------------------------------------------------------------------

    def channels(self) -> list[Place]:
        """Every channel, thread and direct message there is, in the order of their making."""
        kinds = {TEXT: "text", THREAD: "thread", DM: "dm", FORUM: "forum"}
        return [
            Place(
                id=each.id,
                name=each.name or f"@{self.world.users[each.recipient or ''].name}",
                kind=kinds[each.kind],
                parent=each.parent,
                user=each.recipient,
                archived=each.archived,
                locked=each.locked,
            )
            for each in self.world.channels.values()
        ]

    def users(self) -> list[Person]:
        """Everybody in the guild, the bot included."""
        return [Person(each.id, each.name, each.bot) for each in self.world.users.values()]

    def channel(self, name: str) -> str:
        """The id of the text channel with that name."""
        for each in self.world.channels.values():
            if each.kind == TEXT and each.name == name:
                return each.id
        raise KeyError(name)

    def user(self, username: str) -> str:
        """The id of the user with that username."""
        for each in self.world.users.values():
            if each.username == username:
                return each.id
        raise KeyError(username)

    def add_user(self, username: str, global_name: str | None = None, nick: str | None = None) -> str:
        """A new member of the guild; returns the id."""
        id_ = self.world.add_user(username, global_name, nick)
        data = payloads.member(self.world.users[id_]) | {"guild_id": self.world.guild_id}
        self.actions.gateway.dispatch("GUILD_MEMBER_ADD", Intent.GUILD_MEMBERS, None, lambda _: data)
        return id_

    def add_role(self, name: str, *, mentionable: bool = False) -> str:
        """A new role; returns the id."""
        id_ = self.world.add_role(name, mentionable=mentionable)
        data = {"guild_id": self.world.guild_id, "role": payloads.role(self.world.roles[id_])}
        self.actions.gateway.dispatch("GUILD_ROLE_CREATE", Intent.GUILDS, None, lambda _: data)
        return id_

    def add_channel(self, name: str) -> str:
        """A new text channel; returns the id."""
        channel = self.world.add_channel(name)
        self.actions.tell_channel("CHANNEL_CREATE", channel)
        return channel.id

    def dm(self, user: str) -> str:
        """The id of the direct message channel of `user` with the bot."""
        return self.world.dm_with(user).id

    # --- messages ---------------------------------------------------------------------------------------

    async def say(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        reply_to: str | None = None,
        attachments: Sequence[Upload] | None = None,
    ) -> str:
        """Write a message as `user`; `<@id>` mentions, a reply pings its author. Returns the id."""
        place = self.world.channels[channel]
        reference: dict[str, Any] | None = None
        if reply_to is not None:
            reference = {"type": 0, "channel_id": channel, "message_id": place.messages[reply_to].id}
            if self.world.in_guild(place):
                reference["guild_id"] = self.world.guild_id
        author = self.world.users[user].id
        return self.actions.post(place, author, text, reference=reference, uploads=attachments or ()).id

    async def edit(self, channel: str, message: str, text: str) -> None:
        """Change the text of a person's message."""
        self.actions.edit(self._message(channel, message), changes={"content": text})

    async def unfurl(self, channel: str, message: str) -> None:
        """Let a link in a message unfurl: an update whose text did not change."""
        self.actions.unfurl(
            self._message(channel, message), {"type": "link", "title": "A page", "url": "https://example.com/"}
        )

    async def delete(self, channel: str, message: str) -> None:
        """Delete a message, the bot's as well."""
        self.actions.delete(self._message(channel, message))

    async def react(self, channel: str, message: str, user: str, emoji: str) -> None:
        """React to a message."""
        self.actions.react(self._message(channel, message), user, emoji, add=True)

    async def type(self, channel: str, user: str) -> None:
        """Start typing."""
        self.actions.typing(self.world.channels[channel], user)

    # --- threads and channels ---------------------------------------------------------------------------

    async def open_thread(self, channel: str, user: str, name: str, *, message: str | None = None) -> str:
        """Open a thread, from a message or on its own; returns its id."""
        parent = self.world.channels[channel]
        root = None if message is None else parent.messages[message]
        return self.actions.open_thread(parent, user, name, message=root).id

    def add_forum(self, name: str) -> str:
        """A new forum; returns the id."""
        channel = self.world.add_channel(name, FORUM)
        self.actions.tell_channel("CHANNEL_CREATE", channel)
        return channel.id

    async def open_post(self, forum: str, user: str, title: str, text: str) -> str:
        """Write a new post in a forum: a thread with a title, whose first message has its id. Returns the id."""
        post = self.actions.open_thread(self.world.channels[forum], user, title)
        return self.actions.post(post, self.world.users[user].id, text, id_=post.id).id

    async def archive(self, thread: str) -> None:
        """Archive a thread. Writing in it un-archives it."""
        self.actions.update_thread(self._thread(thread), archived=True)

    async def unarchive(self, thread: str) -> None:
        """Take a thread out of the archive."""
        self.actions.update_thread(self._thread(thread), archived=False)

    async def lock(self, thread: str, *, archive: bool = True) -> None:
        """Lock a thread (and, as the official client does, archive it): only moderators write and un-archive."""
        self.actions.update_thread(self._thread(thread), locked=True, archived=True if archive else None)

    async def delete_channel(self, channel: str) -> None:
        """Delete a channel with its threads, or a thread."""
        self.actions.delete_channel(self.world.channels[channel])

    # --- permissions ------------------------------------------------------------------------------------

    async def deny(self, channel: str, *names: str) -> None:
        """Take permissions in a channel from the bot, by discord's names in lower case (`send_messages`)."""
        overwrite = self._overwrite(channel)
        overwrite.deny |= named(names)
        overwrite.allow &= ~named(names)
        self.actions.tell_channel("CHANNEL_UPDATE", self.world.channels[channel])

    async def allow(self, channel: str, *names: str) -> None:
        """Give permissions in a channel to the bot (`manage_messages`), or give back what `deny` took."""
        overwrite = self._overwrite(channel)
        overwrite.allow |= named(names)
        overwrite.deny &= ~named(names)
        self.actions.tell_channel("CHANNEL_UPDATE", self.world.channels[channel])

    async def close_dms(self, user: str, code: int = 50007) -> None:
        """Take no more direct messages from the bot: 50007, or 50278 without a guild in common."""
        self.world.users[user].dms_closed = code

    async def open_dms(self, user: str) -> None:
        """Take direct messages again."""
        self.world.users[user].dms_closed = None

    async def kick_bot(self) -> None:
        """Remove the bot from the guild."""
        data: dict[str, Any] = {"id": self.world.guild_id}
        self.actions.gateway.dispatch("GUILD_DELETE", Intent.GUILDS, None, lambda _: data)
        self.world.bot_in_guild = False

    def may(self, channel: str, name: str) -> bool:
        """Whether the bot has a permission in a channel."""
        return Permission[name.upper()] in self.world.permissions(self.world.bot_id, self.world.channels[channel])

    def _message(self, channel: str, message: str) -> Message:
        return self.world.channels[channel].messages[message]

    def _thread(self, thread: str) -> Channel:
        found = self.world.channels[thread]
        if found.kind != THREAD:
            raise KeyError(thread)
        return found

    def _overwrite(self, channel: str) -> Overwrite:
        bot = self.world.bot_id
        return self.world.channels[channel].overwrites.setdefault(bot, Overwrite(bot, 1))
