"""Text that is nothing but marks: where it is found, it is shown as it is written, for reading it costs too much."""

from __future__ import annotations

import re

from bot.text.blocks import Kind, outline
from bot.text.inline import MARK

_PUNCTUATION = re.compile(r"[!#$%+\-:=>@^{}]")  # where markdown-it stops to look, besides at marks
_STOPS_A_MARK = 2  # such looks cost as much as a mark

_A_FENCE = 3  # what reading a code block costs, whatever stands in it


def effort(markdown: str) -> int:
    """Return about how much there is to read in Markdown: its marks and its lines, those in code blocks left out."""
    structure = outline(markdown)
    total = _effort(markdown, 0, len(markdown)) + len(structure.starts)
    for block in structure.blocks:
        if block.kind is Kind.FENCE:
            first, last = structure.starts[block.first], structure.starts[block.last]
            total -= _effort(markdown, first, last) + block.last - block.first - _A_FENCE
    return total


def _effort(markdown: str, start: int, end: int) -> int:
    return len(MARK.findall(markdown, start, end)) + len(_PUNCTUATION.findall(markdown, start, end)) // _STOPS_A_MARK
