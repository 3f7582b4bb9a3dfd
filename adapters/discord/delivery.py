"""Writes answers to Discord. No message pings anyone or shows link previews; what is written is decided elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from discord.http import Route

from adapters.discord.buttons import components
from adapters.discord.calls import Calls
from adapters.discord.cooldown import Cooldown
from adapters.discord.gateway import Gateway
from adapters.discord.history import own_since, thread_before
from adapters.discord.limits import Limits
from adapters.discord.own import OwnMessages
from adapters.discord.refusals import Answer, ReplyForbidden, length_allowed, refusal
from adapters.discord.rendering import rendered
from adapters.discord.threads import ThreadOpener
from adapters.discord.typing import Typing
from adapters.proxies import LOOPBACK
from adapters.texts import TextFiles, is_text
from bot.conversation import Message, MessageRef, Place
from bot.errors import MessageGone, OutcomeUnknown, PlaceClosed, RateLimited, TooLong
from bot.ports import Button, Content, Posted, RateLimit, Receipt, Write
from bot.text import Dialect, utf16, wellformed

log = logging.getLogger(__name__)

LIMIT = 2000
"""What a message holds (Developer Docs, "Create Message"), counted the careful way: UTF-16 code units."""

SUPPRESS_EMBEDS = 1 << 2
"""Message flag: no link previews."""

SILENT: dict[str, Any] = {"parse": [], "replied_user": False}
"""`allowed_mentions` that ping nobody. On an edit it must be sent again: absent means that everything pings."""

FILE_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
"""Where Discord keeps files; their addresses are signed, and good for a day."""

FILE_TIMEOUT = aiohttp.ClientTimeout(total=10.0)

MESSAGES = "/channels/{channel_id}/messages"
ONE_MESSAGE = "/channels/{channel_id}/messages/{message_id}"


class Delivery:
    """Discord as the core's `Platform`; also shows status (typing), reads threads and notifies the asker.

    Works from the login on; a gateway connection is not needed.

    Args:
        client: logged in before the first call.
        calls: carries the calls out.
        installation: `discord:<application id>`.
        own: remembers what is written here.
    """

    status_lasts = 9.0
    """Typing shows for 10 s (Developer Docs, "Trigger Typing Indicator")."""

    def __init__(self, client: Gateway, calls: Calls, installation: str, own: OwnMessages) -> None:
        self._client = client
        self._calls = calls
        self._installation = installation
        self._own = own
        self._limits = Limits(installation)
        self._limit = LIMIT
        self._cooldown = Cooldown(time.monotonic)
        self._threads = ThreadOpener(client, calls, Cooldown(time.monotonic), self._limits)
        self._typing = Typing(time.monotonic)

    @property
    def installation(self) -> str:
        """Whose credentials this writes with."""
        return self._installation

    def dialect(self, place: Place) -> Dialect:
        """Discord's Markdown: tables as fenced text, at most 2,000 UTF-16 units a message."""
        return Dialect("discord", self._limit, utf16, rendered)

    def shows_buttons(self, place: Place) -> bool:
        """See `bot.ports.ShowsButtons`."""
        return True

    def rate_limits(self, write: Write, place: Place) -> tuple[RateLimit, ...]:
        """The channel's rate limit for that kind of write, and the whole bot's."""
        if write is Write.OPEN and not self._threads.opens(place):
            return ()
        return self._limits.rate_limits(write, target(place))

    # --- writing --------------------------------------------------------------------------------------------

    async def open(self, place: Place, title: str) -> Place:
        """Open a thread from the question; where that may not be, the place of a reply to it."""
        return await self._threads.open(place, title)

    async def post(self, place: Place, content: Content, nonce: str) -> Receipt:
        """Post a message. The same nonce within a few minutes posts nothing and returns the message that is there."""
        body = self._body(content.text, SILENT, content.buttons)
        return await self._post(place, content.text, nonce, body, place.reply_to)

    async def edit(self, place: Place, ref: MessageRef, content: Content) -> Receipt:
        """Replace what a message shows."""
        body = self._body(content.text, SILENT, content.buttons)
        answer = await self._call(ref.channel, "PATCH", ONE_MESSAGE, Write.EDIT, json=body, message_id=ref.id)
        return self._receipt(Write.EDIT, ref, content.text, answer)

    async def delete(self, place: Place, ref: MessageRef) -> None:
        """Delete one of our messages; one that is gone is success."""
        self._own.deleting(ref.id)
        try:
            await self._call(ref.channel, "DELETE", ONE_MESSAGE, Write.DELETE, message_id=ref.id)
        except MessageGone:
            return

    async def notify(self, place: Place, user: str, ref: MessageRef, nonce: str) -> Receipt:
        """Post a short reply to `ref`, with a link to it, that pings `user` and nobody else."""
        link = self._link(place, ref)
        text = f"<@{user}> The answer is ready{f': {link}' if link else '.'}"
        body = self._body(text, {"parse": [], "users": [user], "replied_user": False})
        return await self._post(place, text, nonce, body, ref.id)

    async def show_status(self, place: Place, text: str) -> None:
        """Show that the bot is typing; no call where that is to be seen, or where calls are refused for now."""
        channel = target(place)
        if not self._typing.begin(channel):
            return
        try:
            await self._call(channel, "POST", "/channels/{channel_id}/typing")
        except RateLimited as error:
            self._typing.refused(channel, error.retry_after or 0.0)
            raise

    async def clear_status(self, place: Place) -> None:
        """Nothing to do: typing ends with the next message, or by itself."""

    # --- reading --------------------------------------------------------------------------------------------

    async def find(self, place: Place, nonce: str, since: float) -> MessageRef | None:
        """Look for a message of ours among those whose answer, or whose event on the gateway, this process has seen.

        Discord's history shows no nonces, so None is no proof. Posting again with the same nonce is safe all the same:
        for a few minutes Discord answers it with the first message.
        """
        return self._own.find(nonce)

    async def own_since(self, place: Place, name: str, since: float, after: Sequence[str]) -> tuple[Posted, ...]:
        """Our messages in the conversation that are newer than `after`: Discord's history shows no nonces."""
        return await self._calls.complete(own_since(self._client, place, since, after))

    async def thread_before(self, message: Message) -> tuple[Message, ...]:
        """What was said in the thread, or in the replies, before `message`; oldest first, at most 50 messages."""
        return await self._calls.complete(thread_before(self._client, message))

    async def complete(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Return the messages with the texts that came as files, as a long paste does. Does not raise."""
        if not any(is_text(file) for message in messages for file in message.attachments):
            return tuple(messages)
        hosts = FILE_HOSTS | LOOPBACK if urlsplit(Route.BASE).hostname in LOOPBACK else FILE_HOSTS
        async with aiohttp.ClientSession(timeout=FILE_TIMEOUT) as session:
            return await TextFiles(session, hosts).complete(messages)

    # --- within ---------------------------------------------------------------------------------------------

    def _body(self, text: str, mentions: dict[str, Any], buttons: Sequence[Button] = ()) -> dict[str, Any]:
        body = {"content": wellformed(text), "allowed_mentions": mentions, "flags": SUPPRESS_EMBEDS}
        return {**body, "components": components(buttons)}  # those that an edit leaves out stay

    async def _post(self, place: Place, text: str, nonce: str, body: dict[str, Any], reply_to: str | None) -> Receipt:
        channel = target(place)
        body |= {"nonce": nonce, "enforce_nonce": True}
        if reply_to is not None:
            body["message_reference"] = {"message_id": reply_to, "fail_if_not_exists": False}
        try:
            answer = await self._call(channel, "POST", MESSAGES, Write.POST, json=body)
        except ReplyForbidden:
            del body["message_reference"]
            answer = await self._call(channel, "POST", MESSAGES, Write.POST, json=body)
        id_ = answer.data.get("id")
        if not isinstance(id_, str) or not id_.isdecimal():
            raise OutcomeUnknown("Discord posted the message and its answer was lost")
        self._typing.over(channel)
        return self._receipt(Write.POST, self._note(nonce, MessageRef(channel, id_)), text, answer)

    async def _call(
        self,
        channel: str,
        method: str,
        path: str,
        write: Write | None = None,
        *,
        json: dict[str, Any] | None = None,
        **parameters: str,
    ) -> Answer:
        """Make a call; returns a good answer or raises what another means."""
        if self._cooldown.rests(channel):
            raise PlaceClosed("Discord has refused the bot there several times; it tries again in a minute")
        answer = await self._calls.request(self._client.http, method, path, json=json, channel_id=channel, **parameters)
        if answer.ok:
            self._cooldown.accepted(channel)
            return answer
        bucket = self._limits.bucket(write, channel) if write and not answer.rate_limited_everywhere else ""
        error = refusal(answer, write, bucket=bucket)
        if answer.status in {403, 404} and isinstance(error, PlaceClosed):
            self._cooldown.refused(channel)
        if isinstance(error, TooLong):
            allowed = length_allowed(answer.data) or 0
            self._limit = allowed if 0 < allowed < self._limit else max(self._limit * 9 // 10, 100)
        raise error

    def _receipt(self, write: Write, ref: MessageRef, text: str, answer: Answer) -> Receipt:
        stored = answer.data.get("content")
        if isinstance(stored, str) and stored.strip() == wellformed(text).strip():
            stored = text  # blanks at the ends, which Discord cuts off, make no other text
        observed = self._limits.learn(write, ref.channel, answer.headers)
        return Receipt(ref, stored if isinstance(stored, str) else None, observed)

    def _link(self, place: Place, ref: MessageRef) -> str:
        """Where a client finds the message; empty when its server is not known."""
        guild = getattr(self._client.get_channel(int(place.channel)), "guild", None)
        server = "@me" if place.direct else guild and guild.id
        return f"https://discord.com/channels/{server}/{ref.channel}/{ref.id}" if server else ""

    def _note(self, nonce: str, ref: MessageRef) -> MessageRef:
        self._own.posted(nonce, ref)
        return ref


def target(place: Place) -> str:
    """The channel id that is written to: a thread is a channel of its own."""
    return place.thread or place.channel
