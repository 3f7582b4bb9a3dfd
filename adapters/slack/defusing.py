"""Makes Slack's live tokens inert, so that no text pings anyone or hides where a link leads."""

from __future__ import annotations

import re

ZERO_WIDTH_SPACE = "\u200b"

_NAMES = "@#!"
_LABELLED = re.compile(r"<(?=[a-z][a-z0-9+.\-]*+:[^<>|]*+\|)", re.IGNORECASE)


def defuse(text: str) -> str:
    """Return `text` with U+200B after each `<` that begins `<!…`, `<@…`, `<#…` or `<scheme:…|…>`.

    Those are what Slack reads as a mention, a command or a link under another name, in `markdown` blocks too.
    `<https://…>`, comparisons and HTML-looking text stay as they are; `&` and `>` are left alone, so an escaped
    `&lt;!channel&gt;` stays the inert text it is. Idempotent. Give it whole texts: one token can be split over
    two pieces of a stream.
    """
    if "<" not in text:
        return text
    for char in _NAMES:
        text = text.replace("<" + char, "<" + ZERO_WIDTH_SPACE + char)
    return _LABELLED.sub("<" + ZERO_WIDTH_SPACE, text) if "|" in text else text
