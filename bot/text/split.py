"""Where a text that is too long for one message is cut: never inside what must stay whole, best between paragraphs."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator

from bot.text.blocks import Block, Kind, Outline
from bot.text.graphemes import boundary_before, is_boundary
from bot.text.inline import Inline, begun_link, scan

_SENTENCE = re.compile(r"[.!?…][\"'”’»)\]*_]*+\s++|[。！？][”’」』）]*+\s*+|[:;]\s++")
_WORD = re.compile(r"\s++|[、，；：]|(?<=\w)[-–—/](?=\w)")
_AFTER_CUT = re.compile(r"[ \t]*+\n(?:[ \t]*+\n)*+")
_LONGEST_EMPHASIS = 200  # characters; emphasis longer than that is closed at the cut and opened again
_MOST_GUESSES = 6  # of where a page is full, before its place is found by halving
_MOST_LINES = 200  # lines looked at from the end of a half page: what people write has fewer
_MOST_TRIED = 200  # ends of words that are tried before a page is cut between any two characters
_LABEL_SHARE = 2  # what was begun further back than this part of a page will not end soon

# Ranks of a line's beginning, the best first.
_PARAGRAPH, _ITEM, _LINE, _INTRODUCED, _CODE_PARAGRAPH, _CODE_LINE = range(6)


def cuts(outline: Outline, floor: int, ceiling: int) -> Iterator[int]:
    """Yield offsets in (`floor`, `ceiling`] at which to cut, the best first; the last resort comes at the end.

    A cut that leaves the page at least half full is better than one that does not; among those paragraphs go
    before items of a list, lines, sentences, words and grapheme clusters. Links, addresses, mentions, spoilers, code
    spans and rows of tables stay whole as long as they begin after `floor`, and a heading with what it heads.
    """
    half = floor + (ceiling - floor + 1) // 2
    whole = _Whole(outline, half, ceiling, ceiling - floor)
    ranked = [(_rank(outline, number), -outline.starts[number]) for number in _lines(outline, half, ceiling)]
    yield from (-cut for _, cut in sorted(ranked) if not whole.holds(-cut))
    for pattern in (_SENTENCE, _WORD):
        yield from (cut for cut in _text_cuts(outline, pattern, half, ceiling) if not whole.holds(cut))
    cut = _character_cut(outline, half, ceiling, whole)
    if cut > half:
        yield cut
    early = _Whole(outline, floor, ceiling, ceiling - floor)
    below = {outline.starts[number] for number in _lines(outline, floor + 1, half - 1)}
    below.update(cut for pattern in (_SENTENCE, _WORD) for cut in _ends(outline, pattern, floor, half))
    for cut in sorted(below, reverse=True)[:_MOST_TRIED]:
        if not early.holds(cut) and is_boundary(outline.text, cut):
            yield cut
    cut = _character_cut(outline, floor, half, early)
    if cut > floor:
        yield cut
    yield from _text_cuts(outline, _WORD, half, ceiling)
    yield _forced(outline, floor, ceiling)


def past_line_end(text: str, cut: int) -> int:
    """Return `cut`, moved behind the line's end and the blank lines after it when nothing else stands between."""
    match = _AFTER_CUT.match(text, cut)
    return match.end() if match else cut


class _Whole:
    """The stretches of text between two offsets that must not be cut."""

    def __init__(self, outline: Outline, low: int, high: int, page: int) -> None:
        self._spans: list[tuple[int, int]] = []
        for block in outline.blocks:
            first, last = outline.starts[block.first], outline.starts[block.last]
            if last <= low or first >= high:
                continue
            if block.kind is Kind.TABLE:
                self._spans.append((outline.starts[block.first + 1] - 1, outline.starts[block.first + 2] + 1))
                whole = last <= high and outline.text.endswith("\n", 0, last)
                ends = [*outline.starts[block.first + 1 : block.last], last if whole else high + 1]
                self._spans += zip(outline.starts[block.first : block.last], ends, strict=True)
            elif block.kind in (Kind.TEXT, Kind.HEADING):
                text = outline.text[first : min(last, high + 1)]
                unfinished = last > high or last == len(outline.text)
                self._spans += _wholes(text, first, unfinished=unfinished, page=page)
                if block.kind is Kind.HEADING:
                    self._spans.append((last - 1, past_line_end(outline.text, last) + 1))
            elif block.kind is Kind.FENCE:
                self._spans += _fence_lines(outline, block)
        self._spans = _merged(self._spans)
        self._starts = [start for start, _ in self._spans]

    def holds(self, cut: int) -> bool:
        """Return whether `cut` lies inside one of the stretches."""
        return self.before(cut) != cut

    def before(self, cut: int) -> int:
        """Return the start of the stretch that holds `cut`, or `cut` itself."""
        index = bisect_left(self._starts, cut) - 1
        if index < 0:
            return cut
        start, end = self._spans[index]
        return start if cut < end else cut


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the stretches in order, those that overlap as one. Between two that only touch there may be a cut."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif start < end:
            merged.append((start, end))
    return merged


