"""Reads Slack's markup: what stands in a text becomes what the person saw. Pure.

Mentions of people stay as `<@U…>`: their names are looked up later, by whoever has time for that.
"""

from __future__ import annotations

import re

from bot.text import bounded, wellformed

_TOKEN = re.compile(r"<([^<>\n]+)>")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ENTITY = re.compile("|".join(_ENTITIES))
_LEADING_MENTIONS = re.compile(r"\s*+(?:(?:<@[^<>]++>|<![^<>]++>)[\s,:;&]*+(?:and\s++)?+)++", re.IGNORECASE)
_CALLS = re.compile(r"<(@|!)([^<>|^]+)[^<>]*>")

_CALLING = frozenset({"here", "channel", "everyone", "group", "subteam"})
"""Commands that address people; `<!date^…>` does not."""


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
