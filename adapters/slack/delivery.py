"""Writes answers to one Slack workspace. Each call is tried once: the core knows which may be repeated, and when.

A workspace that refuses what is sent lowers the dialect for everything after: first 11,000 characters a message, then
3,900 bytes, and without `markdown` blocks at all where those are refused.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from adapters.slack.calls import Answer, Api
from adapters.slack.closed import ClosedChannels
from adapters.slack.fields import Identity
from adapters.slack.history import find_part, find_parts, read_before
from adapters.slack.limits import rate_limits
from adapters.slack.people import People
from adapters.slack.refusals import BLOCKS_REFUSED, TEXT_TOO_LONG, ChannelClosed, NoChannel
from adapters.slack.rendering import MARKDOWN, MRKDWN, SHORT_MARKDOWN, stored_text
from adapters.slack.rendering import content as rendered
from bot.conversation import Message, MessageRef, Place
from bot.errors import ContentRefused, OutcomeUnknown, PlatformError, RateLimited, TooLong, Unavailable
from bot.ports import Content, Posted, RateLimit, Receipt, Write
from bot.text import Dialect

log = logging.getLogger(__name__)

PART = "firsttoken_part"
"""The `event_type` of the metadata by which a message of ours is found again."""

NO_STATUS = frozenset(
    {
        "channel_type_not_supported",
        "feature_not_enabled",
        "method_not_supported_for_channel_type",
        "missing_scope",
        "not_allowed_token_type",
        "unknown_method",
    }
)
"""Codes that mean this app or workspace has no status: it is not asked for again."""

STATUSES = 10_000
"""Threads remembered as showing a status; past that they are forgotten, and Slack's own two minutes end theirs."""

_USER = re.compile(r"[UW][A-Z0-9]{2,30}")
_LINK = re.compile(r"https?://[^\s<>|]+")


