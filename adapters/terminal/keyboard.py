"""Standard input, a line at a time: edited and remembered when a person types, as it comes from a pipe.

Reading blocks, and must be done in the main thread: only there does Ctrl-C reach the line that is being edited.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

PROMPT = "> "


@contextmanager
def unseen() -> Iterator[None]:
    """Keep what is typed meanwhile off the screen; it waits to be read, and Ctrl-C is still a signal.

    Does nothing where the terminal has no such switch, or is gone.
    """
    try:
        import termios  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        yield
        return
    try:
        before = termios.tcgetattr(sys.stdin)
        quiet = [*before]
        quiet[3] &= ~termios.ECHO
        termios.tcsetattr(sys.stdin, termios.TCSANOW, quiet)
    except termios.error:
        yield
        return
    try:
        yield
    finally:
        with suppress(termios.error):
            termios.tcsetattr(sys.stdin, termios.TCSANOW, before)


class Piped:
    """Lines from a pipe or a file."""

    def __init__(self) -> None:
        sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # what is no UTF-8 is still a question

    def read(self) -> str | None:
        """The next line without its end; None when there is none."""
        line = sys.stdin.readline()
        return line.rstrip("\n") if line else None


class Keyboard:
    """Lines a person types, or pastes several of at once, at a prompt.

    Args:
        said: what they said before, oldest first: the arrow keys bring it back.
    """

    def __init__(self, said: Iterable[str] = ()) -> None:
        sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # as above
        self._ahead: list[str] = []
        with suppress(ImportError):
            import readline  # noqa: PLC0415 - changes the terminal, and not every Python has it

            if "libedit" not in (readline.__doc__ or ""):
                readline.parse_and_bind("set enable-bracketed-paste on")
                readline.parse_and_bind("tab: self-insert")
            for line in said:
                readline.add_history(line)

    def read(self) -> str | None:
        """The next line, or all that was pasted; None for Ctrl-D.

        Raises:
            KeyboardInterrupt: Ctrl-C; the line is forgotten.
        """
        if not self._ahead and select.select([sys.stdin], [], [], 0)[0]:
            # Typed while the answer was written: whole lines, or the end, which the line editor would take for keys.
            typed = os.read(sys.stdin.fileno(), 1 << 16).decode(sys.stdin.encoding, "replace")
            if not typed:
                return None
            self._ahead = typed.splitlines()
        if self._ahead:
            line = self._ahead.pop(0)
            print(PROMPT + line, flush=True)
            return line
        try:
            return input(PROMPT)
        except EOFError:
            return None
