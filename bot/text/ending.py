"""What is open where a text is cut: how to close it there, and how to take it up again on the next page."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.text.blocks import Block, Kind, Outline, continued, lead_of, quote_of
from bot.text.inline import Inline, Mark, scan

_CELL = re.compile(r"(?<!\\)\|")
_MOST_MARKS = 12  # characters of markers closed at one place; more of them are noise, not emphasis


@dataclass(frozen=True, slots=True)
class Ending:
    """What is open at one position of a text.

    Args:
        kind: the block that goes on there; None when none does.
        closer: what closes it all, to be put after the text without its trailing white space.
        block: what takes the block up again: a fence's first line, a table's head. Ends in a line feed.
        line: what takes up a line cut in its midst: quote marks, the cells before it.
        marks: the markers of the emphasis, spoiler or code span that goes on.
        dedent: how many columns of a list's indentation the text has behind it there.
        midline: whether a line was cut in its midst.
    """

    kind: Kind | None = None
    closer: str = ""
    block: str = ""
    line: str = ""
    marks: str = ""
    dedent: int = 0
    midline: bool = False

    @property
    def prefix(self) -> str:
        """What the next page begins with, before the rest of the text."""
        return self.block + self.line + self.marks


def ending_at(outline: Outline, cut: int) -> Ending:
    """Return what is open at offset `cut` of the outlined text."""
    text = outline.text
    at_end = cut >= len(text)
    block = outline.last_block() if at_end else outline.block_at(cut)
    number = max(0, outline.line_at(cut - 1 if at_end else cut))
    midline = outline.starts[number] < cut and not (at_end and text.endswith("\n"))
    line = outline.line(number) if cut else ""
    quote = quote_of(line).lstrip() if midline else ""
    dedent = 0
    if outline.in_list(number):
        dedent = len(lead_of(line)) if midline else len(line) - len(line.lstrip(" \t"))
    if block is None or outline.starts[block.first] >= cut:
        return Ending(line=quote, dedent=dedent, midline=midline)
    match block.kind:
        case Kind.FENCE:
            return _in_fence(outline, block, midline=midline)
        case Kind.TABLE:
            return _in_table(outline, block, cut, midline=midline)
        case Kind.TEXT | Kind.HEADING:
            marks = open_marks(scan(text[outline.starts[block.first] : cut]))
            return Ending(block.kind, closing(marks), "", quote, "".join(marks), dedent, midline)
        case Kind.RULE:
            return Ending(dedent=dedent)


def open_marks(inline: Inline) -> list[str]:
    """Return the markers still open at the end of a scanned text, outermost first."""
    backticks = inline.backticks
    if backticks is None:
        marks = list(inline.unpaired)
    else:
        inside = [pair for pair in inline.pairs if pair.start < backticks.start < pair.end]
        marks = [mark for mark in inline.unpaired if mark.start < backticks.start]
        marks += [Mark(pair.start, pair.kind) for pair in inside]
        marks = [*sorted(marks), backticks]
    written = [mark.text for mark in marks]
    return written if sum(map(len, written)) <= _MOST_MARKS else []


def closing(marks: list[str]) -> str:
    """Return what closes these markers."""
    return "".join(reversed(marks))


def _in_fence(outline: Outline, block: Block, *, midline: bool) -> Ending:
    opener = outline.line(block.first)
    lead = continued(opener[: opener.index(block.marker)])
    quoted = ">" in lead
    listed = outline.in_list(block.first) and not quoted
    reopened = lead.lstrip() if quoted else "" if listed else lead
    return Ending(
        Kind.FENCE,
        closer=f"\n{lead}{block.marker}",
        block=f"{reopened}{block.marker}{block.info.rstrip()}\n",
        line=reopened if quoted and midline else "",
        dedent=len(lead) if listed else 0,
        midline=midline,
    )


def _in_table(outline: Outline, block: Block, cut: int, *, midline: bool) -> Ending:
    if cut < outline.starts[min(block.first + 2, len(outline.starts) - 1)]:
        return Ending(Kind.TABLE)
    head = outline.line(block.first), outline.line(block.first + 1)
    column = len(lead_of(head[0]))
    listed = outline.in_list(block.first) and not quote_of(head[0])
    if listed:
        head = head[0][column:], head[1].lstrip(" \t")
    cells = ""
    if midline:
        row = outline.text[outline.starts[outline.line_at(cut - 1)] : cut]
        done = len(_CELL.findall(row)) - row.lstrip(" \t>").startswith("|")
        cells = ("" if listed else quote_of(head[0])) + "| " + "| " * max(0, done)
    return Ending(Kind.TABLE, block="".join(head), line=cells, dedent=column if listed else 0, midline=midline)
