"""Inline Markdown with positions: what must not be cut, what is paired, what is still open.

The parsing is markdown-it's; this walks its rules one by one, because its tokens do not say where they stood.
Added to CommonMark: strikethrough, Discord's spoilers, bare addresses, and the mentions of both platforms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.balance_pairs import link_pairs
from markdown_it.rules_inline.state_inline import Delimiter

CODE_REACH = 1000
"""Characters after which a backtick without a partner is taken for a stray one."""

_TOKEN = re.compile(
    r"<(?:[@#!][^<>\n]*|a?:\w+:\d+|t:-?\d+(?::\w)?|/[\w -]+:\d+|id:\w+|[a-z][a-z0-9+.\-]*:[^<>\n]*)>", re.IGNORECASE
)
_SCHEME = re.compile(r"(?:https?|ftp)$", re.IGNORECASE)
_ADDRESS = re.compile(r"://[^\s<>\[\]|`]+")
_TARGET = re.compile(r"(?:\((?:[^()\s]|\([^()\s]*\))*(?:\([^()\s]*|\s+[\"'(][^\n]*|\s*)?)?$")
_FACTOR = re.compile(r"[A-Za-z0-9)]\*[A-Za-z0-9(]")  # a product is no emphasis
_SPECIAL = re.compile(r"[\\`*_~|\[\]<>&\n]")
_AFTER_ADDRESS = ".,;:!?'\")}*_~"


class Span(NamedTuple):
    """A stretch of text: [start, end), and the name of the rule that recognised it."""

    start: int
    end: int
    kind: str


class Mark(NamedTuple):
    """An emphasis-like marker: where it stands and what is written there."""

    start: int
    text: str


@dataclass(slots=True)
class Inline:
    """What a paragraph holds.

    Args:
        atoms: links, images, addresses, mentions, code spans, HTML tags, escapes, entities, in order.
        pairs: emphasis, strikethrough and spoilers with both ends, markers included.
        unpaired: markers that could open something and found no partner, in order.
        backticks: the first run of backticks without a partner, within `CODE_REACH` of the end.
        brackets: positions of `[` without a partner, in order.
        bracketed: the last `[…]` that is no link (so far).
    """

    atoms: list[Span] = field(default_factory=list)
    pairs: list[Span] = field(default_factory=list)
    unpaired: list[Mark] = field(default_factory=list)
    backticks: Mark | None = None
    brackets: list[int] = field(default_factory=list)
    bracketed: Span | None = None


def _spoiler(state: StateInline, silent: bool) -> bool:
    if silent or not state.src.startswith("||", state.pos):
        return False
    scanned = state.scanDelims(state.pos, True)
    if scanned.length != len("||"):
        return False
    state.push("text", "", 0).content = "||"
    state.delimiters.append(Delimiter(ord("|"), 0, len(state.tokens) - 1, -1, scanned.can_open, scanned.can_close))
    state.pos += 2
    return True


def _token(state: StateInline, silent: bool) -> bool:
    match = _TOKEN.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        state.append_pending(match[0])
    state.pos = match.end()
    return True


def _address(state: StateInline, silent: bool) -> bool:
    match = _ADDRESS.match(state.src, state.pos, state.posMax)
    if match is None or not _SCHEME.search(state.src, max(0, state.pos - 5), state.pos):
        return False
    end = state.pos + len(match[0].rstrip(_AFTER_ADDRESS))
    if end <= state.pos + len("://"):
        return False
    while state.src[end : end + 1] == ")" and state.src.count("(", state.pos, end) > state.src.count(
        ")", state.pos, end
    ):
        end += 1
    if not silent:
        state.append_pending(state.src[state.pos : end])
    state.pos = end
    return True


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable(["strikethrough", "table"])
    parser.inline.ruler.before("emphasis", "spoiler", _spoiler)
    parser.inline.ruler.before("autolink", "token", _token)
    parser.inline.ruler.after("text", "address", _address)
    parser.inline.add_terminator_char("|")
    return parser


PARSER = _parser()
_RULES = list(
    zip(PARSER.inline.ruler.get_active_rules(), PARSER.inline.ruler.getRules(""), strict=True),
)
_ATOMS = frozenset({"escape", "link", "image", "autolink", "token", "html_inline", "entity", "address"})
_WIDTH = {"emphasis": 1, "strikethrough": 2, "spoiler": 2}


@lru_cache(maxsize=32)
def scan(text: str) -> Inline:
    """Return the inline structure of one paragraph, heading or cell; positions are those in `text`.

    Read only: the last few are kept.
    """
    found = Inline()
    state = StateInline(text, PARSER, {}, [])
    marks: list[Mark] = []
    depth: list[int] = []
    runs: list[Mark] = []
    while state.pos < state.posMax:
        start, known = state.pos, len(state.delimiters)
        rule = next((name for name, rule in _RULES if rule(state, False)), None)
        if rule is None:
            _bracket(text, start, depth, found)
            state.append_pending(text[start])
            state.pos += 1
        elif rule in _WIDTH:
            fresh, width = len(state.delimiters) - known, _WIDTH[rule]
            first = state.pos - fresh * width
            marks.extend(Mark(first + i * width, text[first : first + width]) for i in range(fresh))
        elif rule == "backticks":
            _code(text, start, state.pos, found, runs)
        elif rule in _ATOMS:
            begin = _SCHEME.search(text, max(0, start - 5), start) if rule == "address" else None
            found.atoms.append(Span(begin.start() if begin else start, state.pos, rule))
    link_pairs(state)
    for mark, delimiter in zip(marks, state.delimiters, strict=True):
        if delimiter.end >= 0:
            other = marks[delimiter.end]
            found.pairs.append(Span(mark.start, other.start + len(other.text), mark.text))
        elif delimiter.open and not _FACTOR.match(text, mark.start - 1):
            found.unpaired.append(mark)
    found.brackets = depth
    found.backticks = next((run for run in runs if len(text) - run.start <= CODE_REACH), None)
    return found


def _code(text: str, start: int, end: int, found: Inline, runs: list[Mark]) -> None:
    if text.count("`", start, end) < end - start:
        found.atoms.append(Span(start, end, "code"))
    else:
        runs.append(Mark(start, text[start:end]))


def _bracket(text: str, pos: int, depth: list[int], found: Inline) -> None:
    if text[pos] == "[":
        depth.append(pos)
    elif text[pos] == "]" and depth:
        found.bracketed = Span(depth.pop(), pos + 1, "brackets")


def begun_link(text: str, inline: Inline) -> Span | None:
    """Return the label, brackets left out, of a link or image that is not whole yet at the end of a scanned text."""
    if inline.bracketed and _TARGET.match(text, inline.bracketed.end):
        return Span(inline.bracketed.start + 1, inline.bracketed.end - 1, "target")
    if inline.brackets:
        return Span(inline.brackets[-1] + 1, len(text), "label")
    return None


def plain_text(text: str) -> str:
    """Return what a reader sees of a paragraph: links by their text, code without backticks, no emphasis."""
    if not _SPECIAL.search(text):
        return text
    pieces: list[str] = []
    for token in PARSER.parseInline(text, {})[0].children or []:
        if token.type in {"text", "code_inline", "image", "text_special"}:
            pieces.append(token.content)
        elif token.type in {"softbreak", "hardbreak"} or token.content.startswith("<br"):
            pieces.append(" ")
    return "".join(pieces)
