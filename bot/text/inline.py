"""Inline Markdown with positions: what must not be cut, what is paired, what is still open.

One pass, whose cost grows no faster than the text, whatever that holds. The rules are CommonMark's as markdown-it has
them, whose tokens do not say where they stood; references are not known. Added are strikethrough, Discord's spoilers,
bare addresses, and the mentions of both platforms.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.common.html_re import HTML_TAG_RE
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.autolink import AUTOLINK_RE, EMAIL_RE
from markdown_it.rules_inline.balance_pairs import link_pairs
from markdown_it.rules_inline.state_inline import Delimiter

from bot.text.links import end_of_link

CODE_REACH: Final = 1000
"""Characters after which a backtick without a partner is taken for a stray one."""

MOST_MARKS: Final = 200
"""Characters that may mean something in one paragraph. One with more is noise, and is shown as it is written: people
write one such character in twenty, and a message holds 11,000."""

LONGEST_TAG: Final = 1000
"""Characters of an HTML tag or comment, or of what stands between angle brackets; what is longer is text."""

TOKEN = re.compile(
    r"<(?:[@#!][^<>\n]*|a?:\w+:\d+|t:-?\d+(?::\w)?|/[\w -]+:\d+|id:\w+|[a-z][a-z0-9+.\-]*:[^<>\n]*)>", re.IGNORECASE
)
MARK = re.compile(r"[\\`*_~|\[\]<&]|:(?=//)")
_SCHEME = re.compile(r"(?:https?|ftp)\Z", re.IGNORECASE)
_ADDRESS = re.compile(r"://[^\s<>\[\]|`]+")
_ENTITY = re.compile(r"&(?:#x[a-f0-9]{1,6}|#[0-9]{1,7}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
_ENDS = {"<!--": "-->", "<?": "?>", "<![": "]]>"}
_ESCAPE = re.compile(r"\\(?:\n[ \t]*+|[\ud800-\udbff][\udc00-\udfff]|[^\n])")
_FACTOR = re.compile(r"[A-Za-z0-9)]\*[A-Za-z0-9(]")  # a product is no emphasis
_AFTER_ADDRESS = ".,;:!?'\")}*_~"
_PARSER = MarkdownIt("commonmark")


class Span(NamedTuple):
    """A stretch of text: [start, end), and the name of the rule that recognised it."""

    start: int
    end: int
    kind: str


class Mark(NamedTuple):
    """An emphasis-like marker: where it stands and what is written there."""

    start: int
    text: str


@dataclass(slots=True)
class Inline:
    """What a paragraph holds.

    Args:
        atoms: links, images, addresses, mentions, code spans, HTML tags, escapes, entities, in order.
        pairs: emphasis, strikethrough and spoilers with both ends, markers included.
        unpaired: markers that could open something and found no partner, in order.
        backticks: the first run of backticks without a partner, within `CODE_REACH` of the end.
        brackets: positions of `[` without a partner, in order.
        bracketed: the last `[…]` that is no link (so far).
        noise: whether the text holds so many marks that none of them means anything; then nothing else is found.
    """

    atoms: list[Span] = field(default_factory=list)
    pairs: list[Span] = field(default_factory=list)
    unpaired: list[Mark] = field(default_factory=list)
    backticks: Mark | None = None
    brackets: list[int] = field(default_factory=list)
    bracketed: Span | None = None
    noise: bool = False

    def atom_at(self, pos: int) -> Span | None:
        """Return the atom that holds a position."""
        index = bisect_right(self.atoms, pos, key=lambda atom: atom.start) - 1
        return self.atoms[index] if index >= 0 and pos < self.atoms[index].end else None


class _Bracket(NamedTuple):
    """An open `[`, and how much was found before it: all that its label holds goes when it becomes a link."""

    start: int
    image: bool
    atoms: int
    marks: int
    runs: int
    bracketed: Span | None


@lru_cache(maxsize=32)
def scan(text: str) -> Inline:
    """Return the inline structure of one paragraph, heading or cell; positions are those in `text`.

    Read only: the last few are kept.
    """
    return Inline(noise=True) if is_noise(text) else _Scan(text).run()


def is_noise(text: str) -> bool:
    """Return whether a paragraph holds so many marks that they mean nothing."""
    return any(islice(MARK.finditer(text), MOST_MARKS, None))


class _Scan:
    """One pass over a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found = Inline()
        self._delimiters: list[Delimiter] = []
        self._marks: list[Mark] = []
        self._runs: list[Mark] = []
        self._brackets: list[_Bracket] = []
        self._spent = 0  # open brackets before this index are in no link: one stands behind them
        self._done = 0  # what stands before was read
        self._tokens = 0
        self._ticks: dict[int, list[int]] | None = None
        self._last: dict[str, int] = {}

    def run(self) -> Inline:
        text, found = self._text, self._found
        pos = 0
        while match := MARK.search(text, pos):
            pos = match.start()
            match text[pos]:
                case "\\":
                    pos = self._atom(_ESCAPE.match(text, pos), "escape") or pos + 1
                case "`":
                    pos = self._code(pos)
                case "*" | "_" | "~" | "|" as char:
                    pos = self._run_of(char, pos)
                case "[":
                    image = text[pos - 1 : pos] == "!" and pos - 1 >= self._done
                    counts = len(found.atoms), len(self._marks), len(self._runs)
                    self._brackets.append(_Bracket(pos, image, *counts, found.bracketed))
                    pos += 1
                case "]":
                    pos = self._close_bracket(pos)
                case "<":
                    pos = self._angle(pos)
                case "&":
                    pos = self._atom(_ENTITY.match(text, pos), "entity") or pos + 1
                case _:
                    pos = self._address(pos)
        self._pair()
        found.brackets = [bracket.start for bracket in self._brackets]
        found.backticks = next((run for run in self._runs if len(text) - run.start <= CODE_REACH), None)
        return found

    def _atom(self, match: re.Match[str] | None, kind: str) -> int:
        """Note what matched, and return where it ends; 0 when nothing did."""
        if match is None:
            return 0
        self._found.atoms.append(Span(match.start(), match.end(), kind))
        self._done = match.end()
        return self._done

    def _code(self, start: int) -> int:
        end = _end_of_run(self._text, start)
        closers = self._runs_of_ticks().get(end - start, [])
        index = bisect_left(closers, end)
        if index == len(closers):
            self._runs.append(Mark(start, self._text[start:end]))
            return end
        self._done = closers[index] + end - start
        self._found.atoms.append(Span(start, self._done, "code"))
        return self._done

    def _runs_of_ticks(self) -> dict[int, list[int]]:
        if self._ticks is None:
            self._ticks = {}
            for match in re.finditer("`+", self._text):
                self._ticks.setdefault(len(match[0]), []).append(match.start())
        return self._ticks

    def _run_of(self, char: str, start: int) -> int:
        """Note the markers in a run of one character: each `*` and `_`, each pair of `~`, the last pair of `|`."""
        end = _end_of_run(self._text, start)
        length = end - start
        width = 1 if char in "*_" else 2
        if length < width:
            return end
        first = end - width if char == "|" else start + length % width
        begin = first if char == "|" else start
        before, after = self._text[begin - 1] if begin else " ", self._text[end] if end < len(self._text) else " "
        opens, closes = _flanking(before, after, char != "_")
        self._tokens += 1
        for pos in range(first, end, width):
            self._tokens += 1
            size = length if width == 1 else 0  # CommonMark's rule of three concerns emphasis alone
            self._delimiters.append(Delimiter(ord(char), size, self._tokens, -1, opens, closes))
            self._marks.append(Mark(pos, self._text[pos : pos + width]))
        return end

    def _close_bracket(self, pos: int) -> int:
        if not self._brackets:
            return pos + 1
        bracket = self._brackets.pop()
        alive = bracket.image or len(self._brackets) >= self._spent
        self._spent = min(self._spent, len(self._brackets))
        end = end_of_link(self._text, pos + 1) if alive else -1
        found = self._found
        if end < 0:
            found.bracketed = Span(bracket.start, pos + 1, "brackets")
            return pos + 1
        if not bracket.image:
            self._spent = len(self._brackets)
        del found.atoms[bracket.atoms :], self._marks[bracket.marks :], self._runs[bracket.runs :]
        del self._delimiters[bracket.marks :]
        found.bracketed = bracket.bracketed
        found.atoms.append(Span(bracket.start - bracket.image, end, "image" if bracket.image else "link"))
        self._done = end
        return end

    def _angle(self, pos: int) -> int:
        text = self._text
        reach = pos + LONGEST_TAG
        close = text.find(">", pos, reach) if self._may_end(">", pos) else -1
        if close < 0:
            return pos + 1
        if end := self._atom(TOKEN.match(text, pos, reach), "token"):
            return end
        inside = text[pos + 1 : close]
        if "<" not in inside and (
            (":" in inside and AUTOLINK_RE.match(inside)) or ("@" in inside and EMAIL_RE.match(inside))
        ):
            self._found.atoms.append(Span(pos, close + 1, "autolink"))
            self._done = close + 1
            return self._done
        if text[pos + 1] in "!?":
            end_mark = next((end for begin, end in _ENDS.items() if text.startswith(begin, pos)), ">")
            if not self._may_end(end_mark, pos):
                return pos + 1
        return self._atom(HTML_TAG_RE.match(text, pos, reach), "html_inline") or pos + 1

    def _may_end(self, terminator: str, pos: int) -> bool:
        """Return whether there is a terminator behind `pos`, which is looked for once and not at each beginning."""
        if terminator not in self._last:
            self._last[terminator] = self._text.rfind(terminator)
        return self._last[terminator] > pos

    def _address(self, colon: int) -> int:
        found = address_at(self._text, colon)
        if found is None:
            return colon + 1
        self._found.atoms.append(Span(*found, "address"))
        self._done = found[1]
        return self._done

    def _pair(self) -> None:
        state = StateInline("", _PARSER, {}, [])
        state.delimiters = self._delimiters
        link_pairs(state)
        for mark, delimiter in zip(self._marks, self._delimiters, strict=True):
            if delimiter.end >= 0:
                other = self._marks[delimiter.end]
                self._found.pairs.append(Span(mark.start, other.start + len(other.text), mark.text))
            elif delimiter.open and not _FACTOR.match(self._text, mark.start - 1):
                self._found.unpaired.append(mark)


