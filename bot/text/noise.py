"""Text that is nothing but marks: where it is found, it is shown as it is written, for reading it costs too much."""

from __future__ import annotations

from bot.text.blocks import Kind, outline
from bot.text.inline import MARK


def effort(markdown: str) -> int:
    """Return about how much there is to read in Markdown: its marks and its lines, those in code blocks left out."""
    structure = outline(markdown)
    total = len(MARK.findall(markdown)) + len(structure.starts)
    for block in structure.blocks:
        if block.kind is Kind.FENCE:
            first, last = structure.starts[block.first], structure.starts[block.last]
            total -= len(MARK.findall(markdown, first, last)) + block.last - block.first
    return total
