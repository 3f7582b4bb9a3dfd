"""Pure functions on text: how Claude's Markdown becomes messages that look right at every moment.

Nothing here does I/O, knows a clock or a platform's client. A platform describes itself by a `Dialect`; `Layout`
lays a growing text out over messages of that dialect.
"""

from bot.text.blocks import Block, Kind, Outline, continued, lead_of, outline
from bot.text.bounds import LONGEST_MESSAGE, LONGEST_NAME, bounded
from bot.text.fences import three_backticks
from bot.text.graphemes import visible
from bot.text.inline import Inline, scan
from bot.text.layout import Dialect, Layout
from bot.text.measure import utf8, utf16
from bot.text.noise import effort
from bot.text.pieces import Pieces
from bot.text.plain import title
from bot.text.tables import monospaced
from bot.text.validity import wellformed, whole_characters

__all__ = [
    "LONGEST_MESSAGE",
    "LONGEST_NAME",
    "Block",
    "Dialect",
    "Inline",
    "Kind",
    "Layout",
    "Outline",
    "Pieces",
    "bounded",
    "continued",
    "effort",
    "lead_of",
    "monospaced",
    "outline",
    "scan",
    "three_backticks",
    "title",
    "utf8",
    "utf16",
    "visible",
    "wellformed",
    "whole_characters",
]
