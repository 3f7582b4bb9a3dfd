"""Short plain text for notifications and names: no Markdown, no mention, one line."""

from __future__ import annotations

import re

from bot.text.blocks import Kind, outline
from bot.text.graphemes import boundary_before, visible
from bot.text.measure import utf16
from bot.text.validity import wellformed
from bot.text.words import plain_text

_LOOKED_AT = 40  # times the limit: how much of a long text is read
_MENTION = re.compile(r"<(?:[@#!][^<>\n|]*|t:-?\d+(?::\w)?|/[\w -]+:\d+|id:\w+)>")
_LABELLED = re.compile(r"<(?P<kind>[@#!])?[^<>\n|]*\|(?P<label>[^<>\n]*)>")
_EMOJI = re.compile(r"<a?(:\w+:)\d+>")
_ADDRESS = re.compile(r"<((?:https?|mailto):[^<>\s|]+)>", re.IGNORECASE)
_BEGINNING = re.compile(r"<(?=[!@#])")
_EVERYBODY = re.compile(r"@(?=(?:everyone|here|channel)\b)", re.IGNORECASE)
_LIST_MARKER = re.compile(r"^[ \t]*(?:>[ \t]?)*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?)?(?:#{1,6}[ \t]+)?")


FALLBACK = "Conversation"


def title(text: str, limit: int = 100) -> str:
    """Return a one-line plain name of at most `limit` UTF-16 code units; `Conversation` when the text has none.

    The default is Discord's limit for the name of a thread.
    """
    return plain(text, limit) or FALLBACK[:limit]


def plain(text: str, limit: int) -> str:
    """Return `text` in one line of at most `limit` UTF-16 code units, without Markdown or mentions.

    Code blocks are left out when there are words beside them. A text too long is cut at a word, with `…`.
    Empty when nothing is left to see.
    """
    text = _without_mentions(wellformed(text[: _LOOKED_AT * max(limit, 10)]))
    structure = outline(text)
    words: list[str] = []
    code: list[str] = []
    for block in structure.blocks:
        lines = [structure.line(number) for number in range(block.first, block.last)]
        if block.kind is Kind.FENCE:
            code += lines[1 : len(lines) - block.closed]
        elif block.kind is Kind.TABLE:
            words += [line.replace("|", " ") for line in lines[:1] + lines[2:]]
        elif block.kind is not Kind.RULE:
            bare = [_LIST_MARKER.sub("", line) for line in lines]
            words.append(plain_text("".join(bare)).replace("||", ""))
    line = " ".join(" ".join(words).split()) or " ".join(" ".join(code).split())
    # Once more, and last: an entity (`&lt;!channel&gt;`) is a character only now.
    line = _EVERYBODY.sub("", _BEGINNING.sub("<\u200b", line))
    return shortened(line, limit) if visible(line) else ""


def shortened(line: str, limit: int) -> str:
    """Return `line`, cut at a word or else between characters and ended with `…` when over `limit` UTF-16 units."""
    if utf16(line) <= limit:
        return line
    if limit < 1:
        return ""
    cut = min(len(line), limit - 1)
    while utf16(line[:cut]) > limit - 1:
        cut -= 1
    cut = boundary_before(line, cut, 0) if cut else 0
    space = line.rfind(" ", 0, cut + 1)
    if space > cut // 2:
        cut = space
    return line[:cut].rstrip(" ,;:.-–—(") + "…"


def _without_mentions(text: str) -> str:
    text = _ADDRESS.sub(r"\1", text)
    text = _LABELLED.sub(_label, text)
    text = _EMOJI.sub(r"\1", text)
    return _MENTION.sub("", text)


def _label(match: re.Match[str]) -> str:
    return match["label"] if match["kind"] is None else f"{match['kind'].replace('!', '')}{match['label']}"
