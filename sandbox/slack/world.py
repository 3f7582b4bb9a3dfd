"""The workspace: its people, channels and messages, as plain state. Knows neither events, HTTP nor the journal."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

Kind = Literal["channel", "group", "mpim", "im"]

_LETTER: dict[Kind, str] = {"channel": "C", "group": "C", "mpim": "G", "im": "D"}


@dataclass(slots=True)
class User:
    """A person or a bot user."""

    id: str
    name: str
    real_name: str
    display_name: str = ""
    is_bot: bool = False
    deleted: bool = False


@dataclass(slots=True)
class Post:
    """One message.

    Args:
        blocks: as Slack gives them back; `written` is what the reader sees of what was sent.
        markdown: what was sent is standard Markdown, not mrkdwn.
        thread: the root's ts; a root that has replies keeps None here.
        edited: who changed the text last, and the ts of that change.
        stream: set while and after `chat.startStream` made this message.
    """

    channel: str
    ts: str
    user: str
    text: str
    written: str
    from_bot: bool = False
    blocks: list[dict[str, Any]] = field(default_factory=list)
    own_blocks: bool = False
    markdown: bool = False
    attachments: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    files: list[dict[str, Any]] = field(default_factory=list)
    thread: str | None = None
    broadcast: bool = False
    subtype: str | None = None
    edited: tuple[str, str] | None = None
    client_msg_id: str | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    stream: Stream | None = None


@dataclass(slots=True)
class Stream:
    """A message that grows by `chat.appendStream`: the text in full, and how it stands."""

    started: float
    live: bool
    text: str = ""
    state: Literal["in_progress", "done", "stopped_by_user"] = "in_progress"


@dataclass(slots=True)
class Channel:
    """A conversation: public, private, a group of people or a direct message. Posts are in ts order."""

    id: str
    name: str
    kind: Kind
    created: int
    members: dict[str, None] = field(default_factory=dict)
    archived: bool = False
    posts: dict[str, Post] = field(default_factory=dict)
    threads: dict[str, list[str]] = field(default_factory=dict)

    def add(self, post: Post) -> None:
        """Append a message."""
        self.posts[post.ts] = post
        if post.thread is not None:
            self.threads.setdefault(post.thread, []).append(post.ts)

    def remove(self, post: Post) -> None:
        """Take a message away."""
        del self.posts[post.ts]
        if post.thread is not None:
            self.threads[post.thread].remove(post.ts)

    def replies(self, root: str) -> list[Post]:
        """The replies of a thread, oldest first, without its root."""
        return [self.posts[ts] for ts in self.threads.get(root, ())]

    def listed(self) -> list[Post]:
        """What stands in the channel itself, oldest first: no replies but those sent to the channel too."""
        return [post for post in self.posts.values() if post.thread is None or post.broadcast]


class Workspace:
    """One Slack workspace with one app installed, and a few people to begin with.

    Channels `general` and `random` are public and have everyone and the bot in them; `lonely` is public without
    the bot; `secret` is private with the bot. `user` and `channel` find by id or by name.
    """

    def __init__(self, *, team_id: str = "T0SANDBOX", name: str = "Sandbox", bot_name: str = "firsttoken") -> None:
        self.files_url = "https://files.slack.com"
        self.uploads: dict[str, bytes] = {}
        self.team_id = team_id
        self.name = name
        self.domain = name.lower()
        self.app_id = "A0SANDBOX"
        self.bot_id = "B0SANDBOX"
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.behind = 0.0
        """Seconds by which what happens now is dated back: a test makes the past with it, oldest first."""
        self._made = 0
        self._last_ts = 0
        self.bot = self.add_user(bot_name, real_name=bot_name, is_bot=True)
        for person, real_name in (("ada", "Ada Lovelace"), ("grace", "Grace Hopper"), ("alan", "Alan Turing")):
            self.add_user(person, real_name=real_name)
        everyone = list(self.users)
        self.add_channel("general", members=everyone)
        self.add_channel("random", members=everyone)
        self.add_channel("lonely", members=[user for user in everyone if user != self.bot.id])
        self.add_channel("secret", kind="group", members=everyone)

    def _id(self, letter: str) -> str:
        self._made += 1
        return f"{letter}0SBX{self._made:05d}"

    def ts(self) -> str:
        """The current time as Slack's message ids have it: seconds, a dot, six digits; unique and increasing."""
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000 - int(self.behind * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def add_user(self, name: str, *, real_name: str = "", display_name: str = "", is_bot: bool = False) -> User:
        """Let a person (or bot) join the workspace; joins no channel."""
        user = User(self._id("U"), name, real_name or name.title(), display_name or name, is_bot)
        self.users[user.id] = user
        return user

    def add_channel(self, name: str, *, kind: Kind = "channel", members: Iterable[str] = ()) -> Channel:
        """Open a conversation whose members are the given users, by id or name."""
        channel = Channel(self._id(_LETTER[kind]), name, kind, int(time.time()))
        channel.members.update(dict.fromkeys(self.user(member).id for member in members))
        self.channels[channel.id] = channel
        return channel

    def user(self, who: str) -> User:
        """The user with that id or name; raises KeyError."""
        if who in self.users:
            return self.users[who]
        for user in self.users.values():
            if user.name == who:
                return user
        raise KeyError(f"no user {who!r} in the workspace")

    def channel(self, which: str) -> Channel:
        """The channel with that id or name; raises KeyError."""
        if which in self.channels:
            return self.channels[which]
        for channel in self.channels.values():
            if channel.name == which.removeprefix("#") and channel.kind != "im":
                return channel
        raise KeyError(f"no channel {which!r} in the workspace")

    def direct(self, people: Iterable[str]) -> Channel:
        """The direct message (or group of people) of exactly these users and the bot; opened when there is none."""
        members = {self.user(person).id for person in people} | {self.bot.id}
        kind: Kind = "im" if len(members) == 2 else "mpim"
        for channel in self.channels.values():
            if channel.kind == kind and set(channel.members) == members:
                return channel
        name = "" if kind == "im" else f"mpdm-{'--'.join(sorted(self.users[user].name for user in members))}-1"
        return self.add_channel(name, kind=kind, members=sorted(members))


def micros(ts: str) -> int:
    """A ts, or any decimal number of seconds, in microseconds; raises ValueError."""
    try:
        return int(Decimal(ts) * 1_000_000)
    except (InvalidOperation, OverflowError):
        raise ValueError(f"not a ts: {ts!r}") from None
