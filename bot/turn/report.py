"""The one log line of a turn: what the reader waited for, what it took, and why it ended."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping

from bot.conversation import Turn
from bot.turn.attempt import AttemptResult
from bot.turn.writer import Tally

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """When a turn was claimed, ended and first showed text (seconds of the event loop), and waits for Claude."""

    began: float
    ended: float
    first_text: float | None
    waits: int


def report(turn: Turn, end: AttemptResult | None, figures: Figures, tally: Tally, names: Mapping[str, object]) -> None:
    """Log what a turn came to.

    Args:
        turn: what is kept of it.
        end: how its last attempt ended; None where Claude was not asked.
        figures: its times. `first_text_s` is what the reader waited for; `first_token_s` what the last request took.
        tally: its writes.
        names: whose turn it was.
    """
    finished, error = (end.finished, end.error) if end else (None, None)
    first_text = figures.first_text
    log.log(
        logging.WARNING if turn.stop.failed else logging.INFO,
        "turn done",
        extra={
            **names,
            "stop": turn.stop.value,
            "first_text_s": None if first_text is None else round(first_text - figures.began, 3),
            "first_token_s": round(finished.first_token, 3) if finished and finished.first_token is not None else None,
            "total_s": round(figures.ended - figures.began, 3),
            "attempts": turn.attempts,
            "waits": figures.waits,
            "characters": len(turn.answer),
            **dataclasses.asdict(tally),
            **{f"{name}_tokens": count for name, count in dataclasses.asdict(turn.usage).items()},
            "model": turn.model,
            "request_id": finished.request_id if finished else error.request_id if error else None,
            "error": str(error) if error else None,
        },
    )
