"""Rewrites fences for platforms that know only three backticks, and end a fence at the next three wherever they are."""

from __future__ import annotations

import re
from itertools import islice

from bot.text.blocks import Kind, continued, outline

MOST_FENCES = 60
"""Lines that may begin or end a code block in one message; one with more is noise, and no code is looked for in it."""

_ZERO_WIDTH_SPACE = "\u200b"
_THREE = re.compile(r"`(?=``)")
_PLAIN = re.compile(r"^[ \t]*```([A-Za-z0-9_+\-.#]*)$", re.MULTILINE)
_MAY_BEGIN = re.compile(r"^[ \t>*+\-\d.)]*+(?:```|~~~)", re.MULTILINE)
_RUN = re.compile(r"`{3,}")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+\-.#]+")


def inside(line: str) -> str:
    """Return a line of code that cannot end a fence of three backticks: a U+200B parts each such run."""
    return _THREE.sub("`" + _ZERO_WIDTH_SPACE, line) if "```" in line else line


def three_backticks(markdown: str) -> str:
    """Return `markdown` with each fence written with three backticks, and closed.

    Tildes and longer runs become three backticks, runs of three inside the code are parted by U+200B, the info
    string is cut to the language, and a fence that its list item or the text ends without a closing line gets
    one. One without content gets a U+200B: Discord would take its end for content, and all up to the next fence with
    it. Runs of three backticks in running text that pair with nothing on their line are parted as well.
    """
    if "~~~" not in markdown and _plain(markdown):
        return markdown
    if not _MAY_BEGIN.search(markdown) or any(islice(_MAY_BEGIN.finditer(markdown), MOST_FENCES, None)):
        return "\n".join(map(_running, markdown.split("\n")))
    structure = outline(markdown)
    lines = [structure.line(number) for number in range(len(structure.starts) - 1)]
    fenced: set[int] = set()
    for block in structure.blocks:
        if block.kind is not Kind.FENCE:
            continue
        fenced.update(range(block.first, block.last))
        opener = lines[block.first]
        lead = opener[: opener.index(block.marker)]
        language = _LANGUAGE.match(block.info.strip())
        lines[block.first] = f"{lead}```{language[0] if language else ''}\n"
        content = range(block.first + 1, block.last - block.closed)
        for number in content:
            lines[number] = inside(lines[number])
        indent = continued(lead)
        if not "".join(lines[block.first + 1 : block.last - block.closed]).strip("> \t\n"):
            lines[block.first] += f"{indent}{_ZERO_WIDTH_SPACE}\n"
        if block.closed:
            last = lines[block.last - 1]
            lines[block.last - 1] = last.rstrip().rstrip("`~") + "```" + ("\n" if last.endswith("\n") else "")
        else:
            closing = lines[block.last - 1]
            ended = "" if closing.endswith("\n") else "\n"
            lines[block.last - 1] = f"{closing}{ended}{indent}```" + ("\n" if block.last < len(lines) else "")
    for number, line in enumerate(lines):
        if number not in fenced:
            lines[number] = _running(line)
    return "".join(lines)


def _running(line: str) -> str:
    """Return a line of running text in which three backticks begin code only where they end it as well."""
    return inside(line) if "```" in line and len(_RUN.findall(line)) % 2 else line


def _plain(markdown: str) -> bool:
    """Return whether the text has only such fences already: most have, and then it need not be parsed."""
    fences = list(_PLAIN.finditer(markdown))
    if markdown.count("```") != len(fences) or len(fences) % 2 or any(end[1] for end in fences[1::2]):
        return False
    pairs = zip(fences[::2], fences[1::2], strict=True)
    return all(markdown[begin.end() : end.start()].strip() for begin, end in pairs)
