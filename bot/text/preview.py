"""How a text that is still being written is shown: what is half typed is closed or held back, for display only."""

from __future__ import annotations

import re
from typing import NamedTuple

from bot.text.blocks import Block, Kind, Outline, outline
from bot.text.ending import closing, ending_at, open_marks
from bot.text.graphemes import settled, visible
from bot.text.inline import Inline, begun_link, scan

_MARKERS_ONLY = re.compile(r"[\s>]*(?:[-*+]\s+)*(?:[-*+_=~`#|:<\[\]!\\ \t]+|\d{1,9}[.)])?\s*")
_FENCE_MARKER = {"`": re.compile(r"[\s>]*`+\s*"), "~": re.compile(r"[\s>]*~+\s*")}
_TABLE_RULE = re.compile(r"[\s>]*[|:\-][\s|:\-]*")
_TRAILING_MARKS = re.compile(r"[*_~|`]+$")
_ANGLE = re.compile(
    r"<(?:[!@#][^<>\n]{0,200}|[a-z/][^\s<>]{0,2000}|[a-z][a-z0-9+.\-]*:[^<>\n]*\|[^<>\n]{0,300}|:\w*:?\d*)?$",
    re.IGNORECASE,
)
_TASK = re.compile(r"(?:^|\n)[\s>]*(?:[-*+]|\d+[.)])\s+$")
_BEFORE_LINK = " \t\n(*_~\"'>|!-—“„«"
_NEARLY_FENCE = re.compile(r"[\s>]*(?:(?:[-*+]|\d{1,9}[.)])\s+)*(?:```|~~~)")
_BLOCKISH = "`~#>+-|="  # what would begin a block if the bracket before it were left out; nothing at all, too
_LONGEST_LABEL = 300


class Preview(NamedTuple):
    """What is shown of a text, and the offset up to which the text is in it."""

    text: str
    end: int


def preview(text: str) -> Preview:
    """Return how `text` looks while more of it is on its way. Nothing is lost: what is held back comes with more."""
    if not text:
        return Preview("", 0)
    structure = outline(text)
    block = structure.last_block()
    if block is None:
        if structure.blocks and structure.blocks[-1].closed and structure.blocks[-1].last >= len(structure.starts) - 1:
            return Preview(text, len(text))
        end = settled(_without_marker_line(structure))
        return Preview(text[:end].rstrip(), end)
    match block.kind:
        case Kind.FENCE:
            return _fence(structure, block)
        case Kind.TABLE:
            return _table(structure, block)
        case _:
            return _paragraph(structure, block)


def _last_line(structure: Outline) -> int:
    """Return the offset of the last line, if it may still grow; the end otherwise."""
    text = structure.text
    return len(text) if text.endswith("\n") else structure.starts[-2]


def _without_marker_line(structure: Outline) -> str:
    start = _last_line(structure)
    return structure.text[:start] if _MARKERS_ONLY.fullmatch(structure.text, start) else structure.text


def _fence(structure: Outline, block: Block) -> Preview:
    text, end = structure.text, _last_line(structure)
    content = structure.starts[block.first + 1]
    if end < content or not _FENCE_MARKER[block.marker[0]].fullmatch(text, end):
        end = len(text)
    end = min(end, settled(text))
    if end <= content or not visible(text[content:end].replace(">", "")):
        return preview(text[: structure.starts[block.first]])
    return Preview(text[:end].rstrip() + ending_at(structure, len(text)).closer, end)


def _table(structure: Outline, block: Block) -> Preview:
    end = _last_line(structure)
    if end < structure.starts[block.first + 1] + 1:
        return preview(structure.text[: structure.starts[block.first]])
    if end <= structure.starts[block.first + 1]:
        end = structure.starts[block.first]
    return Preview(structure.text[:end].rstrip(), end)


def _paragraph(structure: Outline, block: Block) -> Preview:
    text = structure.text
    begin, limit = structure.starts[block.first], _table_head(structure, block)
    limit = min(limit, len(_without_marker_line(structure)), settled(text))
    if _NEARLY_FENCE.match(text, _last_line(structure)):
        limit = min(limit, _last_line(structure))  # with its end held back it would be one
    if limit <= begin:
        return preview(text[:begin])
    end = limit
    while True:
        part = text[begin:end]
        inline = scan(part)
        held = _held_back(part, inline)
        if held >= len(part):
            break
        end = begin + held
    label = _label(part, inline)
    if label is not None:
        part = part[: label[0]] + label[1]
    marks = open_marks(inline)
    shown = part.rstrip()
    return Preview(text[:begin] + shown + (closing(marks) if shown else ""), end)


def _table_head(structure: Outline, block: Block) -> int:
    """Return where the lines begin that may become the head of a table; the end when there are none."""
    text, last = structure.text, block.last - 1
    line = structure.line(last)
    if last > block.first and "|" in structure.line(last - 1) and _TABLE_RULE.fullmatch(line):
        return structure.starts[last - 1]
    bare = line.lstrip(" \t>")
    if bare.startswith("|") and not re.match(r"\|\|[^|]", bare):
        return structure.starts[last]
    return len(text)


def _held_back(part: str, inline: Inline) -> int:
    """Return how much of a paragraph can be shown before a token or a marker that is still being typed."""
    code = inline.backticks.start if inline.backticks else len(part)
    angle = part.rfind("<")
    if (
        0 <= angle < code
        and _ANGLE.match(part, angle)
        and not any(atom.start <= angle < atom.end for atom in inline.atoms)
    ):
        return angle
    label = _label(part, inline)
    if label is not None and (label[1].lstrip()[:1] in _BLOCKISH or _TASK.search(part, 0, label[0])):
        return label[0]
    marks = _TRAILING_MARKS.search(part)
    if marks is None:
        return len(part)
    if inline.atoms and inline.atoms[-1].end == len(part):
        return len(part)
    if any(pair.end == len(part) for pair in inline.pairs):
        return len(part)
    return marks.start()


def _label(part: str, inline: Inline) -> tuple[int, str] | None:
    """Return where a link that is being typed begins, and the part of it that can be read already."""
    link = begun_link(part, inline)
    if link is None or (inline.backticks and inline.backticks.start < link.start):
        return None
    start, shown = link.start - 1, part[link.start : link.end]
    if start and part[start - 1] == "!":
        start -= 1
    if len(shown) > _LONGEST_LABEL or (start and part[start - 1] not in _BEFORE_LINK):
        return None
    return start, shown
