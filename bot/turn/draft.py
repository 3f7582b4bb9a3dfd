"""What the messages of one attempt should show at this moment: a placeholder, the newest text, last words below it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.text import Dialect, Layout

SMALLEST_PAGE = 40
"""The least a page can be laid out for (see `Dialect.limit`)."""


class Draft:
    """The text of one attempt, laid out over messages. Knows nothing of what stands on the platform.

    Args:
        dialect: how the platform takes text; asked again whenever the text is laid out anew.
        most: messages the answer may fill.

    Attributes:
        placeholder: what stands there while there is no text; None for nothing.
        ended: whether nothing more comes.
        overflow: set when the text needs more than `most` messages.
    """

    def __init__(self, dialect: Callable[[], Dialect], most: int) -> None:
        self.placeholder: str | None = None
        self.ended = False
        self.overflow = asyncio.Event()
        self._dialect = dialect
        self._most = most
        self._layout = Layout(dialect())
        self._trailer = ""
        self._whole = False

    @property
    def text(self) -> str:
        """All text received."""
        return self._layout.source

    def write(self, text: str) -> None:
        """Add a piece. Costs no more than noting it."""
        self._layout.feed(text)

    def clear(self) -> None:
        """Forget the text."""
        self._layout = Layout(self._dialect())

    def end(self, trailer: str = "", *, whole: bool = True) -> None:
        """Nothing more comes.

        Args:
            trailer: a sentence below the text.
            whole: the text is all there; else it stays as it last looked, with what is half-written left out.
        """
        self._trailer, self._whole, self.ended = trailer, whole, True

    def pages(self) -> list[str]:
        """What each message should show now, in reading order."""
        pages = self._layout.pages(final=self._whole, trailer=self._trailer)
        if self.ended:
            return pages
        if not pages and self.placeholder is not None:
            return [self.placeholder]
        if len(pages) > self._most:
            self.overflow.set()
        return pages[: self._most]

    def covered(self, pages: int) -> str:
        """The text that the first `pages` messages show."""
        return self._layout.covered(pages)

    def cut(self, below: str = "") -> bool:
        """Drop what does not fit `most` messages together with a sentence `below` it; returns whether there was any."""
        dialect = self._dialect()
        room = dialect.limit - (dialect.measure(f"\n\n{dialect.render(below)}") if below else 0)
        was_cut = False
        while len(self._layout.pages(final=True, trailer=below)) > self._most and room >= SMALLEST_PAGE:
            # Only the last message makes room: what readers saw in the others stays where it is.
            self._layout.relimit(replace(dialect, limit=room), self._most - 1)
            self._layout.pages(final=True)
            kept = self.covered(self._most)
            self.clear()
            self.write(kept)
            room, was_cut = room * 7 // 8, True
        return was_cut

    def relimit(self, shown: Sequence[str | None]) -> None:
        """Lay out anew for a limit that turned out lower, except for leading messages that show what they should.

        Args:
            shown: what the messages before the refused one show; None where that is not known.
        """
        pages = self._layout.pages(final=self._whole)
        settled = 0
        while settled < min(len(shown), len(pages)) and shown[settled] == pages[settled]:
            settled += 1
        self._layout.relimit(self._dialect(), settled)
