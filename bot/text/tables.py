"""Writes Markdown tables as aligned monospaced text, for platforms that show none."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from wcwidth import wcswidth, width

from bot.text.blocks import Block, Kind, Outline, continued, lead_of, outline
from bot.text.fences import inside
from bot.text.inline import scan
from bot.text.words import plain_text

_RULE = re.compile(r"^[ \t>]*+[|:\-][|:\- \t]*+$", re.MULTILINE)
_CODE = re.compile(r"(?<!`)(`{1,2}+)(?!`)[^`]++\1(?!`)")
_BETWEEN = " | "
_MOST_CELLS, _LEAST_CELL = 200, 6  # cells, and the characters each must have on average where there are more
_CROSSING = "-+-"


@dataclass(frozen=True, slots=True)
class _Table:
    """A table's cells as written in Markdown; `aligns` holds `left`, `right` or `center` for each column."""

    head: list[str]
    aligns: list[str]
    rows: list[list[str]]


def monospaced(markdown: str, width: int) -> str:
    """Return `markdown` with each table as aligned text in a fence, or as bullet groups.

    Args:
        markdown: one page; everything but its tables stays as it is, tables inside fences too.
        width: the most columns a table may take (a wide character takes two); a wider one becomes a group of
            bullets for each row.
    """
    if not _may_hold_table(markdown):
        return markdown
    structure = outline(markdown)
    pieces: list[str] = []
    done = 0
    for block in structure.blocks:
        begin, end = structure.starts[block.first], structure.starts[block.last]
        if block.kind is not Kind.TABLE or _is_noise(markdown[begin:end]):
            continue
        first = lead_of(structure.line(block.first))
        lead = continued(first)
        table = _read(structure, block)
        lines = _aligned(table, width) or _bullets(table)
        pieces.append(markdown[done:begin])
        if begin and lines[0].startswith(("`", "*", "-")) and structure.line(block.first - 1).strip(" \t>\n"):
            pieces.append("" if lines[0].startswith("`") else lead.rstrip() + "\n")
        pieces.append("\n".join((lead + line).rstrip() for line in lines).replace(lead, first, 1))
        pieces.append("\n" if markdown[:end].endswith("\n") else "")
        done = end
    pieces.append(markdown[done:])
    return "".join(pieces)


def _may_hold_table(markdown: str) -> bool:
    """Return whether some line with a bar has a line below it that may be a table's rule."""
    rules = _RULE.finditer(markdown)
    return any("|" in markdown[markdown.rfind("\n", 0, max(0, it.start() - 1)) + 1 : it.start()] for it in rules)


def _is_noise(table: str) -> bool:
    """Return whether a table has so many cells, with so little in them, that nobody wrote it for others to read."""
    cells = table.count("|")
    return cells > _MOST_CELLS and len(table) < _LEAST_CELL * cells


def _read(structure: Outline, block: Block) -> _Table:
    lines = [structure.line(number) for number in range(block.first, block.last)]
    lines = [lines[0][len(lead_of(lines[0])) :].strip(), *(line.strip(" \t>\n") for line in lines[1:])]
    aligns = [_align(cell) for cell in _cells(lines[1], 0)]
    rows = [_cells(line, len(aligns)) for line in [lines[0], *lines[2:]]]
    columns = max(map(len, rows))
    aligns += ["left"] * (columns - len(aligns))
    head, *rows = (row + [""] * (columns - len(row)) for row in rows)
    return _Table(head, aligns, rows)


def _cells(line: str, columns: int) -> list[str]:
    """Return the cells of a row. A bar in code parts cells only where the row has as many of them as it should."""
    cells = _split(line)
    if len(cells) != columns and "`" in line:
        kept = _split(_CODE.sub(lambda code: code[0].replace("|", "\0"), line))
        cells = kept if len(kept) == columns or len(cells) > columns else cells
    return cells


def _split(line: str) -> list[str]:
    cells = line.replace("\\|", "\0").split("|")
    if cells and not cells[0].strip():
        cells = cells[1:]
    if cells and not cells[-1].strip():
        cells = cells[:-1]
    return [cell.replace("\0", "|").strip() for cell in cells]


def _align(rule: str) -> str:
    if rule.endswith(":"):
        return "center" if rule.startswith(":") else "right"
    return "left"


def columns_of(text: str) -> int:
    """Return how many columns of a monospaced font a one-line text takes."""
    if text.isascii() and text.isprintable():
        return len(text)
    taken = wcswidth(text)
    return taken if taken >= 0 else width(text)


def _aligned(table: _Table, most: int) -> list[str]:
    """Return the lines of the fenced table; empty when it is wider than `most`."""
    shown = [[plain_text(cell, strikes=True) for cell in row] for row in [table.head, *table.rows]]
    widths = [max(3, *(columns_of(row[column]) for row in shown)) for column in range(len(table.head))]
    if sum(widths) + len(_BETWEEN) * (len(widths) - 1) > most:
        return []
    lines = [
        _BETWEEN.join(
            _padded(cell, size, align) for cell, size, align in zip(row, widths, table.aligns, strict=True)
        ).rstrip()
        for row in shown
    ]
    rule = _CROSSING.join("-" * size for size in widths)
    links = _links(table)
    return ["```", *map(inside, [lines[0], rule, *lines[1:]]), "```", *([" · ".join(links)] if links else [])]


def _links(table: _Table) -> list[str]:
    """Return the links of a table, for below it: in a fence none can be followed.

    Those of one label are told apart by the first cell of their row.
    """
    found: dict[str, str] = {}  # each link, with the first cell of its row
    for row in [table.head, *table.rows]:
        for cell in row:
            if "](" in cell:
                links = (cell[atom.start : atom.end] for atom in scan(cell).atoms if atom.kind in ("link", "image"))
                found.update((link, row[0]) for link in links if link not in found)
    labels = Counter(link.rpartition("](")[0] for link in found)
    return [
        f"{first}: {link}" if labels[link.rpartition("](")[0]] > 1 and first and link not in first else link
        for link, first in found.items()
    ]


def _padded(text: str, size: int, align: str) -> str:
    room = max(0, size - columns_of(text))
    left = {"left": 0, "right": room, "center": room // 2}[align]
    return " " * left + text + " " * (room - left)


def _bullets(table: _Table) -> list[str]:
    """Return each row as its first cell in bold, with a bullet `head: cell` for each of the others."""
    lines: list[str] = []
    for row in table.rows or [table.head]:
        first, others = row[0], [(head, cell) for head, cell in zip(table.head[1:], row[1:], strict=True) if cell]
        if len(table.head) == 1:
            lines.append(f"- {first}")
            continue
        if lines:
            lines.append("")
        if first:
            lines.append(first if "**" in first else f"**{first}**")
        if table.rows:
            lines += [f"- {head}: {cell}" if head else f"- {cell}" for head, cell in others]
        else:
            lines += [f"- {head}" for head in row[1:] if head]
    return lines or [" "]