def address_at(text: str, colon: int) -> tuple[int, int] | None:
    """Return where a bare address begins and ends, the colon of whose `://` is at `colon`; None when there is none."""
    scheme = _SCHEME.search(text, max(0, colon - 5), colon)
    match = _ADDRESS.match(text, colon) if scheme else None
    if scheme is None or match is None:
        return None
    end = colon + len(match[0].rstrip(_AFTER_ADDRESS))
    if end <= colon + len("://"):
        return None
    spare = text.count("(", colon, end) - text.count(")", colon, end)
    while spare > 0 and text.startswith(")", end):
        end, spare = end + 1, spare - 1
    return scheme.start(), end


def _end_of_run(text: str, start: int) -> int:
    match = _RUNS[text[start]].match(text, start)
    return match.end() if match else start + 1


_RUNS = {char: re.compile(re.escape(char) + "+") for char in "*_~|`"}


@lru_cache(maxsize=1024)
def _flanking(before: str, after: str, splits_words: bool) -> tuple[bool, bool]:
    """Return whether a run between two characters can open and can close something (CommonMark, "delimiter runs")."""
    after_blank, before_blank = isWhiteSpace(ord(before)), isWhiteSpace(ord(after))
    after_punctuation, before_punctuation = _punctuation(before), _punctuation(after)
    left = not (before_blank or (before_punctuation and not (after_blank or after_punctuation)))
    right = not (after_blank or (after_punctuation and not (before_blank or before_punctuation)))
    opens = left and (splits_words or not right or after_punctuation)
    closes = right and (splits_words or not left or before_punctuation)
    return opens, closes


@lru_cache(maxsize=256)
def _punctuation(char: str) -> bool:
    return isMdAsciiPunct(ord(char)) or isPunctChar(char)


def begun_link(text: str, inline: Inline) -> Span | None:
    """Return the label, brackets left out, of a link or image that is not whole yet at the end of a scanned text."""
    if inline.bracketed and _target_begins(text, inline.bracketed.end):
        return Span(inline.bracketed.start + 1, inline.bracketed.end - 1, "target")
    if inline.brackets:
        return Span(inline.brackets[-1] + 1, len(text), "label")
    return None


_TARGET = re.compile(
    r"(?:\((?:[^()\s]|\([^()\s]*+\))*+(?:\([^()\s]*+|\s++[\"'(][^\n]*+|\s*+)?+)?+$",
)


def _target_begins(text: str, pos: int) -> bool:
    return _TARGET.match(text, pos) is not None
