"""How often somebody may ask: counted for all processes together."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Quota:
    """How often somebody may ask.

    Args:
        most: times.
        within: seconds in which these may be.
        silence: seconds for which somebody who asked too often is not answered.
    """

    most: int
    within: float
    silence: float


class Admission(enum.Enum):
    """What becomes of a message."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    """It is the first one too many: whoever asked is told so."""
    SILENCED = "silenced"


class Throttle(Protocol):
    """Counts how often somebody asks. Raises StoreUnavailable."""

    async def admit(self, installation: str, who: str, message_id: str, quota: Quota) -> Admission:
        """Count a message, and return what becomes of it. One that comes twice counts once.

        Args:
            installation: where it came in.
            who: the name that the count goes by.
            message_id: tells the message from others.
            quota: how often `who` may ask.
        """
        ...
