"""How a text is written to Slack: the dialects a workspace takes, and the part of a call that holds the text. Pure.

Every text is made inert here once more, whatever was done to it before: nothing that leaves can ping anybody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from slackify_markdown import slackify_markdown

from adapters.slack.defusing import defuse
from bot.text import Dialect, effort, monospaced, utf8, utf16, visible

PLAIN = 3_900
"""UTF-8 bytes of the text beside the blocks, which chat.update limits to 4,000. Screen readers and phones'
notifications read it and no block (Slack's documentation of chat.postMessage), so it holds all that fits."""

TABLE_WIDTH = 60
"""Columns of monospaced text that Slack shows in one line beside an open thread; in a fence it wraps longer ones."""

MOST_EFFORT = 250
"""Marks and lines, those in code left out, beyond which a page is shown as it is written: a message has room for
3,900 characters, each of these takes up to half a millisecond to convert, and people write one in twenty."""

_LABELLED = re.compile(r"<([a-z][a-z0-9+.\-]*:[^<>|\s]+)\|([^<>\n]*)>", re.IGNORECASE)
_CUT_ENTITY = re.compile(r"&[a-z]{0,3}$")


def to_mrkdwn(markdown: str) -> str:
    """Return Slack's older markup for `markdown`; a link under another name is spelt out, no token is live.

    A table becomes aligned text in a fence, or a list for each row where that is too wide.
    What has no form there (a rule, an entity) stays as it is written: nothing that was said becomes nothing.
    """
    aligned = monospaced(markdown, TABLE_WIDTH)
    if effort(aligned) > MOST_EFFORT:
        return defuse(markdown)
    slackified = slackify_markdown(aligned)
    rendered = defuse(_LABELLED.sub(_spelt_out, slackified)).strip("\n")
    return rendered if visible(rendered) else defuse(markdown)


def _spelt_out(link: re.Match[str]) -> str:
    address, label = link[1], link[2].strip()
    return f"<{address}>" if not label or label == address else f"{label} (<{address}>)"


MARKDOWN = Dialect("slack-markdown", 11_000, utf16, defuse)
"""One `markdown` block. Slack takes 12,000 characters; bolt-js#2509 measured refusals near 13,200 in all blocks."""

SHORT_MARKDOWN = Dialect("slack-markdown-short", 3_900, utf8, defuse)
"""For workspaces that refuse longer edits. The documented limit is 4,000; one report measured bytes."""

MRKDWN = Dialect("slack-mrkdwn", 3_900, utf8, to_mrkdwn)
"""For workspaces that refuse `markdown` blocks: plain `text`, which chat.update limits to 4,000."""


def content(text: str, dialect: Dialect) -> dict[str, Any]:
    """Return the arguments that hold `text`, rendered for `dialect`: blocks and the text beside them."""
    safe = defuse(text)
    if dialect is MRKDWN:
        return {"text": safe, "blocks": []}
    return {"text": plain(safe), "blocks": [{"type": "markdown", "text": safe}]}


def plain(text: str) -> str:
    """Return `text` escaped, as it is written, at most `PLAIN` bytes of it."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if utf8(escaped) > PLAIN:
        cut = escaped.encode("utf-8", "replace")[: PLAIN - utf8("…")].decode("utf-8", "ignore")
        escaped = _CUT_ENTITY.sub("", cut) + "…"
    return escaped if escaped.strip() else "…"


def stored_text(message: object) -> str | None:
    """The text a message holds, where Slack hands a markdown block back as it came; None where it rewrites it."""
    blocks = message.get("blocks") if isinstance(message, Mapping) else None
    if isinstance(blocks, list) and len(blocks) == 1 and isinstance(blocks[0], Mapping):
        text = blocks[0].get("text")
        if blocks[0].get("type") == "markdown" and isinstance(text, str):
            return text
    return None
