"""Which session the terminal goes on with: how sessions are named, and a note of the last one beside the data."""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from pathlib import Path

from bot.errors import SettingsError

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def choose_session(data_dir: Path, resume: str | None) -> str:
    """The session's name.

    Args:
        data_dir: where the last session is noted.
        resume: the session to go on with, "" for the last one; None for a new one.

    Raises:
        SettingsError: there is no last session, or it is no name.
    """
    if resume is None:
        return secrets.token_hex(4)
    name = resume or _last(data_dir)
    if not name:
        raise SettingsError("--resume: there is no session yet; start one without it, or name one.")
    if not _NAME.fullmatch(name):
        raise SettingsError("--resume: expected a session's name: up to 64 letters, digits, dots, dashes, underscores.")
    return name


def note_session(data_dir: Path, name: str) -> None:
    """Remember this session as the last one."""
    with suppress(OSError):  # the session itself is kept elsewhere, and can be named
        _file(data_dir).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _file(data_dir).write_text(f"{name}\n")


def _last(data_dir: Path) -> str:
    try:
        return _file(data_dir).read_text(errors="replace").strip()
    except OSError:
        return ""


def _file(data_dir: Path) -> Path:
    return data_dir.expanduser() / "last-session"
