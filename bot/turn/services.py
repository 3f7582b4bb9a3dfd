"""What every turn of a process works with, and the operator's choices that concern a turn. No logic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bot.intake import Access
from bot.pacing import Pacer
from bot.ports import Model, TurnStore
from bot.turn.alerts import Alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The operator's choices that concern a turn; seconds, tokens and counts as `Settings` names them."""

    system_prompt: str
    access: Access = field(default_factory=Access)
    keep_partials: bool = True
    max_attempts: int = 3
    busy_timeout: float = 120.0
    context_tokens: int = 100_000
    max_parts: int = 20
    notify_after: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What every turn of a process works with.

    `backoff` gives the seconds to wait before the n-th repetition (from 1), given what the other side asked for.
    """

    model: Model
    store: TurnStore
    pacer: Pacer
    policy: Policy
    backoff: Callable[[int, float | None], float]
    alerts: Alerts = field(default_factory=Alerts)
