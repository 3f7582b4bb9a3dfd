"""How the log is told of what Discord sends and nobody can read: in one line a kind and minute, without a traceback."""

from __future__ import annotations

import logging
import traceback
from pathlib import PurePath
from typing import TypedDict

from adapters.discord.payloads import OddFrame
from bot.log_limit import LimitedLog

_left_out = LimitedLog(logging.getLogger(__name__))


def tell_left_out(odd: OddFrame) -> None:
    """Tell the log, once a minute for each kind."""
    _left_out.warning(odd.kind, "Discord sent what cannot be read, it is left out", what=odd.kind, error=odd.why)


class Told(TypedDict):
    """What a line of the log says of an error."""

    error: str
    at: str


def told(error: BaseException) -> Told:
    """What a line says of an error: what it is, in at most 200 characters, and the line of code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return {"error": repr(error)[:200], "at": at}
