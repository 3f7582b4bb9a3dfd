"""What a reader sees of inline Markdown: its words, without marks, in the form in which platforms show them."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter

from bot.text.inline import TOKEN, address_at, is_noise

_SPECIAL = re.compile(r"[\\`*_~|\[\]<>&\n]")


def plain_text(text: str, *, strikes: bool = False) -> str:
    """Return what a reader sees of a paragraph: links by their text, code without backticks, no emphasis.

    Args:
        text: one paragraph, heading or cell.
        strikes: whether what is struck out keeps its marks: without them it would say the opposite.
    """
    if not _SPECIAL.search(text) or is_noise(text):
        return text
    pieces: list[str] = []
    for token in _PARSER.parseInline(text, {})[0].children or []:
        if token.type in {"text", "code_inline", "image", "text_special"}:
            pieces.append(token.content)
        elif strikes and token.type in {"s_open", "s_close"}:
            pieces.append("~~")
        elif token.type in {"softbreak", "hardbreak"} or token.content.startswith("<br"):
            pieces.append(" ")
    return "".join(pieces)


def _spoiler(state: StateInline, silent: bool) -> bool:
    if silent or not state.src.startswith("||", state.pos):
        return False
    scanned = state.scanDelims(state.pos, True)
    if (before := scanned.length - len("||")) > 0:
        # The last two of a longer run count. The others are passed at once, or each would look at all that follow.
        state.append_pending("|" * before)
        state.pos += before
        scanned = state.scanDelims(state.pos, True)
    state.push("text", "", 0).content = "||"
    state.delimiters.append(Delimiter(ord("|"), 0, len(state.tokens) - 1, -1, scanned.can_open, scanned.can_close))
    state.pos += len("||")
    return True


def _token(state: StateInline, silent: bool) -> bool:
    match = TOKEN.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        state.append_pending(match[0])
    state.pos = match.end()
    return True


def _address(state: StateInline, silent: bool) -> bool:
    found = address_at(state.src, state.pos) if state.src.startswith("://", state.pos) else None
    if found is None or found[1] > state.posMax:
        return False
    if not silent:
        state.append_pending(state.src[state.pos : found[1]])
    state.pos = found[1]
    return True


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable(["strikethrough", "table"])
    parser.inline.ruler.before("emphasis", "spoiler", _spoiler)
    parser.inline.ruler.before("autolink", "token", _token)
    parser.inline.ruler.after("text", "address", _address)
    parser.inline.add_terminator_char("|")
    return parser


_PARSER = _parser()
