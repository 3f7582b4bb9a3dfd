"""The page that is being written: its source, what it takes up from the page before, and what is shown of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from bot.text.blocks import Kind, Outline, outline
from bot.text.ending import Ending, ending_at, open_marks
from bot.text.graphemes import visible
from bot.text.inline import scan
from bot.text.preview import preview

_CLOSING_FENCE = re.compile(r"[\s>]*(`{3,}|~{3,})[ \t]*(?:\n|$)")
_LONG_RUN = re.compile(r"(?<!`)(?=`{33})|(?<!~)(?=~{33})")
_PATIENCE = 2000  # characters held back at most, and at most half of what a page holds
_REACH = 4  # pages' worth of text looked at; more than that is cut first


@dataclass(slots=True)
class Page:
    """A page that still grows.

    Args:
        capacity: the most characters it can hold.
        start: the offset in the whole source at which it begins.
        lead: what was open where the page before was cut.
        at: the offset at which `text` begins: blank lines and a fence's closing line may stand before it.
        text: the source from the first visible line on, control characters replaced one for one.
    """

    capacity: int
    start: int = 0
    lead: Ending = field(default_factory=Ending)
    at: int = field(init=False)
    text: str = field(default="", init=False)
    _settled: bool = field(init=False)
    _stable: int = field(default=0, init=False)
    _parsed: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.at = self.start
        self._settled = self.lead.kind is Kind.FENCE or not (self.lead.block or self.lead.marks)

    @property
    def crowded(self) -> bool:
        """Whether it surely holds more than fits, and should be cut before it is looked at."""
        return len(self.text) > _REACH * self.capacity

    @property
    def whole(self) -> str:
        """The text with what it takes up from the page before."""
        return self.lead.prefix + self.text

    def absorb(self, text: str, *, final: bool) -> None:
        """Append source, and leave out what need not be shown at the top of a page."""
        self.text += text
        while self._skip_blank() or self._skip_closing(final=final):
            pass
        if not self._settled:
            self._settle(final=final)

    def shown(self, *, final: bool) -> tuple[str, int]:
        """Return the balanced Markdown to show and the offset in the source up to which it shows the page.

        Not final: what is half written is closed or held back, as long as that is not much.
        """
        whole = self.whole
        if final:
            structure = outline(whole[self._stable_from(whole) :])
            block = structure.last_block()
            closer = ending_at(structure, len(structure.text)).closer if block and block.kind is Kind.FENCE else ""
            return self._composed(whole.rstrip(), closer), self.at + len(self.text)
        stable = self._stable_from(whole)
        text, end = preview(whole[stable:])
        if len(whole) - stable - end > min(_PATIENCE, self.capacity // 2):
            structure = outline(whole[stable:])
            text = whole[stable:].rstrip() + ending_at(structure, len(structure.text)).closer
            end = len(whole) - stable
        return self._composed(whole[:stable] + text, ""), self.at + stable + end - len(self.lead.prefix)

    def closed_at(self, structure: Outline, cut: int) -> str:
        """Return the balanced Markdown of the page when it ends at offset `cut` of the outlined `whole`."""
        return self._composed(structure.text[:cut].rstrip(), ending_at(structure, cut).closer)

    def carried(self, structure: Outline, cut: int) -> Ending:
        """Return what the next page takes up when this one ends at offset `cut` of the outlined `whole`."""
        ending = ending_at(structure, cut)
        block = structure.block_at(cut) or structure.last_block()
        if self.lead.block and ending.block and block and block.first == 0:
            return replace(ending, dedent=self.lead.dedent)  # the lead stands in the first column, the text does not
        return ending

    def _composed(self, text: str, closer: str) -> str:
        prefix = self.lead.prefix
        rest = text[len(prefix) :]
        if not visible(rest):
            return ""
        body = prefix + _dedented(rest + closer, self.lead.dedent, midline=self.lead.midline)
        # A run this long means nothing, but a platform might take it for a fence that never ends.
        return _LONG_RUN.sub("\u200b", body)

    def _stable_from(self, whole: str) -> int:
        """Return where the last outermost block begins: what stands before is done and needs no second look."""
        end = whole.rfind("\n") + 1
        if end > self._parsed:
            self._parsed = end
            structure = outline(whole[self._stable : end])
            if structure.tops:
                self._stable += structure.starts[structure.tops[-1]]
        return self._stable

    def _skip_blank(self) -> bool:
        blank = self.text[: len(self.text) - len(self.text.lstrip())]
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
        closing = _CLOSING_FENCE.match(self.text) if self.lead.kind is Kind.FENCE else None
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
            if final or "\n" in self.text:
                self._settled = True
                if block is None or block.kind is not Kind.TABLE or block.last <= self.lead.block.count("\n"):
                    self._lead(Ending(dedent=self.lead.dedent))
        elif self.lead.marks and block and (final or structure.last_block() is not block):
            self._settled = True
            marks = open_marks(scan(structure.text[: structure.starts[block.last]]))
            if "".join(marks).startswith(self.lead.marks):
                self._lead(replace(self.lead, marks=""))

    def _lead(self, lead: Ending) -> None:
        self.lead, self._stable, self._parsed = lead, 0, 0

    def _skip(self, count: int) -> None:
        self.text, self._stable, self._parsed = self.text[count:], 0, 0
        self.at += count


def _run(marker: str) -> str:
    return marker[: len(marker) - len(marker.lstrip(marker[0]))]


def _dedented(text: str, columns: int, *, midline: bool) -> str:
    """Return `text` with up to `columns` of indentation taken from each line, fewer once a line has fewer."""
    if not columns:
        return text
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if number == 0 and midline:
            continue
        bare = line.lstrip(" \t")
        if not bare:
            continue
        columns = min(columns, len(line) - len(bare))
        if not columns:
            break
        lines[number] = line[columns:]
    return "\n".join(lines)
