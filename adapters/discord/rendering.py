"""Claude's Markdown as Discord draws it: what means something else there, or nothing, is written in Discord's own form.

Discord knows no tables, no headings below the third level, no images, task lists or HTML. It takes `>>> ` for a quote
to the end of the message and `||` anywhere for a spoiler, underlines what stands between `__`, and shows a link whose
label is an address as it is written (Discord's help page "Markdown Text 101"). Pure; one pass over a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.text import (
    Block,
    Inline,
    Kind,
    Outline,
    continued,
    lead_of,
    monospaced,
    outline,
    scan,
    three_backticks,
)

TABLE_WIDTH = 80
"""Columns of a table that a desktop client shows in a fence without wrapping; wider ones become lists."""

_DEEPEST_HEADING = 3
_SPECIAL = ("||", "__", "[", "<br", "<BR", ">>>", "####")
_MOST_SPECIAL = 150  # of these in one message; one with more is noise, and is shown as it is written
_UNDERLINE = re.compile(r"\n[ \t>]*+(?:=++|-++)[ \t]*+(?:\n|\Z)")
_QUOTE_TO_THE_END = re.compile(r"^([ \t]*+)(?=>>>[ \t])", re.MULTILINE)
_TASK = re.compile(r"([\s>]*+(?:[-*+]|\d{1,9}+[.)])[ \t]++)\[([ xX])\](?=[ \t])")
_BOXES = {" ": "☐", "x": "☑", "X": "☑"}
_HEADING = re.compile(r"(#{1,6}+)(?=[ \t\n]|\Z)(.*)")
_LINK = re.compile(r"!?\[(?P<label>.*)\]\(\s*<?(?P<address>[^\s<>]*)>?(?:\s.*)?\)", re.DOTALL)
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_PIPES = re.compile(r"\|{2,}")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def rendered(markdown: str) -> str:
    """Return a page's Markdown in Discord's own form."""
    return three_backticks(_translated(monospaced(markdown, TABLE_WIDTH)))


def _translated(markdown: str) -> str:
    """Return `markdown` with what means something else to Discord, code left alone."""
    special = sum(map(markdown.count, _SPECIAL))
    if special > _MOST_SPECIAL or (not special and not _UNDERLINE.search(markdown)):
        return markdown
    structure = outline(markdown)
    pieces: list[str] = []
    done = 0  # lines
    for block in structure.blocks:
        pieces.append(_unquoted(markdown[structure.starts[done] : structure.starts[block.first]]))
        done = block.last
        if block.kind is Kind.HEADING:
            pieces.append(_heading(structure, block))
            done += _is_underlined(structure, block)
        elif block.kind is Kind.TEXT:
            pieces.append(_paragraph(structure, block))
        else:
            pieces.append(markdown[structure.starts[block.first] : structure.starts[block.last]])
    pieces.append(_unquoted(markdown[structure.starts[done] :]))
    return "".join(pieces)


def _unquoted(text: str) -> str:
    """Return lines that are no code, of which none quotes all that follows."""
    return _QUOTE_TO_THE_END.sub(r"\1\\", text) if ">>>" in text else text


def _is_underlined(structure: Outline, block: Block) -> bool:
    """Return whether a heading is one for the line below it."""
    first = structure.line(block.first)
    return _HEADING.match(first, len(lead_of(first))) is None


def _heading(structure: Outline, block: Block) -> str:
    """Return a heading in one line: of the first three levels as such, of the others in bold."""
    lines = [structure.line(number) for number in range(block.first, block.last)]
    lead = lead_of(lines[0])
    atx = _HEADING.match(lines[0], len(lead))
    if atx is not None:
        level, words = len(atx[1]), atx[2].strip()
        open_ended = words.rstrip("#")
        words = open_ended.rstrip() if open_ended[-1:] in ("", " ", "\t") else words  # `## so ##` is `## so`
        end = "\n" * lines[0].endswith("\n")
    else:
        below = structure.line(block.last)
        level = 1 if below.lstrip(" \t>").startswith("=") else 2
        words = " ".join(line[len(lead_of(line)) :].strip() for line in lines)
        end = "\n" * below.endswith("\n")
    words = _inline(words)
    if level > _DEEPEST_HEADING:
        return f"{lead}{words if not words or '**' in words else f'**{words}**'}{end}"
    return f"{lead}{'#' * level} {words}{end}"


def _paragraph(structure: Outline, block: Block) -> str:
    start, end = structure.starts[block.first], structure.starts[block.last]
    text = structure.text[start:end]
    lead = continued(lead_of(structure.line(block.first)))
    shown = _inline(text, lead)
    if task := _TASK.match(shown):
        shown = f"{task[1]}{_BOXES[task[2]]}{shown[task.end() :]}"
    return _unquoted(shown)


def _inline(text: str, lead: str = "") -> str:
    """Return the words of a paragraph, a heading or an item.

    Args:
        text: as Claude wrote it.
        lead: how a line begins that goes on with it.
    """
    inline = scan(text)
    pieces: list[str] = []
    done = 0
    for start, end, shown in sorted(_changes(text, inline, lead)):
        if start >= done:
            pieces += text[done:start], shown
            done = end
    pieces.append(text[done:])
    return "".join(pieces)


def _changes(text: str, inline: Inline, lead: str) -> Iterator[tuple[int, int, str]]:
    """Yield what is written otherwise: [start, end) of the text, and how it is."""
    for atom in inline.atoms:
        written = text[atom.start : atom.end]
        if atom.kind in ("link", "image"):
            yield atom.start, atom.end, _link(written, image=atom.kind == "image")
        elif atom.kind == "html_inline" and _BREAK.fullmatch(written):
            yield atom.start, atom.end, "\n" + lead
    yield from _underlines(inline)
    spoilers = {place for pair in inline.pairs if pair.kind == "||" for place in (pair.start, pair.end - 2)}
    for pipes in _PIPES.finditer(text):
        if pipes.start() not in spoilers and inline.atom_at(pipes.start()) is None:
            yield pipes.start(), pipes.end(), "\\|" * len(pipes[0])


def _underlines(inline: Inline) -> Iterator[tuple[int, int, str]]:
    """Yield the ends of what stands between two `_` on each side: bold in Markdown, and underlined for Discord."""
    pairs = {(pair.start, pair.end) for pair in inline.pairs if pair.kind == "_"}
    taken: set[tuple[int, int]] = set()
    for start, end in sorted(pairs):
        if (start + 1, end - 1) in pairs and (start - 1, end + 1) not in taken:
            taken.add((start, end))
            yield start, start + 2, "**"
            yield end - 2, end, "**"


def _link(written: str, *, image: bool) -> str:
    """Return a link as Discord takes one: an image is a link to it, and no address stands for another."""
    parts = _LINK.fullmatch(written)
    if parts is None:
        return written
    label, address = parts["label"].strip(), parts["address"]
    if not label or label.rstrip("/") == address.rstrip("/"):
        return address
    if _ADDRESS.match(label):
        return f"{label} ({address})"
    return f"[{label}]({address})" if image else written
