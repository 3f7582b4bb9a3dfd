"""markdown-it's rules for blocks, where ours differ: fences as chat platforms end them, and what lines alone tell.

Which lines a block takes is all that is asked here. Therefore no cell of a table is made, and of a paragraph's lines
only those are tried as the beginning of another block that begin as one could.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, heading, table

LONGEST_MARKER = 32
"""A longer run of backticks or tildes at the beginning of a line is no fence (nobody means one)."""

MOST_NESTED = 40
"""Quotes, lists and items in one another; what is nested deeper is not told apart. A list in a list takes four."""

_OPENING = re.compile(r"(`{3,}|~{3,})([^\n]*)")
_UNDERLINE = re.compile(r"(?:=++|-++)[ \t]*+\Z")
_BREAK = re.compile(r"([-*_])[ \t]*+(?:\1[ \t]*+){2,}+\Z")
_BEGINNING = re.compile(r"`{3}|~{3}|>|(?:[-*+]|\d{1,9}+[.)]|\#{1,6}+)(?:[ \t]|\Z)|([-*_])[ \t]*+(?:\1[ \t]*+){2,}+\Z")
_BEGINNERS, _UNDERLINES, _RULERS = frozenset("`~>-*+#_=0123456789"), frozenset("=-"), frozenset("|-:")
"""First characters of lines that could begin another block, or be the rule below a table's head: no other line is."""
_RULE = re.compile(r"[|\-:][|\-: \t]*+\Z")


def parser() -> MarkdownIt:
    """Return a parser for blocks, with these rules in place of its own."""
    made = (
        MarkdownIt("commonmark", {"maxNesting": MOST_NESTED})
        .enable("table")
        .disable(["code", "reference", "html_block", "paragraph"])
    )
    rules = made.block.ruler
    rules.at("table", _table, {"alt": ["paragraph", "reference"]})
    rules.at("fence", _fence, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    rules.at("hr", _thematic_break, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    rules.at("heading", _heading, {"alt": ["paragraph", "reference", "blockquote"]})
    rules.at("lheading", _paragraph)
    return made


def _fence(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    start = state.bMarks[first] + state.tShift[first]
    if state.src[start : start + 1] not in ("`", "~"):
        return False
    opening = _OPENING.match(state.src, start, state.eMarks[first])
    if opening is None or len(opening[1]) > LONGEST_MARKER or (opening[1][0] == "`" and "`" in opening[2]):
        return False
    if silent:
        return True
    closing = re.compile(rf"{opening[1][0]}{{{len(opening[1])},{LONGEST_MARKER}}}[ \t]*\Z")
    line, closed = first + 1, False
    while line < end and not closed and state.sCount[line] >= 0:  # below 0: a line that left the quote
        closed = bool(closing.match(state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]))
        line += not closed
    state.line = line + closed
    token = state.push("fence", "code", 0)
    token.markup, token.info, token.map = opening[1], opening[2], [first, state.line]
    token.meta = {"closed": closed}
    return True


def _table(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    if first + 1 >= end or not _matches(_RULE, state, first + 1) or not table(state, first, end, True):
        return False
    if silent:
        return True
    parent, state.parentType = state.parentType, "table"
    line = first + 2
    while (
        line < end
        and state.sCount[line] >= state.blkIndent
        and state.src[state.bMarks[line] : state.eMarks[line]].strip()
        and not _ends_before(state, line, end, "blockquote")
    ):
        line += 1
    state.parentType, state.line = parent, line
    state.push("table", "", 0).map = [first, line]
    return True


def _thematic_break(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    if not _matches(_BREAK, state, first):
        return False
    if not silent:
        state.line = first + 1
        state.push("hr", "hr", 0).map = [first, state.line]
    return True


def _heading(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    if not heading(state, first, end, True):
        return False
    if not silent:
        state.line = first + 1
        state.push("heading", "", 0).map = [first, state.line]
    return True


def _paragraph(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """Take a paragraph or a heading that is underlined, in one look at its lines instead of one for each."""
    parent, state.parentType = state.parentType, "paragraph"
    line, kind = first + 1, "paragraph"
    begins = _first(state, line) if line < end else ""
    while begins:
        below = _first(state, line + 1) if line + 1 < end else ""
        if begins in _BEGINNERS or below in _RULERS:
            indent = state.sCount[line]
            if 0 <= indent <= state.blkIndent + 3:  # below 0: a line of a quote that went on without its mark
                if begins in _UNDERLINES and indent >= state.blkIndent and _matches(_UNDERLINE, state, line):
                    kind = "heading"
                    break
                if (below in _RULERS and _table(state, line, end, True)) or (
                    begins in _BEGINNERS and _ends_before(state, line, end, "paragraph")
                ):
                    break
        line, begins = line + 1, below
    state.parentType = parent
    state.line = line + (kind == "heading")
    state.push(kind, "", 0).map = [first, line]
    return True


def _first(state: StateBlock, line: int) -> str:
    """Return the first character of a line that is no blank; nothing for an empty line."""
    at = state.bMarks[line] + state.tShift[line]
    return state.src[at] if at < state.eMarks[line] else ""


def _matches(pattern: re.Pattern[str], state: StateBlock, line: int) -> bool:
    """Return whether a line is what a pattern says, its indentation left out."""
    return pattern.match(state.src, state.bMarks[line] + state.tShift[line], state.eMarks[line]) is not None


def _ends_before(state: StateBlock, line: int, end: int, chain: str) -> bool:
    """Return whether another block begins on a line, which ends the one before it."""
    return _matches(_BEGINNING, state, line) and any(
        rule(state, line, end, True) for rule in state.md.block.ruler.getRules(chain)
    )
