"""What a request holds that it can do without: given up field by field where a gateway refuses it, and remembered.

Anthropic's API takes all of it. Gateways in front of other clouds often refuse what they do not know, each in its own
words; what is left is asked again at once, so that nobody notices.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

log = logging.getLogger(__name__)

WORTH: Final = {"cache_control": "without prompt caching, long conversations cost more"}
"""The optional fields, and what goes with each when it is given up."""

_REFUSALS = frozenset({400, 404, 415, 422, 501})
_ABOUT_FIELDS = re.compile(
    r"\bextra (?:inputs?|fields?)\b|\b(?:unknown|unrecogni[sz]ed|unexpected|unsupported|additional) (?:\w+ )?"
    r"(?:field|param|argument|propert|input)",
    re.IGNORECASE,
)
"""How gateways say that they do not know a field without naming it: as pydantic, OpenAI and JSON Schema say it."""


class OptionalFields:
    """Which optional fields an address takes.

    Args:
        address: whose they are, for the log.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._refused: set[str] = set()

    @property
    def refused(self) -> list[str]:
        """The fields that are no longer sent."""
        return sorted(self._refused)

    def left(self, fields: Mapping[str, Any], dropped: Collection[str]) -> dict[str, Any]:
        """Return the fields that are still to be sent, but for those that were `dropped` for this one request."""
        return {name: value for name, value in fields.items() if name not in self._refused and name not in dropped}

    def give_up(self, names: Collection[str]) -> None:
        """Remember that requests are taken without these fields, and were refused with them."""
        for name in sorted(set(names) - self._refused):
            self._refused.add(name)
            log.warning(
                "the Claude API refuses a field, which is no longer sent",
                extra={"field": name, "host": self._address, "lost": WORTH[name]},
            )


def to_blame(sent: Collection[str], status: int, said: str) -> str | None:
    """Return the optional field that a request was refused for; None when the refusal is about something else.

    Args:
        sent: the optional fields of that request.
        status: of the answer.
        said: its body.
    """
    if status not in _REFUSALS:
        return None
    named = [name for name in sent if name in said]
    if not named and _ABOUT_FIELDS.search(said):
        named = list(sent)
    return named[-1] if named else None
