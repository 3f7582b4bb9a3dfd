"""Every change of a message goes through here: into the workspace, into the journal, and out as events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from sandbox.journal import Journal
from sandbox.slack import payloads
from sandbox.slack.world import Post, Workspace

Told = Literal["message", "app_mention"]


class Ledger:
    """Posts, changes and deletes messages. `publish` is told every event, in order."""

    def __init__(self, workspace: Workspace, journal: Journal, publish: Callable[[dict[str, Any]], str | None]) -> None:
        self._workspace = workspace
        self._journal = journal
        self._publish = publish

    def post(self, post: Post, *, pings: Sequence[str] = (), tell: Iterable[Told] = ("message",), **extra: Any) -> None:
        """Add a message and tell the events in `tell`, in that order."""
        self._workspace.channels[post.channel].add(post)
        self._journal.posted(
            "slack",
            post.channel,
            post.ts,
            post.user,
            post.written,
            thread=post.thread,
            pings=list(pings),
            metadata=post.metadata,
            **extra,
        )
        for event in tell:
            make = payloads.mention_event if event == "app_mention" else payloads.message_event
            self._publish(make(post, self._workspace))

    def snapshot(self, post: Post) -> dict[str, Any]:
        """The message as it is, for the `previous_message` of the change that is about to happen."""
        return payloads.message(post, self._workspace)

    def changed(
        self, post: Post, before: dict[str, Any], *, pings: Sequence[str] = (), show: bool = True, **extra: Any
    ) -> str:
        """Tell that a message was changed in place; returns the event's ts. Without `show` readers see no difference.

        `pings` of all versions add up in the journal: what was live once has called somebody.
        """
        if show:
            earlier = self._journal.message("slack", post.channel, post.ts).extra.get("pings", [])
            seen = list(dict.fromkeys([*earlier, *pings]))
            self._journal.edited("slack", post.channel, post.ts, post.written, pings=seen, **extra)
        ts = self._workspace.ts()
        self._publish(payloads.changed_event(post, before, self._workspace, ts))
        return ts

    def delete(self, post: Post) -> None:
        """Remove a message. The root of a thread that has replies stays behind as a tombstone, as on Slack."""
        channel = self._workspace.channels[post.channel]
        before = self.snapshot(post)
        self._journal.deleted("slack", post.channel, post.ts)
        if channel.replies(post.ts):
            post.subtype, post.user, post.text, post.written = (
                "tombstone",
                "USLACKBOT",
                *["This message was deleted."] * 2,
            )
            post.from_bot, post.blocks, post.attachments, post.files = False, [], [], []
            post.metadata = post.client_msg_id = post.edited = None
            self._publish(payloads.changed_event(post, before, self._workspace, self._workspace.ts()))
            return
        channel.remove(post)
        self._publish(payloads.deleted_event(post, before, self._workspace, self._workspace.ts()))
        root = channel.posts.get(post.thread) if post.thread else None
        if root is not None and root.subtype == "tombstone" and not channel.replies(root.ts):
            stone = self.snapshot(root)
            channel.remove(root)
            self._publish(payloads.deleted_event(root, stone, self._workspace, self._workspace.ts()))
