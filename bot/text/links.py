"""What follows the label of an inline link: its address and its title, by CommonMark's rules. In one pass."""

from __future__ import annotations

import re

from markdown_it.common.normalize_url import validateLink

LONGEST_TITLE = 1000
"""Characters of a link's title; what is longer is no title. CommonMark knows no limit, and a reader sees none of it."""

_DEEPEST = 32  # parentheses in an address, as markdown-it has it

_BLANKS = re.compile(r"[ \t\n]*+")
_IN_ANGLES = re.compile(r"<(?:[^<>\\\n]|\\[\s\S]|\\\Z)*+>")
_BARE = re.compile(r"(?:[^\x00-\x20\x7f\\()]|\\[^ ]|\\\Z)*+")
_TITLE = re.compile(
    r"\"(?:[^\"\\]|\\[\s\S])*+\"|'(?:[^'\\]|\\[\s\S])*+'|\((?:[^()\\]|\\[\s\S])*+\)",
)


def end_of_link(text: str, start: int) -> int:
    """Return the offset behind the `(address "title")` that begins at `start`; -1 when there is none."""
    if not text.startswith("(", start):
        return -1
    pos = _past_blanks(text, start + 1)
    end = _end_of_address(text, pos)
    if end > pos and validateLink(text[pos:end].lstrip("<")):
        pos = end
        title = _past_blanks(text, pos)
        if title > pos and (match := _TITLE.match(text, title, title + LONGEST_TITLE)):
            title = _past_blanks(text, match.end())
        pos = title
    return pos + 1 if text.startswith(")", pos) else -1


def _past_blanks(text: str, pos: int) -> int:
    match = _BLANKS.match(text, pos)
    return match.end() if match else pos


def _end_of_address(text: str, start: int) -> int:
    """Return where the address ends that begins at `start`; `start` when there is none."""
    if text.startswith("<", start):
        match = _IN_ANGLES.match(text, start)
        return match.end() if match else start
    pos, level = start, 0
    while match := _BARE.match(text, pos):
        pos = match.end()
        if text.startswith("(", pos) and level < _DEEPEST:
            level += 1
        elif text.startswith(")", pos) and level:
            level -= 1
        else:
            break
        pos += 1
    return start if level or text.startswith("(", pos) else pos
