"""The channel calls of the REST API: channels, threads and their members, typing, direct messages."""

from __future__ import annotations

from typing import Any

from . import forms, payloads
from .access import Access
from .actions import Actions
from .errors import ApiError, form_error
from .permissions import Permission
from .ratelimits import RateLimits
from .rest import Call, Endpoint
from .world import DM, TEXT, THREAD, Channel, World

Json = dict[str, Any]

ACTIVE_THREADS = 1_000
"""Threads that may be active in a guild at once; one more is 160006."""


class Channels(Access):
    """Channels, threads and direct messages."""

    def __init__(self, world: World, actions: Actions, limits: RateLimits) -> None:
        super().__init__(world, actions)
        self.limits = limits
        self.active_threads = ACTIVE_THREADS

    def calls(self) -> list[Endpoint]:
        """The calls by name."""
        base = "/channels/{channel}"
        return [
            Endpoint("GET channel", "GET", base, self.get),
            Endpoint("PATCH channel", "PATCH", base, self.edit),
            Endpoint("POST typing", "POST", base + "/typing", self.typing),
            Endpoint("POST thread", "POST", base + "/messages/{message}/threads", self.open_from_message),
            Endpoint("POST thread", "POST", base + "/threads", self.open_alone),
            Endpoint("GET archived threads", "GET", base + "/threads/archived/public", self.archived),
            Endpoint("GET thread members", "GET", base + "/thread-members", self.members),
            Endpoint("PUT thread member", "PUT", base + "/thread-members/{user}", self.join),
            Endpoint("DELETE thread member", "DELETE", base + "/thread-members/{user}", self.leave),
            Endpoint("GET active threads", "GET", "/guilds/{guild}/threads/active", self.active),
            Endpoint("POST dm", "POST", "/users/@me/channels", self.open_dm),
        ]

    def get(self, call: Call) -> tuple[int, Any]:
        """One channel."""
        return 200, payloads.channel(self.world, self.channel(call))

    def edit(self, call: Call) -> tuple[int, Any]:
        """Rename a channel, archive, lock or rename a thread."""
        channel = self.channel(call)
        if channel.kind == DM:
            raise ApiError(50003)
        if channel.kind == THREAD:
            self._check_thread_edit(channel, call.body)
        else:
            self.channel(call, Permission.MANAGE_CHANNELS)
        name = forms.thread_name(call.body) if "name" in call.body else None
        if name is not None and name != channel.name:
            wait = self.limits.admit_rename(channel.id, self.world.clock.now())
            if wait:
                raise ApiError(0, status=429, message="You are being rate limited.", retry_after=wait)
        if channel.kind == THREAD:
            archived, locked = call.body.get("archived"), call.body.get("locked")
            self.actions.update_thread(channel, archived=archived, locked=locked, name=name)
        else:
            channel.name = name or channel.name
            channel.topic = call.body.get("topic", channel.topic)
            self.actions.tell_channel("CHANNEL_UPDATE", channel)
        return 200, payloads.channel(self.world, channel)

    def _check_thread_edit(self, thread: Channel, body: Json) -> None:
        if self.may(Permission.MANAGE_THREADS, thread):
            return
        if thread.locked:
            raise ApiError(50083 if thread.archived else 50013)
        unarchives = thread.archived and body.get("archived") is False
        if thread.archived and not unarchives:
            raise ApiError(50083)
        if not unarchives and thread.owner != self.world.bot_id:
            raise ApiError(50013)

    def typing(self, call: Call) -> tuple[int, Any]:
        """Show that the bot is typing."""
        channel = self.channel(call)
        self.must_take_posts(channel)
        self.actions.typing(channel, self.world.bot_id)
        return 204, None

    # --- threads ----------------------------------------------------------------------------------------

    def open_from_message(self, call: Call) -> tuple[int, Any]:
        """Open a public thread from a message; the thread takes the message's id."""
        parent = self.channel(call)
        if parent.kind != TEXT:
            raise ApiError(50024)
        message = self.message(call, parent)
        self.channel(call, Permission.CREATE_PUBLIC_THREADS)
        if message.kind not in (0, 19, 20):
            raise ApiError(50068)
        if message.id in self.world.channels:
            raise ApiError(160004)
        return self._open(parent, call, message.id)

    def open_alone(self, call: Call) -> tuple[int, Any]:
        """Open a public thread without a message."""
        parent = self.channel(call)
        if parent.kind != TEXT:
            raise ApiError(50024)
        self.channel(call, Permission.CREATE_PUBLIC_THREADS)
        if call.body.get("type", 12) != THREAD:
            raise form_error("type", "BASE_TYPE_CHOICES", "The stand-in opens public threads (type 11) only.")
        return self._open(parent, call, None)

    def _open(self, parent: Channel, call: Call, message_id: str | None) -> tuple[int, Any]:
        name, minutes = forms.thread_name(call.body), forms.archive_minutes(call.body)
        if sum(1 for _ in self.world.threads(archived=False)) >= self.active_threads:
            raise ApiError(160006)
        message = None if message_id is None else parent.messages[message_id]
        thread = self.actions.open_thread(parent, self.world.bot_id, name, message=message, archive_minutes=minutes)
        return 201, payloads.thread(self.world, thread)

    def active(self, call: Call) -> tuple[int, Any]:
        """The guild's active threads the bot may view."""
        if call.path["guild"] != self.world.guild_id or not self.world.bot_in_guild:
            raise ApiError(10004)
        return 200, self._listing(list(self.world.threads(archived=False)))

    def archived(self, call: Call) -> tuple[int, Any]:
        """A channel's archived threads, the one archived last first."""
        parent = self.channel(call, Permission.READ_MESSAGE_HISTORY)
        found = sorted(self.world.threads(archived=True, parent=parent.id), key=lambda t: -t.archive_changed)
        return 200, self._listing(found) | {"has_more": False}

    def _listing(self, threads: list[Channel]) -> Json:
        seen = [thread for thread in threads if self.may(Permission.VIEW_CHANNEL, thread)]
        bot = self.world.bot_id
        return {
            "threads": [payloads.thread(self.world, thread) for thread in seen],
            "members": [payloads.thread_member(thread, bot) for thread in seen if bot in thread.members],
        }

    def members(self, call: Call) -> tuple[int, Any]:
        """A thread's members."""
        thread = self.thread(call)
        return 200, [payloads.thread_member(thread, user) for user in thread.members]

    def join(self, call: Call) -> tuple[int, Any]:
        """Join a thread, or add somebody to it."""
        thread = self.thread(call)
        self.must_be_open(thread)
        self.actions.join(thread, self._who(call))
        return 204, None

    def leave(self, call: Call) -> tuple[int, Any]:
        """Leave a thread, or (with MANAGE_THREADS) remove somebody from it."""
        thread = self.thread(call)
        self.must_be_open(thread)
        user = self._who(call)
        if user != self.world.bot_id:
            self.channel(call, Permission.MANAGE_THREADS)
        self.actions.leave(thread, user)
        return 204, None

    def _who(self, call: Call) -> str:
        user = self.world.bot_id if call.path["user"] == "@me" else call.path["user"]
        if user not in self.world.users:
            raise ApiError(10013)
        return user

    # --- direct messages --------------------------------------------------------------------------------

    def open_dm(self, call: Call) -> tuple[int, Any]:
        """The direct message channel with a user; opening it says nothing about whether they take messages."""
        user = str(call.body.get("recipient_id"))
        if user not in self.world.users:
            raise ApiError(10013)
        if self.world.users[user].bot:
            raise ApiError(50007)
        return 200, payloads.channel(self.world, self.world.dm_with(user))
