"""Which buttons stand below an answer: while it grows, and when it has ended."""

from __future__ import annotations

from bot.conversation import Control, StopReason
from bot.ports import Button

LABELS = {
    Control.STOP: "Stop",
    Control.RETRY: "Retry",
    Control.CONTINUE: "Continue",
    Control.GOOD: "👍",
    Control.BAD: "👎",
}

WHILE_IT_GROWS = (Control.STOP,)

_WHOLE = (Control.RETRY, Control.GOOD, Control.BAD)
_CUT = (Control.RETRY, Control.CONTINUE, Control.GOOD, Control.BAD)

AT_ITS_END: dict[StopReason, tuple[Control, ...]] = {
    StopReason.MAX_TOKENS: _CUT,
    StopReason.PAUSE_TURN: _CUT,
    StopReason.MAX_PARTS: _CUT,
    StopReason.STOPPED: _CUT,
    StopReason.FAILED: (Control.RETRY,),
    StopReason.POISONED: (),
    StopReason.LOCAL: (),
}
"""What can be wanted of an answer by the way it ended; of every other, again and an opinion."""


def growing(turn_id: str) -> tuple[Button, ...]:
    """Return the buttons of an answer that grows."""
    return _buttons(WHILE_IT_GROWS, turn_id)


def ended(turn_id: str, stop: StopReason) -> tuple[Button, ...]:
    """Return the buttons of an answer that ended so."""
    return _buttons(AT_ITS_END.get(stop, _WHOLE), turn_id)


def _buttons(controls: tuple[Control, ...], turn_id: str) -> tuple[Button, ...]:
    return tuple(Button(control, LABELS[control], turn_id) for control in controls)
