"""What a process does of the bot's work: take messages in, answer them, or both."""

from __future__ import annotations

import enum


class Role(enum.Enum):
    """Several processes of every role may share one store."""

    ALL = "all"
    INTAKE = "intake"
    WORKER = "worker"

    @property
    def listens(self) -> bool:
        """Whether it takes messages in."""
        return self is not Role.WORKER

    @property
    def answers(self) -> bool:
        """Whether it answers them: it needs Claude, and a share of what the platforms allow."""
        return self is not Role.INTAKE
