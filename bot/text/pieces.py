"""Text that arrives in small pieces, held in few: a string of four characters takes more than ten times its size."""

from __future__ import annotations

_MOST = 64  # pieces held apart


class Pieces:
    """A text that grows piece by piece."""

    __slots__ = ("_joined", "_loose")

    def __init__(self) -> None:
        self._joined: list[str] = []
        self._loose: list[str] = []

    def append(self, piece: str) -> None:
        """Add a piece. Costs next to nothing, however long the text is."""
        self._loose.append(piece)
        if len(self._loose) >= _MOST:
            self._joined.append("".join(self._loose))
            self._loose.clear()

    @property
    def tail(self) -> str:
        """The last piece; empty without any."""
        return self._loose[-1] if self._loose else self._joined[-1] if self._joined else ""

    def clear(self) -> None:
        """Forget all of it."""
        self._joined.clear()
        self._loose.clear()

    def __str__(self) -> str:
        """Return the whole text."""
        return "".join((*self._joined, *self._loose))
