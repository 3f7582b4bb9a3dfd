"""Reads threads and channels from Slack: what was said before the bot came, and messages of ours whose id was lost.

Slack cuts these methods down hard for some apps, so they are asked rarely and never more than needed.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapters.slack.blocks import files_of, shown_by
from adapters.slack.calls import Api
from adapters.slack.fields import Event, Identity, field, is_time
from adapters.slack.for_us import ORDINARY
from adapters.slack.markup import readable
from adapters.slack.reading import to_message
from adapters.slack.rendering import stored_text
from bot.conversation import Message, MessageRef, Place
from bot.errors import PlatformError
from bot.ports import Posted
from bot.text import bounded

log = logging.getLogger(__name__)

MESSAGES = 50
"""Messages of a thread that Claude is told at most: the first one and the newest."""

CHARACTERS = 20_000
"""Characters of those at most."""

PAGE = 200
"""Messages asked for at once; Slack recommends no more, and a thread's oldest come first."""

WHOLE_THREAD = 999
"""Messages asked for where one call must bring the newest of a thread along."""

FURTHER_CALLS = 8
"""Calls for the newest part of a thread that one page does not hold."""

NARROWER, WIDER = 8.0, 3.0
"""By which the time that is asked for is made shorter after too many messages, and longer after few."""

LEFT_OUT = "[messages in between are left out]"
"""Stands before the first message after a part of the thread that Claude is not told."""

LOOK_BACK = 60.0
"""Seconds by which Slack's clock may be behind ours when a lost message is looked for."""

PAGES = 5
"""Pages in which a lost message is looked for."""


async def read_before(api: Api, us: Identity, message: Message) -> tuple[Message, ...]:
    """Return what was said in the thread before `message`, oldest first: its beginning and its newest part.

    One call mostly; a few for a thread of more messages than Slack gives at once. Raises PlatformError.
    """
    channel, root, own = message.place.channel, message.place.thread, message.id.partition(":")[2]
    if root is None or root == own:
        return ()
    found, whole = await _ends_of(api, channel, root, own)
    said = [
        replace(to_message(placed, us, message.key), text=text, addressed=False)
        for it in found
        if (placed := {**it, "channel": channel, "thread_ts": root}) and _counts(placed, us, own)
        if (text := readable(shown_by(placed), us.user)) or files_of(placed)
    ]
    return tuple(_newest(said, whole=whole))


async def _ends_of(api: Api, channel: str, root: str, own: str) -> tuple[list[Mapping[str, Any]], bool]:
    """Return messages of a thread before `own`, oldest first, and whether these are all.

    Slack gives the oldest first, as many as a page holds: fifteen for some apps. The newest are found by asking
    from a later and later time on, until what there is fits a page.
    """
    arguments = {"channel": channel, "ts": root, "latest": own, "inclusive": False, "limit": WHOLE_THREAD}
    answer = await api.call("conversations.replies", arguments)
    first = _messages(answer.data)
    if not _has_more(answer.data) or not (is_time(root) and is_time(own)):
        return first, not _has_more(answer.data)
    newest: list[Mapping[str, Any]] = []
    early, late = float(root), float(own)  # from where on there are too many, and from where on too few
    begin = late - (late - early) / NARROWER
    for _ in range(FURTHER_CALLS):
        try:
            answer = await api.call("conversations.replies", {**arguments, "oldest": f"{begin:.6f}"})
        except PlatformError as error:
            log.info("the newest part of a thread cannot be read further", extra={"error": str(error)})
            break
        if _has_more(answer.data):
            early = begin
            begin = float(own) - (float(own) - begin) / NARROWER if late == float(own) else (early + late) / 2
            continue
        newest = max(newest, [it for it in _messages(answer.data) if field(it, "ts") != root], key=len)
        if len(newest) >= min(MESSAGES, len(first)) // 2:
            break
        late = begin
        begin = float(own) - (float(own) - begin) * WIDER if newest else _end_foretold(first)
        if not early < begin < late:
            begin = (early + late) / 2
    known = {field(it, "ts") for it in newest}
    return [*(it for it in first[:1] if field(it, "ts") not in known), *newest] if newest else first, False


def _end_foretold(first: Sequence[Mapping[str, Any]]) -> float:
    """Return about when the newest messages of a thread were written, had it gone on as it began.

    For a thread that was asleep for long. A little later than that, since what is asked for must fit a page.
    """
    times = [float(ts) for it in first if is_time(ts := field(it, "ts"))]
    count = first[0].get("reply_count") if first else None
    if len(times) < 2 or not isinstance(count, int):
        return 0.0
    apart = (times[-1] - times[0]) / (len(times) - 1)
    return times[0] + apart * (count - (len(times) - 1) * 0.6)


def _has_more(data: Mapping[str, Any]) -> bool:
    more = data.get("response_metadata")
    return data.get("has_more") is True or (isinstance(more, Mapping) and bool(field(more, "next_cursor")))


def _counts(event: Event, us: Identity, before: str) -> bool:
    """People and other apps; not the bot, whose unfinished answers are nobody's words."""
    if field(event, "user") == us.user or (us.bot and field(event, "bot_id") == us.bot):
        return False
    if field(event, "subtype") not in ORDINARY | {"bot_message"} or not is_time(field(event, "ts")):
        return False
    return float(field(event, "ts")) < float(before)


def _newest(said: list[Message], *, whole: bool) -> list[Message]:
    """Return the first message and the newest of the others, as many as Claude is told.

    Args:
        said: oldest first.
        whole: whether that is all, as against the first one and a newest part.
    """
    kept: list[Message] = []
    room = CHARACTERS - (len(said[0].text) if said else 0)
    for message in reversed(said[1:]):
        room -= len(message.text)
        if len(kept) == MESSAGES - 1 or room < 0:
            break
        kept.append(message)
    root = [replace(said[0], text=bounded(said[0].text, CHARACTERS))] if said else []
    kept.reverse()
    if kept and (not whole or len(kept) < len(said) - 1):
        kept[0] = replace(kept[0], text=f"{LEFT_OUT}\n{kept[0].text}")
    return [*root, *kept]


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
