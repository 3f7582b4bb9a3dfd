"""Claude's Markdown as Discord draws it: what means something else there, or nothing, is written in Discord's own form.

Discord knows no tables, no headings below the third level, no rules, images, task lists or HTML, and of bullets only
`-` and `*`. It takes `>>> ` for a quote to the end of the message, `-# ` for small print, and a `>` without a blank
behind it for a character (Discord's help page "Markdown Text 101"). What stands in a line is `inline`'s. Pure; one pass
over a page.
"""

from __future__ import annotations

import re
from itertools import islice

from adapters.discord.inline import Inlines
from bot.text import Block, Kind, Outline, continued, lead_of, monospaced, outline, three_backticks, visible

TABLE_WIDTH = 80
"""Columns of a table that a desktop client shows in a fence without wrapping; wider ones become lists."""

_DEEPEST_HEADING = 3
_MOST_SPECIAL, _MOST_LINES = 300, 100
"""Characters that may mean something in one message, and lines with such; one with more is shown as it is written.

Most of what people write Discord draws by itself; noise would cost a hundred times what words cost.
"""

_SPECIAL = re.compile(r"[\\`*_~|\[<&]")
_SPECIAL_REST = re.compile(r"(?:[\\`*_~|\[<&]|^[ \t]*+[>#+-])[^\n]*+", re.MULTILINE)
_SPECIAL_LINE = re.compile(
    r"^[ \t]*+(?:#{4}|-#|=++[ \t]*+$|-{2,}+[ \t]*+$|-[ \t]*+-)|^[ \t]*+(?:(?:[-*]|\d{1,9}+[.)])[ \t]++)*+[>+]",
    re.MULTILINE,
)
_MISTAKEN = re.compile(r"^([ \t]*+)(?=>>>[ \t]|-#[ \t])", re.MULTILINE)
_QUOTE = re.compile(r"^( {0,3})>(?:>(?!>)[ \t]*+|(?!>)(?![ \t]+\S)[ \t]*+)", re.MULTILINE)
_TASK = re.compile(r"([\s>]*+(?:[-*+]|\d{1,9}+[.)])[ \t]++)\[([ xX])\](?=[ \t])")
_BOXES = {" ": "☐", "x": "☑", "X": "☑"}
_PLUS = re.compile(r"\+(?=[ \t])")
_HEADING = re.compile(r"(#{1,6}+)(?=[ \t\n]|\Z)(.*)")


def rendered(markdown: str) -> str:
    """Return a page's Markdown in Discord's own form; as it is written where nothing of it could be seen else."""
    shown = three_backticks(_translated(monospaced(markdown, TABLE_WIDTH)))
    return shown if "&" not in markdown or visible(shown) else markdown


def _translated(markdown: str) -> str:
    """Return `markdown` with what means something else to Discord, code left alone."""
    if not (_SPECIAL.search(markdown) or _SPECIAL_LINE.search(markdown)):
        return markdown
    if _more(_SPECIAL, markdown, _MOST_SPECIAL) or _more(_SPECIAL_REST, markdown, _MOST_LINES):
        return markdown
    structure = outline(markdown)
    inlines = Inlines(structure)
    pieces: list[str] = []
    done = 0  # lines
    for block in structure.blocks:
        pieces.append(_lines(markdown[structure.starts[done] : structure.starts[block.first]]))
        done = block.last
        match block.kind:
            case Kind.HEADING:
                pieces.append(_heading(structure, block, inlines))
                done += _is_underlined(structure, block)
            case Kind.TEXT:
                pieces.append(_paragraph(structure, block, inlines))
            case Kind.RULE:
                pieces.append(_rule(structure.line(block.first)))
            case _:
                code = markdown[structure.starts[block.first] : structure.starts[block.last]]
                pieces.append(_quotes(code) if ">" in lead_of(structure.line(block.first)) else code)
    pieces.append(_lines(markdown[structure.starts[done] :]))
    return "".join(pieces)


def _more(pattern: re.Pattern[str], text: str, most: int) -> bool:
    return any(islice(pattern.finditer(text), most, None))


def _lines(text: str) -> str:
    """Return lines that are no code, of which none is a quote to the end or small print, and each quote is one."""
    if ">" not in text and "-#" not in text:
        return text
    return _quotes(_MISTAKEN.sub(r"\1\\", text))


def _quotes(text: str) -> str:
    """Return lines of which each that is a quote in Markdown is one to Discord: a blank follows each `>`."""
    return _QUOTE.sub(lambda match: match[1] + "> " * match[0].count(">"), text)


def _rule(line: str) -> str:
    """Return a rule as a line of dashes: two lines of stars or of underlines would be marks around all between them."""
    bare = line.lstrip(" \t>")
    lead = line[: len(line) - len(bare)]
    return line if set(bare.strip()) == {"-"} else f"{lead}---{line[len(line.rstrip()) :]}"


def _is_underlined(structure: Outline, block: Block) -> bool:
    """Return whether a heading is one for the line below it."""
    first = structure.line(block.first)
    return _HEADING.match(first, len(lead_of(first))) is None


def _heading(structure: Outline, block: Block, inlines: Inlines) -> str:
    """Return a heading in one line: of the first three levels as such, of the others in bold."""
    first = structure.line(block.first)
    lead = lead_of(first)
    atx = _HEADING.match(first, len(lead))
    begin = atx.start(2) if atx else len(lead)
    text = inlines.written(block, begin=begin, line_break=" ")[begin:]
    if atx is not None:
        level, words = len(atx[1]), text.strip()
        open_ended = words.rstrip("#")
        words = open_ended.rstrip() if open_ended[-1:] in ("", " ", "\t") else words  # `## so ##` is `## so`
        end = "\n" * first.endswith("\n")
    else:
        below = structure.line(block.last)
        level = 1 if below.lstrip(" \t>").startswith("=") else 2
        words = " ".join(line[len(lead_of(line)) :].strip() for line in text.splitlines())
        end = "\n" * below.endswith("\n")
    lead = _PLUS.sub("-", lead)
    if level > _DEEPEST_HEADING:
        return f"{lead}{words if not words or '**' in words else f'**{words}**'}{end}"
    return f"{lead}{'#' * level} {words}{end}"


def _paragraph(structure: Outline, block: Block, inlines: Inlines) -> str:
    lead = lead_of(structure.line(block.first))
    shown = inlines.written(block, begin=len(lead), line_break="\n" + continued(lead))
    if task := _TASK.match(shown):
        shown = f"{task[1]}{_BOXES[task[2]]}{shown[task.end() :]}"
    if block.first in structure.items:
        shown = _PLUS.sub("-", lead) + shown[len(lead) :]
    return _lines(shown)
