"""Reads threads and channels from Slack: what was said before the bot came, and messages of ours whose id was lost.

Slack cuts these methods down hard for some apps, so they are asked rarely and never more than needed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from adapters.slack.calls import Api
from adapters.slack.events import ORDINARY, Event, Identity, field, is_time, to_message
from adapters.slack.markup import readable, text_of
from adapters.slack.rendering import stored_text
from bot.conversation import Message, MessageRef, Place
from bot.ports import Posted
from bot.text import bounded

MESSAGES = 50
"""Messages of a thread that Claude is told at most: the first one and the newest."""

CHARACTERS = 20_000
"""Characters of those at most."""

PAGE = 200
"""Messages asked for at once; Slack recommends no more, and a thread's oldest come first."""

WHOLE_THREAD = 999
"""Messages asked for where one call must bring the newest of a thread along."""

LOOK_BACK = 60.0
"""Seconds by which Slack's clock may be behind ours when a lost message is looked for."""

PAGES = 5
"""Pages in which a lost message is looked for."""


async def read_before(api: Api, us: Identity, message: Message) -> tuple[Message, ...]:
    """Return what was said in the thread before `message`, oldest first, in one call. Raises PlatformError."""
    channel, root, own = message.place.channel, message.place.thread, message.id.partition(":")[2]
    if root is None or root == own:
        return ()
    answer = await api.call(
        "conversations.replies",
        {"channel": channel, "ts": root, "latest": own, "inclusive": False, "limit": WHOLE_THREAD},
    )
    said = [
        replace(to_message(placed, us, message.key), text=text, addressed=False)
        for found in _messages(answer.data)
        if (placed := {**found, "channel": channel, "thread_ts": root}) and _counts(placed, us, own)
        if (text := readable(_said(placed), us.user)) or placed.get("files")
    ]
    return tuple(_newest(said))


def _counts(event: Event, us: Identity, before: str) -> bool:
    """People and other apps; not the bot, whose unfinished answers are nobody's words."""
    if field(event, "user") == us.user or (us.bot and field(event, "bot_id") == us.bot):
        return False
    if field(event, "subtype") not in ORDINARY | {"bot_message"} or not is_time(field(event, "ts")):
        return False
    return float(field(event, "ts")) < float(before)


def _said(message: Event) -> str:
    """A message's text; apps put theirs into attachments as well, which for people are only link previews."""
    text = text_of(message)
    attachments = message.get("attachments")
    if text or not isinstance(attachments, list):
        return text
    return "\n".join(
        field(item, "text") or field(item, "fallback") for item in attachments if isinstance(item, Mapping)
    )


def _newest(said: list[Message]) -> list[Message]:
    kept: list[Message] = []
    room = CHARACTERS - (len(said[0].text) if said else 0)
    for message in reversed(said[1:]):
        room -= len(message.text)
        if len(kept) == MESSAGES - 1 or room < 0:
            break
        kept.append(message)
    root = [replace(said[0], text=bounded(said[0].text, CHARACTERS))] if said else []
    return [*root, *reversed(kept)]


async def find_part(
    api: Api, us: Identity, place: Place, event_type: str, nonce: str, since: float
) -> MessageRef | None:
    """Return the message of ours whose metadata hold `nonce`; None when there is none. Raises PlatformError."""
    async for message in _recent(api, place, since):
        if _is_ours(message, us) and _nonce(message, event_type) == nonce:
            return MessageRef(place.channel, field(message, "ts"))
    return None


async def find_parts(
    api: Api, us: Identity, place: Place, event_type: str, name: str, since: float
) -> tuple[Posted, ...]:
    """Return our messages whose metadata hold a nonce that begins with `name`, oldest first. Raises PlatformError."""
    found = [
        message
        async for message in _recent(api, place, since)
        if _is_ours(message, us) and _nonce(message, event_type).startswith(name)
    ]
    found.sort(key=lambda message: float(field(message, "ts")))
    return tuple(
        Posted(MessageRef(place.channel, field(message, "ts")), stored_text(message) or field(message, "text"))
        for message in found
    )


def _recent(api: Api, place: Place, since: float) -> AsyncIterator[Mapping[str, Any]]:
    arguments = {"channel": place.channel, "oldest": f"{max(0.0, since - LOOK_BACK):.6f}", "include_all_metadata": True}
    if place.thread:
        arguments["ts"] = place.thread
    return _pages(api, "conversations.replies" if place.thread else "conversations.history", arguments)


def _is_ours(message: Mapping[str, Any], us: Identity) -> bool:
    return field(message, "user") == us.user or bool(us.bot and field(message, "bot_id") == us.bot)


def _nonce(message: Mapping[str, Any], event_type: str) -> str:
    """The nonce in a message's metadata; empty where there is none."""
    metadata = message.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != event_type:
        return ""
    payload = metadata.get("event_payload")
    return field(payload, "nonce") if isinstance(payload, Mapping) else ""


async def _pages(api: Api, method: str, arguments: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
    cursor: str | None = None
    for _ in range(PAGES):
        answer = await api.call(method, {**arguments, "limit": PAGE, "cursor": cursor})
        for message in _messages(answer.data):
            yield message
        more = answer.data.get("response_metadata")
        cursor = field(more, "next_cursor") if isinstance(more, Mapping) else ""
        if not cursor:
            return


def _messages(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    messages = data.get("messages")
    return [message for message in messages if isinstance(message, Mapping)] if isinstance(messages, list) else []