def _wholes(text: str, offset: int, *, unfinished: bool, page: int) -> list[tuple[int, int]]:
    inline = scan(text)
    spans = [(atom.start, atom.end) for atom in inline.atoms]
    spans += [(p.start, p.end) for p in inline.pairs if p.kind == "||" or p.end - p.start <= _LONGEST_EMPHASIS]
    if unfinished:
        end = len(text) + page
        spans += [(start, end) for start in _begun(text, inline) if len(text) - start <= page // _LABEL_SHARE]
        link = begun_link(text, inline)
        if link and (link.kind == "target" or len(text) - link.start <= page // _LABEL_SHARE):
            spans.append((link.start - 1, end))
        if inline.atoms and inline.atoms[-1].end == len(text):
            spans.append((inline.atoms[-1].start, end))
    return [(offset + start, offset + end) for start, end in spans]


def _begun(text: str, inline: Inline) -> Iterator[int]:
    """Yield where a spoiler, emphasis, code span or `<…` token begins whose end is not in the text."""
    if inline.backticks:
        yield inline.backticks.start
    yield from (mark.start for mark in inline.unpaired if mark.text == "||")
    yield from (mark.start for mark in inline.unpaired if len(text) - mark.start <= _LONGEST_EMPHASIS)
    angle = text.rfind("<")
    if angle >= 0 and re.match(r"<[!@#:a-z/][^<>\n]*$", text[angle:], re.IGNORECASE):
        yield angle


def _fence_lines(outline: Outline, block: Block) -> list[tuple[int, int]]:
    """Return the first and the last line of a fence: neither is cut, nor cut off from the code beside it."""
    spans = [(outline.starts[block.first], outline.starts[min(block.first + 1, block.last)] + 1)]
    if block.closed:
        spans.append((outline.starts[block.last - 1] - 1, outline.starts[block.last]))
    return spans


def _lines(outline: Outline, low: int, high: int) -> list[int]:
    """Return the last lines that begin in [`low`, `high`], blank ones and the first left out."""
    first = max(1, bisect_left(outline.starts, low))
    last = min(bisect_right(outline.starts, high), len(outline.starts) - 1)
    return [number for number in range(max(first, last - _MOST_LINES), last) if outline.line(number).strip()]


def _rank(outline: Outline, number: int) -> int:
    block = outline.block_at(outline.starts[number])
    before = outline.line(number - 1)
    if block and block.first < number:
        match block.kind:
            case Kind.FENCE:
                return _CODE_LINE if before.strip() else _CODE_PARAGRAPH
            case Kind.TABLE:
                return _CODE_LINE
            case _:
                return _LINE
    last = number - 1
    while last and not outline.line(last).strip():
        last -= 1
    introduced = outline.line(last).rstrip(" \t\n*_").endswith((":", "："))
    depth = outline.items.get(number)
    if before.strip():
        rank = _LINE if depth else _ITEM
    elif depth is None:
        rank = _ITEM if block and block.nested and outline.in_list(number) else _PARAGRAPH
    else:
        rank = _PARAGRAPH if outline.is_top(number) else _ITEM
    return _INTRODUCED if introduced else rank


def _text_cuts(outline: Outline, pattern: re.Pattern[str], low: int, high: int) -> Iterator[int]:
    """Yield the ends of matches in [`low`, `high`] that part no character, the last one first."""
    ends = _ends(outline, pattern, low, high)[:_MOST_TRIED]
    return (cut for cut in ends if is_boundary(outline.text, cut))


def _ends(outline: Outline, pattern: re.Pattern[str], low: int, high: int) -> list[int]:
    """Return the ends of matches in [`low`, `high`], the last one first."""
    # A few characters before `low` are searched too, so that a match that begins there is seen whole.
    # White space with a line feed in it is cut behind that: the indentation goes with the next line.
    text = outline.text
    matches = pattern.finditer(text, max(0, low - 8), high)
    found = ((text.rfind("\n", match.start(), match.end()) + 1) or match.end() for match in matches)
    return [cut for cut in found if low <= cut <= high][::-1]


def _character_cut(outline: Outline, floor: int, ceiling: int, whole: _Whole) -> int:
    cut = ceiling
    while cut > floor:
        outside = whole.before(cut)
        if outside == cut:
            cut = boundary_before(outline.text, cut, floor)
            if whole.before(cut) == cut:
                return cut
        else:
            cut = outside
    return floor


def _forced(outline: Outline, floor: int, ceiling: int) -> int:
    return max(floor + 1, boundary_before(outline.text, ceiling, floor))


def highest(overflow: Callable[[int], int], floor: int, ceiling: int) -> int:
    """Return about the largest offset in [`floor`, `ceiling`] that fits, at the cost of a few tries.

    `overflow` says by how much a page that ends at an offset is over the limit (0 or less: it fits). Fitting is
    taken to be monotone; what is not (a table that grows narrower) costs a shorter page, never one too long.
    """
    over: float = overflow(ceiling)
    if over <= 0:
        return ceiling
    guess = ceiling - int(over)
    if guess > floor + (ceiling - floor) * 7 // 8 and overflow(guess) <= 0:
        return guess
    low, high = floor, ceiling
    under: float = min(-1, overflow(floor))
    near, tries = max(1, (ceiling - floor) // 64), 0
    fits: bool | None = None
    while high - low > near:
        # A page is about as long as its source, so that the place is soon guessed; halving finds it when it is not.
        guess = low + int((high - low) * under / (under - over)) if tries < _MOST_GUESSES else (low + high) // 2
        middle = min(max(guess, low + (near + 1) // 2), high - (near + 1) // 2)
        tries += 1
        found = overflow(middle)
        fits, again = found <= 0, (found <= 0) is fits
        # An end that stays twice counts half from then on (the Illinois rule), else it would hold the guesses back.
        if fits:
            low, under, over = middle, min(-1, found), over / 2 if again else over
        else:
            high, over, under = middle, found, under / 2 if again else under
    return low
