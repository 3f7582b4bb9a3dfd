"""The page that is being written: its source, what it takes up from the page before, and what is shown of it."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field, replace

from bot.text.blocks import Kind, Outline, outline
from bot.text.ending import Ending, ending_at, open_marks
from bot.text.graphemes import visible
from bot.text.indentation import Dedented, dedented
from bot.text.inline import scan
from bot.text.preview import preview

_CLOSING_FENCE = re.compile(r"[\s>]*+(`{3,}+|~{3,}+)[ \t]*+(?:\n|$)")
_FENCES = re.compile(
    r"^[ \t>]*+(?:(?:[-*+]|\d{1,9}+[.)])[ \t]++)*+(?P<marker>`{3,32}+|~{3,32}+)(?P<info>[^\n]*+)$"
    r"|(?P<blank>[ \t])(?=(?P<opener>`{3,32}+|~{3,32}+)[\w+#.\-]*+[ \t]*+\n)",
    re.MULTILINE,
)
"""A line that begins or ends a code block, or the blank before what would begin one were it not behind other words."""
_LONG_RUN = re.compile(r"(?<!`)(?=`{33})|(?<!~)(?=~{33})")
_MOST_HELD_BACK = 2000  # characters held back at most, and at most half of what a page holds
_STRIDE = 400  # characters of whole lines after which it is worth a look whether a block is done
_REACH = 2  # pages' worth of text looked at; more than that is cut first


@dataclass(slots=True)
class Page:
    """A page that still grows.

    Args:
        capacity: the most characters it can hold.
        start: the offset in the whole source at which it begins.
        lead: what was open where the page before was cut.
        at: the offset at which `raw` begins: blank lines and a fence's closing line may stand before it.
        raw: the source from the first visible line on, control characters replaced one for one.
    """

    capacity: int
    start: int = 0
    lead: Ending = field(default_factory=Ending)
    at: int = field(init=False)
    raw: str = field(default="", init=False)
    _dedented: Dedented = field(init=False)
    _settled: bool = field(init=False)
    _visible: bool = field(default=False, init=False)
    _stable: int = field(default=0, init=False)
    _parsed: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.at = self.start
        self._dedented = Dedented("")
        self._settled = self.lead.kind is Kind.FENCE or not (self.lead.block or self.lead.marks)

    @property
    def crowded(self) -> bool:
        """Whether it surely holds more than fits, and should be cut before it is looked at."""
        return len(self.raw) > _REACH * self.capacity

    @property
    def whole(self) -> str:
        """The text, less the indentation of a list it was cut out of, after what it takes up from the page before."""
        return self.lead.prefix + self._dedented.text

    def absorb(self, text: str, *, final: bool, seen: bool = False) -> None:
        """Append source, and leave out what need not be shown at the top of a page.

        Args:
            text: what is appended.
            final: whether no more comes.
            seen: whether another page has had it before.
        """
        begun = self.raw.rfind("\n") + 1
        self.raw += text
        if not seen:
            self._part_fences(begun)
        self._visible = self._visible or visible(text[: _REACH * self.capacity + 1])  # more is cut before it is shown
        while self._skip_blank() or self._skip_closing(final=final):
            pass
        self._dedent()
        if not self._settled:
            self._settle(final=final)

    def shown(self, *, final: bool) -> tuple[str, int]:
        """Return the balanced Markdown to show and the offset in the source up to which it shows the page.

        Not final: what is half written is closed or held back, as long as that is not much.
        """
        if not self._visible:
            return "", self.at + len(self.raw)
        whole = self.whole
        if final:
            structure = outline(whole[self._stable_from(whole) :])
            block = structure.last_block()
            closer = ending_at(structure, len(structure.text)).closer if block and block.kind is Kind.FENCE else ""
            return self._composed(whole.rstrip(), closer), self.at + len(self.raw)
        stable = self._stable_from(whole)
        text, end = preview(whole[stable:])
        if len(whole) - stable - end > min(_MOST_HELD_BACK, self.capacity // 2):
            structure = outline(whole[stable:], growing=True)
            text = whole[stable:].rstrip() + ending_at(structure, len(structure.text)).closer
            end = len(whole) - stable
        return self._composed(whole[:stable] + text, ""), self.source_offset(stable + end)

    def closed_at(self, structure: Outline, cut: int) -> str:
        """Return the balanced Markdown of the page when it ends at offset `cut` of the outlined `whole`."""
        return self._composed(structure.text[:cut].rstrip(), ending_at(structure, cut).closer)

    def carried(self, structure: Outline, cut: int) -> Ending:
        """Return what the next page takes up when this one ends at offset `cut` of the outlined `whole`."""
        ending = ending_at(structure, cut)
        return replace(ending, dedent=ending.dedent + self._dedented.columns_at(cut - len(self.lead.prefix)))

    def carried_from(self, end: int) -> Ending:
        """Return what the next page takes up when this one ends at offset `end` of the source."""
        low, high = len(self.lead.prefix), len(self.whole)
        cut = bisect_right(range(low, high), end, key=self.source_offset) + low - 1 if high > low else high
        cut = high if end >= self.source_offset(high) else max(low, cut)
        return self.carried(outline(self.whole[:cut]), cut)

    def source_offset(self, cut: int) -> int:
        """Return the offset in the source of offset `cut` of `whole`."""
        offset = max(0, cut - len(self.lead.prefix))
        return self.at + offset + self._dedented.before(offset)

    def _composed(self, text: str, closer: str) -> str:
        if not visible(text[len(self.lead.prefix) :]):
            return ""
        # A run this long means nothing, but a platform might take it for a fence that never ends.
        body = text + closer
        return _LONG_RUN.sub("\u200b", body) if "`" * 33 in body or "~" * 33 in body else body

    def _stable_from(self, whole: str) -> int:
        """Return where the last outermost block or item begins: what stands before is done, and is not read again."""
        end = whole.rfind("\n") + 1
        if end - self._parsed >= _STRIDE:
            self._parsed = end
            structure = outline(whole[self._stable : end], growing=True)
            if structure.fresh:
                self._stable += structure.starts[structure.fresh[-1]]
        return self._stable

    def _part_fences(self, begun: int) -> None:
        """Put the beginning of a code block that stands at the end of a line on a line of its own, from `begun` on.

        A line feed takes the place of the blank before it, so that no offset moves.
        """
        fresh = self.raw[begun:]
        if ("```" not in fresh and "~~~" not in fresh) or not any(match["blank"] for match in _FENCES.finditer(fresh)):
            return
        opened = _run(self.lead.block.lstrip(" \t>") or " ") if self.lead.kind is Kind.FENCE else ""
        blanks: list[int] = []
        for match in _FENCES.finditer(self.raw):
            marker, opener = match["marker"], match["opener"]
            if opener and not opened:
                words = self.raw[self.raw.rfind("\n", 0, match.start()) + 1 : match.start()]
                if "`" not in words and any(map(str.isalnum, words)):
                    blanks.append(match.start())
                    opened = opener
            elif marker and not opened:
                opened = "" if marker[0] == "`" and "`" in match["info"] else marker
            elif marker and marker.startswith(opened) and not match["info"].strip():
                opened = ""
        starts = [0, *(blank + 1 for blank in blanks)]
        ends = [*blanks, len(self.raw)]
        self.raw = "\n".join(self.raw[start:end] for start, end in zip(starts, ends, strict=True))

    def _skip_blank(self) -> bool:
        blank = self.raw[: len(self.raw) - len(self.raw.lstrip())]
        blank = blank[: blank.rfind("\n") + 1]
        if not blank:
            return False
        # A blank line ends a paragraph and a table; the rest of a line that was cut only ends that line.
        if self.lead.kind is not Kind.FENCE and blank.count("\n") > self.lead.midline:
            self._lead(Ending(dedent=self.lead.dedent))
        elif self.lead.midline:
            self._lead(replace(self.lead, line="", midline=False))
        self._skip(len(blank))
        return True

    def _skip_closing(self, *, final: bool) -> bool:
        closing = _CLOSING_FENCE.match(self.raw) if self.lead.kind is Kind.FENCE else None
        if closing is None or not (final or closing[0].endswith("\n")):
            return False
        marker = self.lead.block.lstrip(" \t>")
        if not marker.startswith(closing[1][0] * 3) or len(closing[1]) < len(_run(marker)):
            return False
        self._lead(Ending(dedent=self.lead.dedent))
        self._skip(len(closing[0]))
        return True

    def _settle(self, *, final: bool) -> None:
        """Drop a repeated table head that no row follows, and markers that turn out to have no partner."""
        structure = outline(self.whole[: _REACH * self.capacity])
        block = structure.blocks[0] if structure.blocks else None
        if self.lead.kind is Kind.TABLE:
            if final or "\n" in self.raw:
                self._settled = True
                if block is None or block.kind is not Kind.TABLE or block.last <= self.lead.block.count("\n"):
                    self._lead(replace(self.lead, kind=None, block="", line=""))
        elif self.lead.marks and block and (final or structure.last_block() is not block):
            self._settled = True
            marks = open_marks(scan(structure.text[: structure.starts[block.last]]))
            if "".join(marks).startswith(self.lead.marks):
                self._lead(replace(self.lead, marks=""))

    def _lead(self, lead: Ending) -> None:
        self.lead, self._stable, self._parsed = lead, 0, 0

    def _skip(self, count: int) -> None:
        self.raw, self._stable, self._parsed = self.raw[count:], 0, 0
        self.at += count

    def _dedent(self) -> None:
        reach = _REACH * self.capacity
        self._dedented = dedented(self.raw, self.lead.dedent, midline=self.lead.midline, reach=reach)


def _run(marker: str) -> str:
    return marker[: len(marker) - len(marker.lstrip(marker[0]))]
