"""A log that strangers cannot fill: at most one line a kind and minute, which says how many were held back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

EVERY = 60.0
"""Seconds between two lines of one kind."""

MOST_KINDS = 200
"""Kinds told apart; a further one counts as the last, so that kinds made up by a stranger fill no memory either."""


@dataclass(slots=True)
class _Kind:
    told_at: float
    held_back: int = 0


class LimitedLog:
    """Warnings about what comes from outside.

    Args:
        logger: where the lines go.
        clock: seconds that never go back.
    """

    def __init__(self, logger: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}

    def warning(self, kind: str, message: str, *, exc_info: bool | BaseException = False, **fields: object) -> None:
        """Write `message`, unless a line of this `kind` was written within the last minute.

        Args:
            kind: what is counted together; stands in the line.
            message: what happened.
            exc_info: the exception whose traceback belongs to the line; True for the one being handled.
            fields: more of it.
        """
        now = self._clock()
        if kind not in self._kinds and len(self._kinds) >= MOST_KINDS:
            kind = next(reversed(self._kinds))
        known = self._kinds.get(kind)
        if known is not None and now - known.told_at < EVERY:
            known.held_back += 1
            return
        more = {"held_back": known.held_back} if known is not None and known.held_back else {}
        self._kinds[kind] = _Kind(now)
        self._logger.warning(message, exc_info=exc_info, extra={"kind": kind, **fields, **more})
