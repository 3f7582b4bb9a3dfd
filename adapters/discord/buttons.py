"""Buttons below our messages on Discord, and what comes back when one is pressed. Pure.

The ids hold all that is needed: a press comes to any process, days later, from buttons of an earlier version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.conversation import Control
from bot.ports import Button

VERSION = "ft:1"
WRONG = "wrong"
"""The name of the form that asks what was wrong."""

LONGEST_WORDS = 4_000
"""Characters that a field of a form takes (Developer Docs, "Text Input")."""

_ROW, _BUTTON, _TEXT_INPUT, _LABEL = 1, 2, 4, 18
_SECONDARY, _PARAGRAPH = 2, 2


def components(buttons: Sequence[Button]) -> list[dict[str, Any]]:
    """Return the components of a message: one row of buttons, or nothing."""
    row = [
        {
            "type": _BUTTON,
            "style": _SECONDARY,
            "label": button.label,
            "custom_id": named(button.control, button.turn_id),
        }
        for button in buttons
    ]
    return [{"type": _ROW, "components": row}] if row else []


def named(what: str, turn_id: str) -> str:
    """Return the id of a button or a form."""
    return f"{VERSION}:{what}:{turn_id}"


def is_ours(custom_id: object) -> bool:
    """Whether a button or a form is one of ours: what stands on it says nothing to Claude."""
    return isinstance(custom_id, str) and custom_id.startswith(f"{VERSION}:")


def read(custom_id: object) -> tuple[Control, str] | None:
    """Return what a button or the form wants of which turn; None for what is none of ours."""
    if not isinstance(custom_id, str) or not is_ours(custom_id):
        return None
    what, _, turn_id = custom_id.removeprefix(f"{VERSION}:").partition(":")
    control = Control.BAD if what == WRONG else Control(what) if what in set(Control) else None
    return (control, turn_id) if control and turn_id else None


def form(turn_id: str) -> dict[str, Any]:
    """Return the form that asks what was wrong with an answer."""
    field = {"type": _TEXT_INPUT, "custom_id": "words", "style": _PARAGRAPH, "max_length": LONGEST_WORDS}
    return {
        "custom_id": named(WRONG, turn_id),
        "title": "Thank you",
        "components": [{"type": _LABEL, "label": "What was wrong?", "component": {**field, "required": False}}],
    }


def words(data: Mapping[str, Any]) -> str:
    """Return what was written into the form."""
    entries = data.get("components")
    fields = [it.get("component") for it in entries if isinstance(it, Mapping)] if isinstance(entries, list) else []
    values = [field.get("value") for field in fields if isinstance(field, Mapping)]
    return "\n".join(value for value in values if isinstance(value, str) and value)
