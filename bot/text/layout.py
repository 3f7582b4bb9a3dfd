"""Lays a growing text out over messages of one dialect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a platform takes text: at most `limit` of what `measure` counts; `render` turns Markdown into it."""

    name: str
    limit: int
    measure: Callable[[str], int]
    render: Callable[[str], str]


class Layout:
    """A growing text, laid out over messages."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._source = ""
        self._kept: list[tuple[str, int]] = []

    @property
    def source(self) -> str:
        """Everything fed, exactly."""
        return self._source

    def feed(self, text: str) -> None:
        """Append Claude's text."""
        self._source += text

    def pages(self, *, final: bool = False, trailer: str = "") -> list[str]:
        """Return the rendered text of every message so far, in order."""
        pages = [page for page, _ in self._slices()]
        if trailer:
            joined = f"{pages[-1]}\n\n{trailer}" if pages else trailer
            if self._dialect.measure(joined) <= self._dialect.limit:
                pages[-1:] = [joined]
            else:
                pages.append(trailer)
        return pages

    def covered(self, pages: int) -> str:
        """Return the source shown on the first `pages` pages."""
        ends = [0, *(end for _, end in self._slices())]
        return self._source[: ends[min(pages, len(ends) - 1)]]

    def relimit(self, dialect: Dialect, keep: int) -> None:
        """Lay out what follows the first `keep` pages anew in `dialect`."""
        self._kept = self._slices()[:keep]
        self._dialect = dialect

    def _slices(self) -> list[tuple[str, int]]:
        done = list(self._kept)
        start = done[-1][1] if done else 0
        step = max(1, self._dialect.limit // 2)
        while start < len(self._source):
            end = min(len(self._source), start + step)
            if page := self._dialect.render(self._source[start:end]).strip():
                done.append((page, end))
            start = end
        return done
