"""What happens when a person or the bot does something: the world changes, readers see it, the gateway tells.

Checks nothing: whether it is allowed is decided before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.journal import Journal

from . import mentions, payloads
from .gateway import Gateway
from .permissions import Permission
from .sessions import Intent, Session
from .world import THREAD, Channel, Message, Upload, World

Json = dict[str, Any]

SUPPRESS_EMBEDS = 1 << 2
"""Message flag: links show no embeds."""


class Actions:
    """Changes the world, and tells the journal and the gateway of it."""

    def __init__(self, world: World, journal: Journal, gateway: Gateway, *, files_url: str) -> None:
        self.world = world
        self.journal = journal
        self.gateway = gateway
        self.files_url = files_url

    # --- messages ---------------------------------------------------------------------------------------

    def post(
        self,
        channel: Channel,
        author: str,
        content: str,
        *,
        allowed: Mapping[str, Any] | None = None,
        reference: Json | None = None,
        nonce: str | int | None = None,
        flags: int = 0,
        uploads: Sequence[Upload] = (),
        embeds: Sequence[Json] = (),
        components: Sequence[Json] = (),
        kind: int | None = None,
        interaction: Json | None = None,
        id_: str | None = None,
        extra: Json | None = None,
    ) -> Message:
        """Post a message; in an archived thread this un-archives it. The first of a forum post has the post's id."""
        world = self.world
        target = world.find_message(reference["channel_id"], reference["message_id"]) if reference else None
        found = self._mentions(channel, author, content, allowed, target.author if target else None)
        if channel.kind == THREAD:
            if channel.archived:
                self.update_thread(channel, archived=False)
            self.join(channel, author)
        message = Message(
            id=id_ or world.snowflake(),
            channel=channel.id,
            author=author,
            content=content,
            created=world.clock.now(),
            kind=kind if kind is not None else (19 if reference else 0),
            position=channel.sent if channel.kind == THREAD else None,
            mentions=found.mentioned_users(),
            mention_roles=list(found.roles),
            mention_everyone=found.everyone or found.here,
            attachments=[self.attach(channel, upload) for upload in uploads],
            embeds=list(embeds),
            components=list(components),
            flags=flags,
            reference=reference,
            interaction=interaction,
            extra=extra or {},
        )
        channel.messages[message.id] = message
        channel.last_message = message.id
        channel.sent += 1
        self.journal.posted(
            "discord",
            channel.id,
            message.id,
            author,
            content,
            thread=channel.id if channel.kind == THREAD else None,
            reply_to=message.replies_to(),
            nonce=nonce,
            pings=found.pings(),
            embeds_suppressed=bool(flags & SUPPRESS_EMBEDS),
            attachments=[each["filename"] for each in message.attachments],
        )
        self._tell_message("MESSAGE_CREATE", message, {} if nonce is None else {"nonce": nonce})
        return message

    def edit(self, message: Message, *, allowed: Mapping[str, Any] | None = None, changes: Mapping[str, Any]) -> None:
        """Change what `changes` names: content, flags, embeds, components, attachments.

        Mentions are read anew from the new text under `allowed`; nothing is inherited from before.
        """
        channel = self.world.channels[message.channel]
        target = self.world.find_message(channel.id, message.replies_to())
        for name in ("content", "flags", "embeds", "components", "attachments"):
            if name in changes:
                setattr(message, name, changes[name])
        found = self._mentions(channel, message.author, message.content, allowed, target.author if target else None)
        message.mentions = found.mentioned_users()
        message.mention_roles = list(found.roles)
        message.mention_everyone = found.everyone or found.here
        message.edited = self.world.clock.now()
        shown = self.journal.message("discord", message.channel, message.id)
        self.journal.edited(
            "discord",
            message.channel,
            message.id,
            message.content,
            pings=[*shown.extra["pings"], *found.pings()],
            embeds_suppressed=bool(message.flags & SUPPRESS_EMBEDS),
        )
        self._tell_message("MESSAGE_UPDATE", message)

    def unfurl(self, message: Message, embed: Json) -> None:
        """Discord itself adds the embed of a link: an update without a new version or `edited_timestamp`."""
        message.embeds.append(embed)
        self._tell_message("MESSAGE_UPDATE", message)

    def delete(self, message: Message) -> None:
        """Delete a message. The thread that was opened from it stays."""
        channel = self.world.channels[message.channel]
        del channel.messages[message.id]
        self.journal.deleted("discord", message.channel, message.id)
        data: Json = {"id": message.id, "channel_id": message.channel}
        self._tell("MESSAGE_DELETE", Intent.GUILD_MESSAGES, channel, data)

    def react(self, message: Message, user: str, emoji: str, *, add: bool) -> None:
        """Add a reaction or take it away; repeating it changes nothing."""
        by = message.reactions.setdefault(emoji, [])
        if (user in by) is add:
            return
        (by.append if add else by.remove)(user)
        if not by:
            del message.reactions[emoji]
        channel = self.world.channels[message.channel]
        data: Json = {
            "user_id": user,
            "channel_id": message.channel,
            "message_id": message.id,
            "emoji": payloads.partial_emoji(emoji),
            "burst": False,
            "type": 0,
        }
        if add:
            data["message_author_id"] = message.author
            if self.world.in_guild(channel):
                data["member"] = payloads.member(self.world.users[user])
        event = "MESSAGE_REACTION_ADD" if add else "MESSAGE_REACTION_REMOVE"
        self._tell(event, Intent.GUILD_MESSAGE_REACTIONS, channel, data)

    def typing(self, channel: Channel, user: str) -> None:
        """Show "is typing", which lasts 10 s."""
        data: Json = {"channel_id": channel.id, "user_id": user, "timestamp": int(self.world.clock.now())}
        if self.world.in_guild(channel):
            data["member"] = payloads.member(self.world.users[user])
        self._tell("TYPING_START", Intent.GUILD_MESSAGE_TYPING, channel, data)

    # --- channels and threads ---------------------------------------------------------------------------

    def open_thread(
        self, parent: Channel, by: str, name: str, *, message: Message | None = None, archive_minutes: int = 1440
    ) -> Channel:
        """Open a thread, from a message (whose id it takes) or on its own."""
        now = self.world.clock.now()
        thread = Channel(
            id=message.id if message else self.world.snowflake(),
            kind=THREAD,
            name=name,
            parent=parent.id,
            owner=by,
            created=now,
            archive_changed=now,
            archive_minutes=archive_minutes,
            members={by: now},
        )
        self.world.channels[thread.id] = thread
        self.journal.add("discord", "thread", channel=parent.id, id=thread.id, name=name, by=by)
        self._tell(
            "THREAD_CREATE", Intent.GUILDS, thread, payloads.thread(self.world, thread) | {"newly_created": True}
        )
        if message is not None:
            message.flags |= payloads.HAS_THREAD
            self._tell_message("MESSAGE_UPDATE", message)
            self._start_with(thread, message)
        return thread

    def _start_with(self, thread: Channel, message: Message) -> None:
        """The system message at the top of a thread, which shows the message it was opened from."""
        starter = Message(
            id=self.world.snowflake(),
            channel=thread.id,
            author=message.author,
            content="",
            created=self.world.clock.now(),
            kind=21,
            position=0,
            reference={
                "type": 0,
                "guild_id": self.world.guild_id,
                "channel_id": message.channel,
                "message_id": message.id,
            },
        )
        thread.messages[starter.id] = starter
        thread.last_message = starter.id
        self._tell_message("MESSAGE_CREATE", starter)

    def update_thread(
        self, thread: Channel, *, archived: bool | None = None, locked: bool | None = None, name: str | None = None
    ) -> None:
        """Archive, lock or rename a thread."""
        if archived is not None and archived is not thread.archived:
            thread.archived = archived
            thread.archive_changed = self.world.clock.now()
        if locked is not None:
            thread.locked = locked
        if name is not None:
            thread.name = name
        self._tell("THREAD_UPDATE", Intent.GUILDS, thread, payloads.thread(self.world, thread))

    def join(self, thread: Channel, user: str) -> None:
        """Make `user` a member of a thread, once."""
        if user in thread.members:
            return
        thread.members[user] = self.world.clock.now()
        member = payloads.thread_member(thread, user) | {"presence": None}
        member["member"] = payloads.member(self.world.users[user])
        data: Json = {"id": thread.id, "member_count": len(thread.members), "added_members": [member]}
        intent = Intent.GUILDS if user == self.world.bot_id else Intent.GUILD_MEMBERS
        self._tell("THREAD_MEMBERS_UPDATE", intent, thread, data)

    def leave(self, thread: Channel, user: str) -> None:
        """End `user`'s membership of a thread."""
        if thread.members.pop(user, None) is None:
            return
        data: Json = {"id": thread.id, "member_count": len(thread.members), "removed_member_ids": [user]}
        intent = Intent.GUILDS if user == self.world.bot_id else Intent.GUILD_MEMBERS
        self._tell("THREAD_MEMBERS_UPDATE", intent, thread, data)

    def tell_channel(self, event: str, channel: Channel) -> None:
        """CHANNEL_CREATE or CHANNEL_UPDATE of a text channel, which is told whoever may view it."""
        data = payloads.channel(self.world, channel)
        self.gateway.dispatch(event, Intent.GUILDS, None, lambda _: data)

    def delete_channel(self, channel: Channel) -> None:
        """Delete a text channel with its threads, or a thread."""
        world = self.world
        gone = [channel, *(t for t in list(world.channels.values()) if t.parent == channel.id)]
        for each in gone:
            for message in each.messages.values():
                if message.kind != 21:
                    self.journal.deleted("discord", each.id, message.id)
        if channel.kind == THREAD:
            data: Json = {"id": channel.id, "parent_id": channel.parent, "type": THREAD}
            self._tell("THREAD_DELETE", Intent.GUILDS, channel, data)
        else:
            self.tell_channel("CHANNEL_DELETE", channel)
        for each in gone:
            del world.channels[each.id]

    # --- telling ----------------------------------------------------------------------------------------

    def _mentions(
        self, channel: Channel, author: str, text: str, allowed: Mapping[str, Any] | None, replied_to: str | None
    ) -> mentions.Mentions:
        world = self.world
        return mentions.read(
            text,
            allowed,
            users=world.mentionable_users(channel),
            roles=world.mentionable_roles(channel),
            may_mention_all=Permission.MENTION_EVERYONE in world.permissions(author, channel),
            replied_to=replied_to,
        )

    def attach(self, channel: Channel, upload: Upload) -> Json:
        """Keep a file; returns its attachment object."""
        id_ = self.world.snowflake()
        self.world.uploads[id_] = upload
        url = f"{self.files_url}/attachments/{channel.id}/{id_}/{upload.filename}"
        return {
            "id": id_,
            "filename": upload.filename,
            "size": len(upload.content),
            "url": url,
            "proxy_url": url,
            "content_type": upload.content_type,
        }

    def _tell_message(self, event: str, message: Message, extra: Mapping[str, Any] | None = None) -> None:
        def render(session: Session) -> Json:
            with_content = Intent.MESSAGE_CONTENT in session.intents
            return payloads.message_event(self.world, message, with_content=with_content) | dict(extra or {})

        self.gateway.dispatch(event, Intent.GUILD_MESSAGES, self.world.channels[message.channel], render)

    def _tell(self, event: str, intent: Intent, channel: Channel, data: Json) -> None:
        if self.world.in_guild(channel):
            data.setdefault("guild_id", self.world.guild_id)
        self.gateway.dispatch(event, intent, channel, lambda _: data)
