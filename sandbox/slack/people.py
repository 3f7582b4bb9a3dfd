"""People at work: what they say, change, delete and press, and the events Slack tells of it."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.slack import payloads
from sandbox.slack.backend import Backend
from sandbox.slack.delivery import Dispatcher
from sandbox.slack.ledger import Told
from sandbox.slack.world import Channel, Post


class People:
    """Acts as any person. Users and channels go by id or name; every method raises KeyError for others."""

    def __init__(self, back: Backend, events: Dispatcher) -> None:
        self._back = back
        self._events = events
        self._files = itertools.count(1)

    def direct(self, *users: str) -> str:
        """The id of the direct message of the bot with one person, or with several."""
        return self._back.workspace.direct(users).id

    def say(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        thread: str | None = None,
        files: Iterable[Mapping[str, Any]] | None = None,
        attachments: Iterable[Mapping[str, Any]] | None = None,
        broadcast: bool = False,
        subtype: str | None = None,
        tell: Iterable[Told] = ("message", "app_mention"),
    ) -> str:
        """Post as a person and return the ts.

        Args:
            channel: where; the person must be a member.
            user: who.
            text: in Slack's own form: mentions as `<@U…>`, and `&`, `<`, `>` otherwise as entities.
            thread: the root's ts.
            files: at least name, mimetype and size (bytes) of each, or `content` (bytes), which can be fetched then;
                `said` is what Slack hears in a voice message.
            attachments: as the message carries them.
            broadcast: a reply that is sent to the channel as well.
            subtype: such as `me_message`.
            tell: which events are sent, in this order; a mention makes both, leave one out to lose it.
        """
        space = self._back.workspace
        room, author = self._room(channel, user)
        mentions = room.kind != "im" and f"<@{space.bot.id}" in text
        post = Post(room.id, space.ts(), author, text, text, blocks=payloads.rich_text(text) if text else [])
        post.thread, post.broadcast, post.subtype = thread, broadcast, subtype
        post.client_msg_id = str(uuid.uuid4())
        post.files = [payloads.file_object(dict(f), space, author, next(self._files)) for f in files or ()]
        post.attachments = [dict(it) for it in attachments or ()]
        told = [event for event in tell if event == "message" or mentions]
        self._back.ledger.post(post, tell=told)
        return post.ts

    def edit(self, channel: str, ts: str, text: str) -> str:
        """Change the text of a person's message; returns the ts of the change."""
        post = self._post(channel, ts)
        before = self._back.ledger.snapshot(post)
        post.text = post.written = text
        post.blocks = payloads.rich_text(text)
        post.edited = (post.user, self._back.workspace.ts())
        return self._back.ledger.changed(post, before)

    def unfurl(self, channel: str, ts: str, url: str = "https://example.com/") -> str:
        """Let Slack show a link's preview: a `message_changed` whose text is as it was; returns the change's ts."""
        post = self._post(channel, ts)
        before = self._back.ledger.snapshot(post)
        post.attachments = [{"id": 1, "from_url": url, "original_url": url, "title": "Example", "fallback": "Example"}]
        return self._back.ledger.changed(post, before, show=False)

    def delete(self, channel: str, ts: str) -> None:
        """Delete a message, a person's or the bot's. A thread's root with replies becomes a tombstone."""
        self._back.ledger.delete(self._post(channel, ts))

    def stop_stream(self, channel: str, user: str, ts: str) -> str:
        """Press the stop button of a streamed message; returns the id of the `agent_session_stopped` event."""
        post = self._post(channel, ts)
        if post.stream is None:
            raise ValueError(f"{ts} is not a streamed message")
        post.stream.state = "stopped_by_user"
        event: dict[str, Any] = {"type": "agent_session_stopped", "channel": post.channel, "thread_ts": post.thread}
        event |= {"user": self._back.workspace.user(user).id, "streaming_message_ts": [ts]}
        return self._events.send(event | {"event_ts": self._back.workspace.ts()})

    def _room(self, channel: str, user: str) -> tuple[Channel, str]:
        room, author = self._back.workspace.channel(channel), self._back.workspace.user(user).id
        if author not in room.members:
            raise KeyError(f"{user} is not in {channel}")
        return room, author

    def _post(self, channel: str, ts: str) -> Post:
        return self._back.workspace.channel(channel).posts[ts]
