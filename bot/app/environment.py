"""What people write into environments and `.env` files: quotes that are kept, names with a slip of the finger."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

_QUOTES = ("'", '"')
_ALIKE = 0.84
"""How alike two names are, from 0 to 1, of which one is a slip of the other: about one letter in ten differs."""


def unquoted(value: Any) -> Any:
    """Return a value without the quotes around it, which `docker run --env-file` and systemd's files keep."""
    if not isinstance(value, str):
        return value
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in _QUOTES:
        return value[1:-1].strip()
    return value


def misspelt(known: Collection[str], file: Any = None) -> Iterator[str]:
    """Yield a sentence for each name in the environment and the `.env` file that is nearly one of ours.

    Args:
        known: the names of the settings, in capitals.
        file: the `.env` file, if one is read.
    """
    names: Mapping[str, object] = {**_in_file(file), **os.environ}
    given = {name.upper() for name in names}
    for name in sorted(given - set(known)):
        near = difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
        if near and near[0] not in given:
            yield f"{name}: did you mean {near[0]}? There is no setting of the first name."


def _in_file(file: Any) -> Mapping[str, object]:
    try:
        return dotenv_values(file) if file is not None and Path(file).is_file() else {}
    except (OSError, UnicodeDecodeError):
        return {}  # that is told where the settings are read
