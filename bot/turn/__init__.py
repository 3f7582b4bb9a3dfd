"""The heart: one question carried to its answer. `turn.py` begins with the whole machine."""

from bot.turn.alerts import Alerts
from bot.turn.attempt import AttemptResult
from bot.turn.lease import HeldClaim, Order, Orders
from bot.turn.phrases import BUSY, INTERRUPTED_AGAIN, OWN_ANSWERS, WAITING, sentence_below
from bot.turn.question import Question
from bot.turn.run import TurnRun
from bot.turn.services import Policy, Services
from bot.turn.turn import PATHS, Path, Retries, ask, found, outcome_of, turn_of

__all__ = [
    "BUSY",
    "INTERRUPTED_AGAIN",
    "OWN_ANSWERS",
    "PATHS",
    "WAITING",
    "Alerts",
    "AttemptResult",
    "HeldClaim",
    "Order",
    "Orders",
    "Path",
    "Policy",
    "Question",
    "Retries",
    "Services",
    "TurnRun",
    "ask",
    "found",
    "outcome_of",
    "sentence_below",
    "turn_of",
]
