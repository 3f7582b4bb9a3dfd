"""Standard output: text as it arrives, and nothing in it that a terminal would take for an order.

On a terminal a "…" stands where text is still to come. Into a pipe go the answers and nothing else.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable
from typing import TextIO

_ORDERS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
"""Control characters: with them an answer could retitle the terminal, write to the clipboard or hide what it says."""


class Screen:
    """Standard output, written to at once. A reader who leaves raises nothing.

    Args:
        live: a person watches it on a terminal.
        on_left: called when nothing can be written any more.
    """

    def __init__(self, *, live: bool, on_left: Callable[[], None]) -> None:
        self._live = live
        self._on_left = on_left
        self._error: OSError | None = None
        self._waiting = ""
        self._at_start = True
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")  # not every terminal has every character

    @property
    def left(self) -> bool:
        """Nothing can be written any more."""
        return self._error is not None

    @property
    def trouble(self) -> str:
        """Why, in words; empty when the reader just left, as `head` does, or closed the terminal."""
        error = self._error
        if error is None or error.errno in (errno.EPIPE, errno.EIO):
            return ""
        return error.strerror or str(error)

    def write(self, text: str) -> None:
        """Show text as it stands."""
        self._put(text.translate(_ORDERS))

    def end_line(self) -> None:
        """Go to the start of a line, if not there."""
        self._put("" if self._waiting or self._at_start else "\n")

    def line(self, text: str = "") -> None:
        """Show a line of its own."""
        self.end_line()
        self.write(f"{text}\n")

    def wait(self, why: str = "") -> None:
        """Show that text is still to come: on a terminal until it does, else, when there is a reason, as a problem."""
        if self._live:
            shown = (why or "…")[: shutil.get_terminal_size().columns - 3]
            self._put(shown)
            self._waiting = shown
        elif why:
            self.problem(why)

    def problem(self, text: str) -> None:
        """Say something on standard error."""
        if self._live:
            self.end_line()
        _write(sys.stderr, f"{text.translate(_ORDERS)}\n")

    def close(self) -> None:
        """Keep the interpreter from complaining, as it ends, of what could not be written."""
        if self.left:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _put(self, text: str) -> None:
        if self._waiting:
            text = f"\r{' ' * (len(self._waiting) + 2)}\r{text}"  # some terminals show "…" two columns wide
            self._waiting = ""
        if self.left or not text:
            return
        self._at_start = text.endswith(("\n", "\r"))
        self._error = _write(sys.stdout, text)
        if self._error is not None:
            self._on_left()


def _write(stream: TextIO, text: str) -> OSError | None:
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        return error
    return None
