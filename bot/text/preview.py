"""How a text that is still being written is shown: what is half typed is closed or held back, for display only."""

from __future__ import annotations

import re
from typing import NamedTuple

from bot.text.blocks import Block, Kind, Outline, outline
from bot.text.ending import closing, ending_at, open_marks
from bot.text.graphemes import settled, visible
from bot.text.inline import Inline, begun_link, scan

_MARKERS_ONLY = re.compile(r"[\s>]*+(?:[-*+]\s++)*+(?:[-*+_=~`#|:<\[\]!\\ \t]++|\d{1,9}+[.)])?+\s*+")
_FENCE_MARKER = {"`": re.compile(r"[\s>]*+`++\s*+"), "~": re.compile(r"[\s>]*+~++\s*+")}
_TABLE_RULE = re.compile(r"[\s>]*+[|:\-][\s|:\-]*+")
_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*+:", re.IGNORECASE)
_EMOJI = re.compile(r":\w*+:?+\d*+")
_TASK = re.compile(r"[\s>]*+(?:[-*+]|\d++[.)])")
_MARKS = "*_~|`"
_BEFORE_LINK = " \t\n(*_~\"'>|!-—“„«"
_NEARLY_FENCE = re.compile(r"[\s>]*+(?:(?:[-*+]|\d{1,9}+[.)])\s++)*+(?:```|~~~)")
_MIDLINE_FENCE = re.compile(r"(?<=[ \t])`{3,32}+[\w+#.\-]*+\Z")
_LONGEST_OPENING = 60  # characters of a code block's first line behind the words before it
_BLOCKISH = "`~#>+-|="  # what would begin a block if the bracket before it were left out; nothing at all, too
_LONGEST_LABEL = 300
_LONGEST_MENTION, _LONGEST_TAG = 200, 2000  # characters after which what stands behind a `<` is taken for text
_MOST_HELD = 4  # blocks held back, one behind the other: what a person types ends in one or two
_MOST_TOKENS = 40  # tokens begun, one behind the other
_MOST_SCANS = 2  # the same for what is half typed in one paragraph


class Preview(NamedTuple):
    """What is shown of a text, and the offset up to which the text is in it."""

    text: str
    end: int


def preview(text: str, held: int = 0) -> Preview:
    """Return how `text` looks while more of it is on its way. Nothing is lost: what is held back comes with more.

    Args:
        text: what there is of it.
        held: how many blocks behind it are held back already.
    """
    if not text or held > _MOST_HELD:
        return Preview(text.rstrip(), len(text))
    structure = outline(text, growing=True)
    block = structure.last_block()
    if block is None:
        if structure.blocks and structure.blocks[-1].closed and structure.blocks[-1].last >= len(structure.starts) - 1:
            return Preview(text, len(text))
        end = settled(_without_marker_line(structure))
        return Preview(text[:end].rstrip(), end)
    match block.kind:
        case Kind.FENCE:
            return _fence(structure, block, held)
        case Kind.TABLE:
            return _table(structure, block, held)
        case _:
            return _paragraph(structure, block, held)


def _last_line(structure: Outline) -> int:
    """Return the offset of the last line, if it may still grow; the end otherwise."""
    text = structure.text
    return len(text) if text.endswith("\n") else structure.starts[-2]


def _without_marker_line(structure: Outline) -> str:
    start = _last_line(structure)
    return structure.text[:start] if _MARKERS_ONLY.fullmatch(structure.text, start) else structure.text


def _fence(structure: Outline, block: Block, held: int) -> Preview:
    text, end = structure.text, _last_line(structure)
    content = structure.starts[block.first + 1]
    if end < content or not _FENCE_MARKER[block.marker[0]].fullmatch(text, end):
        end = len(text)
    end = min(end, settled(text))
    if end <= content or not visible(text[content:end].replace(">", "")):
        return preview(text[: structure.starts[block.first]], held + 1)
    return Preview(text[:end].rstrip() + ending_at(structure, len(text)).closer, end)


def _table(structure: Outline, block: Block, held: int) -> Preview:
    end = _last_line(structure)
    if end < structure.starts[block.first + 1] + 1:
        return preview(structure.text[: structure.starts[block.first]], held + 1)
    if end <= structure.starts[block.first + 1]:
        end = structure.starts[block.first]
    return Preview(structure.text[:end].rstrip(), end)


def _paragraph(structure: Outline, block: Block, held: int) -> Preview:
    text = structure.text
    begin, limit = structure.starts[block.first], _table_head(structure, block)
    limit = min(limit, len(_without_marker_line(structure)), settled(text))
    if _NEARLY_FENCE.match(text, _last_line(structure)):
        limit = min(limit, _last_line(structure))  # with its end held back it would be one
    if limit <= begin:
        return preview(text[:begin], held + 1)
    part = text[begin:limit]
    inline = scan(part)
    for _ in range(_MOST_SCANS):
        shown_to = _held_back(part, inline)
        if shown_to >= len(part):
            break
        part = part[:shown_to]
        inline = scan(part)
    end = begin + len(part)
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
    tokens = _before_tokens(part, inline)
    if tokens < len(part):
        return tokens
    opening = _MIDLINE_FENCE.search(part, max(0, len(part) - _LONGEST_OPENING))
    if opening is not None:
        return opening.start()
    label = _label(part, inline)
    if label is not None and (label[1].lstrip()[:1] in _BLOCKISH or _ends_in_bullet(part[: label[0]])):
        return label[0]
    bare = len(part.rstrip(_MARKS))
    if bare == len(part):
        return bare
    if inline.atoms and inline.atoms[-1].end == len(part):
        return len(part)
    if any(pair.end == len(part) for pair in inline.pairs):
        return len(part)
    return bare


def _before_tokens(part: str, inline: Inline) -> int:
    """Return where the half-typed tokens begin in which a paragraph ends, one behind the other; its end without any."""
    code = inline.backticks.start if inline.backticks else len(part)
    end = len(part)
    for _ in range(_MOST_TOKENS):
        angle = part.rfind("<", 0, end)
        if not 0 <= angle < code or not _begins_token(part[angle + 1 : end]) or inline.atom_at(angle):
            break
        end = angle
    return end


def _begins_token(tail: str) -> bool:
    """Return whether what stands behind the last `<` may still become a mention, a tag, an address or an emoji."""
    if not tail:
        return True
    if ">" in tail or "\n" in tail:
        return False
    if tail[0] in "!@#":
        return len(tail) <= _LONGEST_MENTION + 1
    if tail[0] == ":":
        return _EMOJI.fullmatch(tail) is not None
    if tail[0] != "/" and not (tail[0].isascii() and tail[0].isalpha()):
        return False
    if len(tail) <= _LONGEST_TAG + 1 and len(tail.split(maxsplit=1)[0]) == len(tail):
        return True
    scheme, bar = _SCHEME.match(tail), tail.rfind("|")
    return scheme is not None and scheme.end() <= bar and len(tail) - bar - 1 <= _LONGEST_LABEL


def _ends_in_bullet(text: str) -> bool:
    """Return whether the text ends in a list marker and white space: what follows may be the box of a task."""
    bare = text.rstrip()
    return bare != text and _TASK.fullmatch(bare, bare.rfind("\n") + 1) is not None


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
