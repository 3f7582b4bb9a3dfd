"""What the methods of the Web API share: workspace and rules, and how a call's channel and message are found."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from sandbox.journal import Journal
from sandbox.slack.call import Call, Refusal
from sandbox.slack.content import Rules
from sandbox.slack.ledger import Ledger
from sandbox.slack.world import Channel, Post, Stream, Workspace, micros


@dataclass(slots=True)
class Backend:
    """Everything a method may touch. `statuses` holds (text, Unix s) by channel and thread.

    `triggers` holds who may open a form, and until when (Unix s); `forms` the form that is shown to a person.
    """

    workspace: Workspace
    rules: Rules
    ledger: Ledger
    journal: Journal
    statuses: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)
    triggers: dict[str, tuple[str, float]] = field(default_factory=dict)
    forms: dict[str, dict[str, Any]] = field(default_factory=dict)

    def find_channel(self, which: str) -> Channel | None:
        """The channel of that id or name, as far as the bot can see it."""
        try:
            channel = self.workspace.channel(which)
        except KeyError:
            return None
        # what is private and without the bot does not exist for it
        return channel if channel.kind == "channel" or self.workspace.bot.id in channel.members else None

    def room(self, call: Call, name: str = "channel", *, joined: bool = True, writes: bool = False) -> Channel:
        """The channel a call is about; refuses with `channel_not_found`, `not_in_channel` or `is_archived`."""
        channel = self.find_channel(call.text(name) or "")
        if channel is None:
            raise Refusal("channel_not_found")
        if joined and self.workspace.bot.id not in channel.members:
            raise Refusal("not_in_channel")
        if writes and channel.archived:
            raise Refusal("is_archived")
        return channel

    def own_post(self, call: Call, channel: Channel, refusal: str) -> Post:
        """The bot's message a call is about; refuses with `message_not_found`, or `refusal` if it is another's."""
        post = channel.posts.get(call.required("ts"))
        if post is None:
            raise Refusal("message_not_found")
        if not post.from_bot:
            raise Refusal(refusal)
        return post

    def streaming(self, stream: Stream) -> bool:
        """Whether a stream still takes text: neither ended nor too old."""
        return stream.state == "in_progress" and time.time() - stream.started < self.rules.stream_seconds

    def names(self) -> list[str]:
        """The names that may be written after an @."""
        return [user.name for user in self.workspace.users.values()]

    def status(self, channel: str, thread: str) -> str:
        """The status shown in a thread now; empty when there is none."""
        text, since = self.statuses.get((channel, thread), ("", 0.0))
        return text if time.time() - since < self.rules.status_seconds else ""

    def clear_status(self, post: Post) -> None:
        """A message of the bot takes the status of its thread away."""
        if self.statuses.pop((post.channel, post.thread or ""), None) is not None:
            self.journal.add("slack", "status", channel=post.channel, thread=post.thread, text="")


def instant(call: Call, name: str, default: int) -> int:
    """A ts argument in microseconds; refuses with `invalid_ts_<name>`."""
    value = call.text(name)
    if not value:
        return default
    try:
        return micros(value)
    except ValueError:
        raise Refusal(f"invalid_ts_{name}") from None


Answer = dict[str, Any]
