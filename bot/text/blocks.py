"""Block structure of Markdown by lines: paragraphs, fences, tables, lists, as markdown-it sees them.

It differs from CommonMark where chat platforms do: text indented by four is no code, HTML begins no block, and a
fence ends at its closing line however that is indented.
"""

from __future__ import annotations

import enum
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

LONGEST_MARKER = 32
"""A longer run of backticks or tildes at the beginning of a line is no fence (nobody means one)."""

MOST_NESTED = 40
"""Quotes, lists and items in one another; what is nested deeper is not told apart. A list in a list takes four."""

MOST_LINES = 1_000
"""Lines with something on them in one text. One with more is noise, and is taken for a single paragraph."""

_WRITTEN = re.compile(r"\S[^\n]*+")
_OPENING = re.compile(r"(`{3,}|~{3,})([^\n]*)")
_LEAD = re.compile(r"(?:[ \t]*+(?:>|(?:[-*+]|\d{1,9}+[.)])(?=[ \t]|$)))*+[ \t]*+", re.MULTILINE)
_LIST_MARKER = re.compile(r"[^>\s]")


_CONTAINERS = frozenset(
    f"{name}_{end}" for name in ("bullet_list", "ordered_list", "blockquote") for end in ("open", "close")
)


class Kind(enum.Enum):
    """What a block is, as far as cutting it goes."""

    TEXT = "text"
    HEADING = "heading"
    FENCE = "fence"
    TABLE = "table"
    RULE = "rule"


_KINDS = {
    "heading_open": Kind.HEADING,
    "paragraph_open": Kind.TEXT,
    "table_open": Kind.TABLE,
    "fence": Kind.FENCE,
    "hr": Kind.RULE,
}
_LEAVES = frozenset({"table_open", "fence", "hr"})


@dataclass(frozen=True, slots=True)
class Block:
    """A leaf block on the lines [first, last).

    Args:
        kind: what it is.
        first: its first line, counted from 0.
        last: the line after its last one.
        nested: whether it stands in a list or a quote.
        marker: a fence's backticks or tildes.
        info: what follows a fence's marker on its line: the language.
        closed: whether a fence has its closing line.
    """

    kind: Kind
    first: int
    last: int
    nested: bool
    marker: str = ""
    info: str = ""
    closed: bool = False


@dataclass(slots=True)
class Outline:
    """The structure of a text.

    Args:
        text: what was parsed.
        starts: the offset of each line's first character, and of the end.
        blocks: the leaf blocks, in order.
        tops: first lines of the outermost blocks.
        items: first lines of list items, with their depth (0 is the outermost).
        listed: lines that belong to a list: [first, last) of each outermost one.
    """

    text: str
    starts: list[int]
    blocks: list[Block] = field(default_factory=list)
    tops: list[int] = field(default_factory=list)
    items: dict[int, int] = field(default_factory=dict)
    listed: list[tuple[int, int]] = field(default_factory=list)

    def line_at(self, offset: int) -> int:
        """Return the number of the line that holds `offset`."""
        return bisect_right(self.starts, offset, hi=len(self.starts) - 1) - 1

    def line(self, number: int) -> str:
        """Return a line, with its line feed where it has one."""
        return self.text[self.starts[number] : self.starts[number + 1]]

    def block_at(self, offset: int) -> Block | None:
        """Return the block that holds `offset`; None between blocks. Its end belongs to the last block only."""
        number = self.line_at(offset)
        index = bisect_right(self.blocks, number, key=lambda block: block.first) - 1
        if index < 0 or self.blocks[index].last <= number:
            return None
        return self.blocks[index]

    def last_block(self) -> Block | None:
        """Return the block that more text would go on in; None after a blank line or an end of its own."""
        if not self.blocks:
            return None
        block, lines = self.blocks[-1], len(self.starts) - 1
        if block.kind is Kind.FENCE:
            return None if block.closed else block
        return block if block.last >= lines and block.kind is not Kind.RULE else None

    def in_list(self, line: int) -> bool:
        """Return whether a line belongs to a list."""
        index = bisect_right(self.listed, line, key=lambda span: span[0]) - 1
        return index >= 0 and line < self.listed[index][1]

    def is_top(self, line: int) -> bool:
        """Return whether an outermost block begins on a line."""
        index = bisect_left(self.tops, line)
        return index < len(self.tops) and self.tops[index] == line


@lru_cache(maxsize=8)
def outline(text: str) -> Outline:
    """Return the block structure of `text`; never raises. Read only: the last few are kept."""
    result = Outline(text, _line_starts(text))
    if not text:
        return result
    if len(result.starts) > MOST_LINES and len(_WRITTEN.findall(text)) > MOST_LINES:
        result.blocks.append(Block(Kind.TEXT, 0, len(result.starts) - 1, nested=False))
        result.tops.append(0)
        return result
    lists, nesting, in_table = 0, 0, False
    kind = Kind.TEXT
    # The line feed makes the parser see a last line of spaces only: it may belong to a fence.
    source = text if text.endswith("\n") else text + "\n"
    for token in PARSER.block.parse(source, PARSER, {}, []) or []:
        if token.level == 0 and token.map and token.nesting >= 0:
            result.tops.append(token.map[0])
        if token.type in _CONTAINERS:
            nesting += token.nesting
            lists += token.nesting if token.tag != "blockquote" else 0
            if token.map and token.nesting > 0 and lists == 1 and token.tag != "blockquote":
                result.listed.append((token.map[0], token.map[1]))
        elif token.type == "list_item_open" and token.map:
            result.items.setdefault(token.map[0], lists - 1)
        elif token.type in _KINDS:
            kind = _KINDS[token.type]
            in_table = kind is Kind.TABLE
            if token.type in _LEAVES:
                result.blocks.append(_leaf(kind, token, nested=nesting > 0))
        elif token.type == "inline" and not in_table:
            result.blocks.append(_leaf(kind, token, nested=nesting > 0))
    return result


def lead_of(line: str) -> str:
    """Return what a line begins with before its content: spaces, quote marks, list markers."""
    match = _LEAD.match(line)
    return match[0] if match else ""


def continued(lead: str) -> str:
    """Return how a line begins that goes on where one with this lead began: spaces in place of list markers."""
    return _LIST_MARKER.sub(" ", lead)


def quote_of(line: str) -> str:
    """Return how a line begins that goes on with a quote (`> `); empty when the line is not quoted."""
    lead = lead_of(line)
    return continued(lead) if ">" in lead else ""


def _line_starts(text: str) -> list[int]:
    starts = [0]
    position = text.find("\n")
    while position >= 0:
        starts.append(position + 1)
        position = text.find("\n", position + 1)
    if starts[-1] < len(text):
        starts.append(len(text))
    return starts


def _leaf(kind: Kind, token: Token, *, nested: bool) -> Block:
    first, last = token.map or (0, 0)
    return Block(kind, first, last, nested, token.markup, token.info, bool(token.meta.get("closed")))


def _fence(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    opening = _OPENING.match(state.src, state.bMarks[first] + state.tShift[first], state.eMarks[first])
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
    token.content = state.getLines(first + 1, line, state.sCount[first], True)
    token.meta = {"closed": closed}
    return True


def _parser() -> MarkdownIt:
    parser = (
        MarkdownIt("commonmark", {"maxNesting": MOST_NESTED})
        .enable("table")
        .disable(["code", "reference", "html_block"])
    )
    parser.block.ruler.at("fence", _fence, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    return parser


PARSER = _parser()
