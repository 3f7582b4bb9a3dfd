"""How this program is called in this terminal, for sentences that name a command: it must work as it is printed."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

SCRIPT = "firsttoken"
"""The console script."""


def invocation(started: str, python: str, directory: Path, find: Callable[[str], str | None] = shutil.which) -> str:
    """The words that start this program again.

    Args:
        started: what was started, as `sys.argv[0]` has it.
        python: the interpreter, as `sys.executable` has it.
        directory: the working directory.
        find: where PATH finds a command.

    Returns:
        The console script as it was typed, when that was started; else `<python> -m bot`.
    """
    if Path(started).name == SCRIPT:
        return shlex.quote(SCRIPT if _same(started, find(SCRIPT), directory) else started)
    if _same(python, find("python"), directory):
        return "python -m bot"
    path = Path(python)
    below = path.relative_to(directory) if path.is_relative_to(directory) else path
    return f"{shlex.quote(str(below))} -m bot"


def _same(one: str, other: str | None, directory: Path) -> bool:
    """Whether two paths name one file; links are not followed, for a venv's `python` is one to the system's."""
    return other is not None and os.path.normpath(directory / one) == os.path.normpath(directory / other)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:  # somebody removed it
        return Path("/")


COMMAND = invocation(sys.argv[0], sys.executable, _here())
"""How this process was started."""
