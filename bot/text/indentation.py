"""Takes from a page's lines the indentation of the list they were cut out of, and knows what was where before."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Dedented:
    """A text without the indentation of the list around it.

    Args:
        text: what is left.
        columns: how many columns are taken from the first line.
        starts: where the lines begin that lost some, or that made `columns` smaller, in `text`.
        removed: how many characters were taken up to and including each of those lines.
        active: how many columns are taken from the lines after it.
    """

    text: str
    columns: int = 0
    starts: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    active: list[int] = field(default_factory=list)

    def before(self, offset: int) -> int:
        """Return how many characters were taken before `offset`; those of a line that begins there are not."""
        index = bisect_left(self.starts, offset) - 1
        return self.removed[index] if index >= 0 else 0

    def columns_at(self, offset: int) -> int:
        """Return how many columns are taken from the line that holds `offset`."""
        index = bisect_right(self.starts, offset) - 1
        return self.active[index] if index >= 0 else self.columns


def dedented(text: str, columns: int, *, midline: bool, reach: int) -> Dedented:
    """Take up to `columns` from each line of `text`, fewer from the first line on that has fewer.

    Args:
        text: what to dedent.
        columns: the indentation of the list item the text was cut out of, in characters.
        midline: the text begins in the midst of a line, which has nothing to take.
        reach: how many characters of the text matter; lines further on stay as they are.
    """
    if not columns:
        return Dedented(text)
    result = Dedented("", columns)
    pieces: list[str] = []
    position = removed = length = 0
    while position < min(len(text), reach) and columns:
        end = text.find("\n", position) + 1 or len(text)
        line = text[position:end]
        bare = line.lstrip(" \t")
        taken = 0
        if bare.strip() and not (midline and position == 0):
            taken = columns = min(columns, len(line) - len(bare))
            removed += taken
            result.starts.append(length)
            result.removed.append(removed)
            result.active.append(columns)
        pieces.append(line[taken:])
        length += len(line) - taken
        position = end
    pieces.append(text[position:])
    return Dedented("".join(pieces), result.columns, result.starts, result.removed, result.active)