class Delivery:
    """`bot.ports.Platform` over Slack's Web API, with status, names, earlier messages and notices.

    Args:
        api: the workspace's Web API.
        us: who the bot is there.
    """

    status_lasts = 100.0
    """Seconds; Slack takes a status away after 120 without a message."""

    def __init__(self, api: Api, us: Identity) -> None:
        self._api = api
        self._us = us
        self._people = People(api)
        self._dialect = MARKDOWN
        self._status_refused = False
        self._status_rests_until = 0.0
        self.on_write: Callable[[], object] | None = None
        """Told when something was posted or edited."""
        self.channels = ClosedChannels()
        """Those in which nothing can be written now."""
        self._statuses: set[tuple[str, str]] = set()

    @property
    def installation(self) -> str:
        """Whose credentials this writes with."""
        return self._us.installation

    def dialect(self, place: Place) -> Dialect:
        """How text is written there."""
        return self._dialect

    def shows_buttons(self, place: Place) -> bool:
        """See `bot.ports.ShowsButtons`: below Markdown, which some workspaces refuse."""
        return self._dialect is not MRKDWN

    def rate_limits(self, write: Write, place: Place) -> tuple[RateLimit, ...]:
        """The rate limits that one such call spends from: see `limits`."""
        if self.closed(place):
            return ()
        return rate_limits(self._us.installation, write, place.channel)

    def closed(self, place: Place) -> str:
        """Why nothing can be written there now, as far as is known; empty when it may be."""
        return self.channels.reason(place.channel)

    # --- writing --------------------------------------------------------------------------------------------

    async def open(self, place: Place, title: str) -> Place:
        """Return the place as it is: a thread begins with its first reply."""
        return place

    async def post(self, place: Place, content: Content, nonce: str) -> Receipt:
        """Post a message, findable by `nonce`. Raises PlatformError."""
        arguments = {
            "channel": place.channel,
            "thread_ts": place.thread,
            "unfurl_links": False,
            "unfurl_media": False,
            "metadata": {"event_type": PART, "event_payload": {"nonce": nonce}},
        }
        answer = await self._write("chat.postMessage", arguments, content)
        self._statuses.discard((place.channel, place.thread or ""))
        return _receipt(answer, place.channel)

    async def edit(self, place: Place, ref: MessageRef, content: Content) -> Receipt:
        """Replace what one of our messages shows. Raises PlatformError."""
        answer = await self._write("chat.update", {"channel": ref.channel, "ts": ref.id}, content)
        return Receipt(ref, stored_text(answer.data.get("message")))

    async def delete(self, place: Place, ref: MessageRef) -> None:
        """Delete one of our messages; one that is gone is success. Raises PlatformError."""
        gone = frozenset({"message_not_found"})
        await self._in_channel(ref.channel, "chat.delete", {"channel": ref.channel, "ts": ref.id}, gone)

    async def find(self, place: Place, nonce: str, since: float) -> MessageRef | None:
        """Look for a message of ours with `nonce`, posted at `since` (Unix s) or later. Raises PlatformError."""
        return await find_part(self._api, self._us, place, PART, nonce, since)

    async def own_since(self, place: Place, name: str, since: float, after: Sequence[str]) -> tuple[Posted, ...]:
        """Our messages in the thread (or direct message) whose nonce begins with `name`. Raises PlatformError."""
        return await find_parts(self._api, self._us, place, PART, name, since)

    async def _write(self, method: str, arguments: dict[str, Any], content: Content) -> Answer:
        dialect, text = self._dialect, content.text
        if dialect.measure(text) > dialect.limit:
            raise TooLong(f"{dialect.measure(text)} is over this workspace's {dialect.limit}")
        if not text.strip():
            raise ContentRefused("Slack takes no empty message")
        whole = {**arguments, **rendered(text, dialect, content.buttons), "parse": "none"}
        answer = await self._in_channel(arguments["channel"], method, whole, TEXT_TOO_LONG | BLOCKS_REFUSED)
        if answer.error:
            raise self._lower(dialect, text, answer.error)
        if self.on_write is not None:
            self.on_write()
        return answer

    async def _in_channel(
        self, channel: str, method: str, arguments: dict[str, Any], accept: frozenset[str] = frozenset()
    ) -> Answer:
        """Make a call that a closed channel refuses, unless it is known to be closed."""
        if why := self.channels.reason(channel):
            raise ChannelClosed(why)
        try:
            answer = await self._api.call(method, arguments, accept=accept)
        except ChannelClosed as error:
            self.channels.refused(channel, str(error), there=not isinstance(error, NoChannel))
            raise
        if not answer.error:
            self.channels.opened(channel)
        return answer

    def _lower(self, used: Dialect, text: str, code: str) -> PlatformError:
        """Write less, or plainer, from now on in this workspace; returns what to raise.

        A block that is too long is refused with `invalid_blocks` too, so a long text is first tried shorter.
        """
        if used is not self._dialect:
            return TooLong("another call has lowered the limit meanwhile")
        if SHORT_MARKDOWN.measure(text) > SHORT_MARKDOWN.limit:
            self._dialect = SHORT_MARKDOWN
        elif code in BLOCKS_REFUSED and used is not MRKDWN:
            self._dialect = MRKDWN
        else:
            return ContentRefused(f"Slack refuses the text ({code})")
        log.warning(
            "Slack refuses what is sent, going on with less",
            extra={"code": code, "dialect": self._dialect.name, "limit": self._dialect.limit},
        )
        return TooLong(f"Slack refused the text ({code}); from now on {self._dialect.limit} a message")

    # --- what else Slack can do -----------------------------------------------------------------------------

    async def show_status(self, place: Place, text: str) -> None:
        """Show `text` under the thread; nothing where there is no thread or no status. Raises PlatformError."""
        if place.thread is None or self._status_refused:
            return
        if (left := self._status_rests_until - time.monotonic()) > 0:
            raise RateLimited("statuses rest in this workspace", retry_after=left)
        arguments = {"channel_id": place.channel, "thread_ts": place.thread, "status": text}
        try:
            answer = await self._in_channel(place.channel, "assistant.threads.setStatus", arguments, NO_STATUS)
        except RateLimited as error:
            self._status_rests_until = time.monotonic() + (error.retry_after or 0.0)
            raise
        if answer.error:
            self._status_refused = True
            log.info("no status in this workspace", extra={"code": answer.error})
        elif text:
            if len(self._statuses) >= STATUSES:
                self._statuses.clear()
            self._statuses.add((place.channel, place.thread))

    async def clear_status(self, place: Place) -> None:
        """Take the status away, unless a message has already done so. Raises PlatformError."""
        if place.thread is not None and (place.channel, place.thread) in self._statuses:
            self._statuses.discard((place.channel, place.thread))
            await self.show_status(place, "")

    async def complete(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Return the messages with people's names, and with the texts that came as files. Does not raise."""
        return await self._people.complete(await self._api.texts.complete(messages))

    async def thread_before(self, message: Message) -> tuple[Message, ...]:
        """What was said in the thread before `message`, oldest first; empty where Slack does not tell."""
        try:
            return await read_before(self._api, self._us, message)
        except PlatformError as error:
            log.warning("cannot read the thread", extra={"error": str(error)})
            return ()

    async def notify(self, place: Place, user: str, ref: MessageRef, nonce: str) -> Receipt:
        """Post a reply that pings `user` alone and links to `ref`. Raises PlatformError."""
        if not _USER.fullmatch(user):
            raise ContentRefused(f"{user!r} is nobody who can be told")
        link = await self._permalink(ref)
        said = f"<@{user}> The answer is complete{f': <{link}>' if link else '.'}"
        arguments = {
            "channel": place.channel,
            "thread_ts": place.thread,
            "text": said,
            "parse": "none",
            "unfurl_links": False,
            "unfurl_media": False,
            "metadata": {"event_type": PART, "event_payload": {"nonce": nonce}},
        }
        return _receipt(await self._api.call("chat.postMessage", arguments), place.channel)

    async def _permalink(self, ref: MessageRef) -> str:
        try:
            answer = await self._api.call("chat.getPermalink", {"channel": ref.channel, "message_ts": ref.id})
        except (RateLimited, Unavailable, OutcomeUnknown):
            raise
        except PlatformError as error:
            log.info("no link to the answer", extra={"error": str(error)})
            return ""
        link = answer.text("permalink")
        return link if _LINK.fullmatch(link) else ""

    async def close(self) -> None:
        """End what is still being looked up."""
        await self._people.close()


def _receipt(answer: Answer, channel: str) -> Receipt:
    if not (ts := answer.text("ts")):
        raise OutcomeUnknown("chat.postMessage: the answer names no message")
    return Receipt(MessageRef(answer.text("channel") or channel, ts), stored_text(answer.data.get("message")))
