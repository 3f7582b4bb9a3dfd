"""Reads what people write on Slack: markup, blocks and forwarded messages become text as the person saw it. Pure.

Mentions of people stay as `<@U…>`: their names are looked up later, by whoever has time for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.text import bounded, wellformed

_TOKEN = re.compile(r"<([^<>\n]+)>")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ENTITY = re.compile("|".join(_ENTITIES))
_LEADING_MENTIONS = re.compile(r"\s*+(?:(?:<@[^<>]++>|<![^<>]++>)[\s,:;&]*+(?:and\s++)?+)++", re.IGNORECASE)
_CALLS = re.compile(r"<(@|!)([^<>|^]+)[^<>]*>")

_CALLING = frozenset({"here", "channel", "everyone", "group", "subteam"})
"""Commands that address people; `<!date^…>` does not."""

DEPTH = 12
"""How deep blocks are looked into; Slack nests no deeper than 4."""


def mentions(text: str, user: str) -> bool:
    """Whether `text`, as Slack sends it, mentions `user`."""
    return f"<@{user}>" in text or f"<@{user}|" in text


def addresses_others(text: str, user: str) -> bool:
    """Whether `text` begins by calling people, `user` not among them."""
    opening = _LEADING_MENTIONS.match(text)
    if opening is None:
        return False
    called = [who for sign, who in _CALLS.findall(opening.group()) if sign == "@" or who in _CALLING]
    return bool(called) and user not in called


def readable(text: str, bot_user: str) -> str:
    """Return Slack's `text` as a person reads it.

    The mention of `bot_user` is left out, links are `label (address)`, channels `#name`, commands `@here`, dates their
    fallback; entities are undone, mentions of other people stay `<@U…>`. What no store or API takes is replaced, and
    what is too long ends with a note (`bot.text.bounded`).
    """
    own = re.compile(rf"<@{re.escape(bot_user)}(?:\|[^<>]*+)?+>")
    opening = re.match(rf"\s*+{own.pattern}[ \t]*+[,:]?+", text)
    *before, last = own.split(text[opening.end() :] if opening else text)
    text = "".join([*(part.rstrip(" \t") for part in before), last])
    text = _TOKEN.sub(lambda token: _spoken(token[1]), text)
    text = _ENTITY.sub(lambda entity: _ENTITIES[entity[0]], text)
    return bounded(wellformed(text).strip())


def _spoken(token: str) -> str:
    sign, (target, _, label) = token[0], token.partition("|")
    if sign == "@":
        return f"<{token}>"
    if sign == "#":
        return f"#{label or target[1:]}"
    if sign == "!":
        command, _, rest = target[1:].partition("^")
        return label or f"@{rest or command}"
    address = target.removeprefix("mailto:").removeprefix("tel:")
    if not label or label == address or address.partition("://")[2].rstrip("/") == label.rstrip("/"):
        return address
    return f"{label} ({address})"


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message as Slack's markup: its `text`, else what its blocks say, and what it forwards."""
    text = message.get("text")
    if not isinstance(text, str) or not text.strip():
        text = "".join(_blocks(message.get("blocks"))).strip()
    forwarded = "\n\n".join(_forwarded(message.get("attachments")))
    return "\n\n".join(part for part in (text, forwarded) if part)


def _forwarded(attachments: object) -> Iterator[str]:
    """Messages a person shared along, quoted; link previews are not theirs and are left out."""
    for shared in _objects(attachments):
        text = shared.get("text") or shared.get("fallback")
        if (shared.get("is_share") or shared.get("is_msg_unfurl")) and isinstance(text, str) and text:
            author = shared.get("author_name")
            quoted = "\n".join(f"&gt; {line}" for line in text.splitlines())
            yield f"&gt; {_escaped(author)}:\n{quoted}" if isinstance(author, str) and author else quoted


def _blocks(blocks: object, depth: int = DEPTH) -> Iterator[str]:
    """The texts in blocks and rich text, mentions and links as tokens, a line feed after each block."""
    for block in _objects(blocks) if depth else ():
        match block.get("type"):
            case "user":
                yield f"<@{block.get('user_id')}>"
            case "usergroup":
                yield f"<!subteam^{block.get('usergroup_id')}>"
            case "channel":
                yield f"<#{block.get('channel_id')}>"
            case "broadcast":
                yield f"<!{block.get('range')}>"
            case "emoji":
                yield f":{block.get('name')}:"
            case "link":
                label = block.get("text")
                yield (
                    f"<{block.get('url')}|{_escaped(label)}>"
                    if isinstance(label, str) and label
                    else f"<{block.get('url')}>"
                )
            case "date":
                yield str(block.get("fallback") or "")
            case "text" | "plain_text":
                yield _escaped(block.get("text"))
            case "mrkdwn" | "markdown":
                yield str(block.get("text") or "")
            case _:
                inner = [block.get("text"), *_objects(block.get("fields")), *_objects(block.get("elements"))]
                yield from _blocks(inner, depth - 1)
                yield "\n"


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _escaped(text: object) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") if isinstance(text, str) else ""
