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
from itertools import accumulate

from bot.text.block_rules import LONGEST_MARKER, parser

_STEPS = 400
"""Steps that reading the structure of any text may take, each about a microsecond; a longer text may take more."""

_CHARACTERS_A_STEP, _GROWING_CHARACTERS_A_STEP = 8, 20
"""Characters that are worth one more step; a growing text is read again and again."""

_STEPS_A_MARK, _STEPS_A_PIECE, _STEPS_A_GAP = 10, 3, 3
"""Steps that a quote, an item, a heading or the rule of a table takes: parsed, with the block in it; or only found; and
steps that a paragraph after an empty line takes, and either end of a code block. A line takes one."""

_FEW_LINES = 7
_BEGUN = re.compile(r"\n((?:[ \t]*+(?:>|(?:[-*+]|\d{1,9}+[.)]|\#{1,6}+)(?=\s)))++|[ \t]*+[|\-:][|\-: \t]*+(?=\n|\Z))")
_FENCE = re.compile(r"^[ \t]*+(`{3,32}+(?!`)|~{3,32}+(?!~))([^`\n]*+)$", re.MULTILINE)
_MARKED = r"[ \t]*+(?:[-*+]|\d{1,9}+[.)]|\#{1,6}+)(?=\s)"
_LINE = r"[^\S\n]*+\S[^\n]*+(?:\n|\Z)"
_ITEMS = re.compile(rf"^(?:(?P<mark>{_MARKED})[^\n]*+(?:\n|\Z)|{_LINE})(?:(?!{_MARKED}){_LINE})*+", re.MULTILINE)
_PARAGRAPHS = re.compile(rf"^(?:{_LINE})++", re.MULTILINE)
_ANYTHING = re.compile(r"\S(?s:.*)")
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
    "heading": Kind.HEADING,
    "paragraph": Kind.TEXT,
    "table": Kind.TABLE,
    "fence": Kind.FENCE,
    "hr": Kind.RULE,
}


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
        fresh: first lines of the outermost blocks and of the items of outermost lists: from each of them on a text can
            be read without what stands before.
        items: first lines of list items, with their depth (0 is the outermost).
        listed: lines that belong to a list: [first, last) of each outermost one.
    """

    text: str
    starts: list[int]
    blocks: list[Block] = field(default_factory=list)
    tops: list[int] = field(default_factory=list)
    fresh: list[int] = field(default_factory=list)
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


def outline(text: str, *, growing: bool = False) -> Outline:
    """Return the block structure of `text`; never raises. Read only: the last few are kept.

    A text of so many lines and marks that nobody writes it is not parsed. Of that, code blocks are found, and items and
    paragraphs where these are not too many either.

    Args:
        text: Markdown.
        growing: whether it is read again with each piece that comes: then less counts as too many.
    """
    lines = text.count("\n")
    if lines <= _FEW_LINES:
        return _parsed(text)
    most = _STEPS + len(text) // (_GROWING_CHARACTERS_A_STEP if growing else _CHARACTERS_A_STEP)
    if lines > most:
        return _found(text, _ANYTHING)
    begun = " ".join(_BEGUN.findall(text))
    marks = len(begun.split()) + begun.count(">")
    gaps = text.count("\n\n") + text.count("\n```") + text.count("\n~~~")
    if lines + gaps * _STEPS_A_GAP + marks * _STEPS_A_MARK <= most:
        return _parsed(text)
    if lines + marks * _STEPS_A_PIECE <= most:
        return _found(text, _ITEMS)
    return _found(text, _PARAGRAPHS)


@lru_cache(maxsize=8)
def _parsed(text: str) -> Outline:
    result = Outline(text, _line_starts(text))
    if not text:
        return result
    lists = nesting = 0
    # The line feed makes the parser see a last line of spaces only: it may belong to a fence.
    source = text if text.endswith("\n") else text + "\n"
    for token in PARSER.block.parse(source, PARSER, {}, []) or []:
        first, last = token.map or (0, 0)
        if token.level == 0 and token.nesting >= 0:
            result.tops.append(first)
            result.fresh.append(first)
        if kind := _KINDS.get(token.type):
            closed = bool(token.meta.get("closed"))
            result.blocks.append(Block(kind, first, last, nesting > 0, token.markup, token.info, closed))
        elif token.type in _CONTAINERS:
            nesting += token.nesting
            if token.tag != "blockquote":
                lists += token.nesting
                if token.nesting > 0 and lists == 1:
                    result.listed.append((first, last))
        elif token.type == "list_item_open":
            result.items.setdefault(first, lists - 1)
            if token.level == 1:
                result.fresh.append(first)
    return result


@lru_cache(maxsize=8)
def _found(text: str, pieces: re.Pattern[str]) -> Outline:
    """Return where code blocks stand, and what lies between them as `pieces` takes it apart."""
    result = Outline(text, _line_starts(text))
    end = 0  # where the last code block ended
    for match in _FENCE.finditer(text):
        if match.start() < end:
            continue
        closing = re.compile(rf"^[ \t]*+{match[1][0]}{{{len(match[1])},{LONGEST_MARKER}}}[ \t]*$", re.MULTILINE)
        closed = closing.search(text, match.end())
        _add_pieces(result, pieces, end, match.start())
        first = result.line_at(match.start())
        last = result.line_at(closed.start()) + 1 if closed else len(result.starts) - 1
        result.blocks.append(Block(Kind.FENCE, first, last, False, match[1], match[2], closed is not None))
        result.tops.append(first)
        end = result.starts[last]
    _add_pieces(result, pieces, end, len(text))
    result.fresh = result.tops
    return result


def _add_pieces(outline: Outline, pieces: re.Pattern[str], start: int, end: int) -> None:
    for match in pieces.finditer(outline.text, start, end):
        first, last = outline.line_at(match.start()), outline.line_at(match.end() - 1) + 1
        mark = match["mark"] if pieces is _ITEMS else None
        kind = Kind.HEADING if mark and mark.endswith("#") else Kind.TEXT
        outline.blocks.append(Block(kind, first, last, nested=False))
        if mark and kind is Kind.TEXT:
            outline.items[first] = 0 if mark[0] not in " \t" else 1
            outline.listed.append((first, last))
        if not outline.items.get(first):
            outline.tops.append(first)


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
    lengths = accumulate(map(len, text.split("\n")))
    starts = [0, *(length + number for number, length in enumerate(lengths, 1))]
    if text.endswith("\n") or not text:
        del starts[-1]
    else:
        starts[-1] -= 1
    return starts


PARSER = parser()
