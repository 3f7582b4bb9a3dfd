"""Lays a growing text out over messages of one dialect.

All but the last page are closed: they never change again and cost nothing. One call looks at the last page alone, so
that it costs no more than a page however long the whole text is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.text.blocks import Outline, outline
from bot.text.ending import Ending
from bot.text.graphemes import visible
from bot.text.page import Page
from bot.text.pieces import Pieces
from bot.text.split import cuts, highest, past_line_end
from bot.text.validity import cleaned, wellformed

_MOST_TRIES = 24  # cuts tried for one page before the last resort


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a platform takes text.

    Args:
        name: for logs.
        limit: how much one message holds, in what `measure` counts; 40 at least.
        measure: counts a rendered text; at least one for each code point.
        render: turns the balanced Markdown of one page into what is sent. It may make a text longer.
    """

    name: str
    limit: int
    measure: Callable[[str], int]
    render: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Closed:
    """A page that never changes again: what was sent, where its source ends, what was open there."""

    text: str
    end: int
    ending: Ending


class Layout:
    """A growing text, laid out over messages.

    The pages' sources are a partition of all that was fed. What is added for display (closers, a fence's or a
    table's beginning repeated) is in the pages only.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._taken = ""
        self._fresh = Pieces()
        self._closed: list[_Closed] = []
        self._page = Page(dialect.limit)
        self._shown: tuple[str, int] | None = None
        self._all_shown = False

    @property
    def source(self) -> str:
        """Everything fed, exactly."""
        return self._taken + str(self._fresh)

    def feed(self, text: str) -> None:
        """Append a piece of Claude's text."""
        if text:
            self._fresh.append(text)

    def pages(self, *, final: bool = False, trailer: str = "") -> list[str]:
        """Return what every message holds by now, in order; empty while there is nothing to see.

        Args:
            final: no more text comes: everything is shown as it was written. Otherwise half-finished Markdown is
                closed or held back on the last page.
            trailer: a sentence of the bot's own, put below the text after a blank line, outside of any fence; on a
                page of its own when it does not fit.
        """
        self._page.absorb(cleaned(self._take()), final=final)
        body, end = self._settle(final=final)
        if visible(body):
            self._shown = body, end
        self._all_shown = final
        pages = [page.text for page in self._closed]
        if self._shown:
            pages.append(self._shown[0])
        return self._with_trailer(pages, trailer) if trailer else pages

    def covered(self, pages: int) -> str:
        """Return the source shown on the first `pages` pages, as of the last call of `pages()`."""
        if pages <= 0:
            return ""
        if pages <= len(self._closed) and not (self._all_shown and pages == len(self._closed) and not self._shown):
            return self._taken[: self._closed[pages - 1].end]
        if self._all_shown:
            return self._taken
        return self._taken[: self._shown[1] if self._shown else self._page.start]

    def relimit(self, dialect: Dialect, keep: int) -> None:
        """Leave the first `keep` pages as they are and lay out the rest anew in `dialect`.

        A page kept while it was still growing is closed as it was last shown.
        """
        if keep > len(self._closed) and self._shown:
            text, end = self._shown
            self._closed.append(_Closed(text, end, self._page.carried_from(end)))
        self._dialect = dialect
        del self._closed[max(keep, 0) :]
        last = self._closed[-1] if self._closed else _Closed("", 0, Ending())
        self._take()
        self._begin(last.end, cleaned(self._taken[last.end :]), last.ending)

    def _take(self) -> str:
        """Take what was fed since the last time and return it."""
        fresh = str(self._fresh)
        self._taken += fresh
        self._fresh.clear()
        return fresh

    def _settle(self, *, final: bool) -> tuple[str, int]:
        """Close pages until what is left fits one, and return how that is shown and up to where."""
        while True:
            if not self._page.crowded:
                markdown, end = self._page.shown(final=final)
                body = self._render(markdown)
                if self._fits(body):
                    return body, end
            self._close()
            self._page.absorb("", final=final)

    def _begin(self, start: int, text: str, ending: Ending, *, seen: bool = False) -> None:
        self._page = Page(self._dialect.limit, start, self._affordable(ending))
        self._page.absorb(text, final=False, seen=seen)
        self._shown = None

    def _affordable(self, ending: Ending) -> Ending:
        """Return `ending` without what would take too much of a page to take up again."""
        measure, limit = self._dialect.measure, self._dialect.limit
        if measure(ending.prefix) + len(ending.closer) <= limit // 3:
            return ending
        marker = ending.block.lstrip(" \t>")[:1]
        if marker and marker in "`~":
            return replace(ending, block=f"{marker * 3}\n", line="")
        return Ending(dedent=ending.dedent)

    def _close(self) -> None:
        """Close the page at the best place and begin the next one."""
        page = self._page
        whole = page.whole
        floor = len(page.lead.prefix)
        window = min(len(whole), floor + self._dialect.limit + 1)
        structure = outline(whole[:window])
        ceiling = highest(
            lambda cut: self._dialect.measure(self._closed_text(structure, cut)) - self._dialect.limit,
            floor,
            min(window, len(whole) - 1),
        )
        cut, text = self._best(structure, floor, max(ceiling, floor + 1))
        cut = past_line_end(whole, cut)
        ending = page.carried(structure if cut <= window else outline(whole[:cut]), cut)
        end = page.source_offset(cut)
        rest = page.raw[end - page.at :]
        if visible(text):
            self._closed.append(_Closed(text, end, ending))
            self._begin(end, rest, ending, seen=True)
        else:  # nothing to see in it: it goes with what comes next
            start = page.start
            self._begin(end, rest, ending, seen=True)
            self._page.start = start

    def _best(self, structure: Outline, floor: int, ceiling: int) -> tuple[int, str]:
        """Return the best cut that fits, and the page that it makes."""
        cut = ceiling
        for tries, cut in enumerate(cuts(structure, floor, ceiling)):
            text = self._closed_text(structure, cut)
            if self._fits(text) and visible(text):
                return cut, text
            if tries >= _MOST_TRIES:
                break
        text = self._closed_text(structure, cut)
        while not self._fits(text) and cut > floor + 1:
            cut = floor + max(1, (cut - floor) // 2)
            text = self._closed_text(structure, cut)
        return cut, self._clipped(text)

    def _closed_text(self, structure: Outline, cut: int) -> str:
        return self._render(self._page.closed_at(structure, cut))

    def _render(self, markdown: str) -> str:
        if not markdown:
            return ""
        return wellformed(self._dialect.render(wellformed(markdown))).strip("\n").rstrip()

    def _fits(self, text: str) -> bool:
        return self._dialect.measure(text) <= self._dialect.limit

    def _clipped(self, text: str) -> str:
        while not self._fits(text):
            text = text[: len(text) * 7 // 8]
        return text

    def _with_trailer(self, pages: list[str], trailer: str) -> list[str]:
        below = self._render(trailer)
        if pages and self._fits(joined := f"{pages[-1]}\n\n{below}"):
            return [*pages[:-1], joined]
        if self._fits(below):
            return [*pages, below] if visible(below) else pages
        own = Layout(self._dialect)
        own.feed(trailer)
        return pages + own.pages(final=True)
