"""How a text is written to Slack: the dialects a workspace takes, and the part of a call that holds the text. Pure.

Every text is made inert here once more, whatever was done to it before: nothing that leaves can ping anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from slackify_markdown import slackify_markdown

from adapters.slack.blocks import OURS
from adapters.slack.defusing import defuse
from bot.conversation import Control
from bot.ports import Button
from bot.text import Dialect, effort, monospaced, utf8, utf16, visible

PLAIN = 3_900
"""UTF-8 bytes of the text beside the blocks, which chat.update limits to 4,000. Screen readers and phones'
notifications read it and no block (Slack's documentation of chat.postMessage), so it holds all that fits."""

TABLE_WIDTH = 60
"""Columns of monospaced text that Slack shows in one line beside an open thread; in a fence it wraps longer ones."""

MOST_EFFORT = 250
"""Marks and lines, those in code left out, beyond which a page is shown as it is written: a message has room for
3,900 characters, each of these takes up to half a millisecond to convert, and people write one in twenty."""

OPINIONS = frozenset({Control.GOOD, Control.BAD})

_BUTTONS = frozenset({"actions", "context_actions"})
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


def content(text: str, dialect: Dialect, buttons: Sequence[Button] = ()) -> dict[str, Any]:
    """Return the arguments that hold `text`, rendered for `dialect`: blocks and the text beside them.

    Every edit carries all blocks: what becomes of those that it leaves out is told in two ways.
    """
    safe = defuse(text)
    if dialect is MRKDWN:
        return {"text": safe, "blocks": []}
    return {"text": plain(safe), "blocks": [{"type": "markdown", "text": safe}, *_below(buttons)]}


def _below(buttons: Sequence[Button]) -> Iterator[dict[str, Any]]:
    """Yield the blocks of buttons: those that ask for something, and apart from them an opinion."""
    asking = [button for button in buttons if button.control not in OPINIONS]
    opinions = {button.control: button for button in buttons if button.control in OPINIONS}
    if asking:
        yield {"type": "actions", "elements": [_button(button) for button in asking]}
    if opinions.keys() == OPINIONS:
        good, bad = ({**_label(opinions[it]), "value": _value(opinions[it])} for it in (Control.GOOD, Control.BAD))
        element = {
            "type": "feedback_buttons",
            "action_id": f"{OURS}opinion",
            "positive_button": good,
            "negative_button": bad,
        }
        yield {"type": "context_actions", "elements": [element]}


def _button(button: Button) -> dict[str, Any]:
    return {
        "type": "button",
        "action_id": f"{OURS}{button.control}",
        "value": _value(button),
        **_label(button),
    }


def _label(button: Button) -> dict[str, Any]:
    return {"text": {"type": "plain_text", "text": button.label, "emoji": True}}


def _value(button: Button) -> str:
    return f"{button.control}:{button.turn_id}"


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
    if not isinstance(blocks, list) or not all(isinstance(block, Mapping) for block in blocks):
        return None
    told = [block for block in blocks if block.get("type") not in _BUTTONS]
    text = told[0].get("text") if len(told) == 1 and told[0].get("type") == "markdown" else None
    return text if isinstance(text, str) else None
