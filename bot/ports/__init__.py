"""What the core asks of the outside: a platform to write on, a model to ask, a store to keep turns in.

Protocols only. Each is as small as the core can live with; what only some platforms can do stands apart as a capability
of its own, asked for with `isinstance`.
"""

from bot.ports.budgets import SharedBudgets
from bot.ports.claims import Claim, Claims, Lease, Outcome, Part
from bot.ports.history import History
from bot.ports.intake import Adapter, ChoosesLeader, Inbox, KnowsDirects
from bot.ports.mailbox import Mailbox, Signal
from bot.ports.model import Model, Request, Said
from bot.ports.platform import (
    Budget,
    CompletesMessages,
    Content,
    NotifiesAsker,
    Observed,
    Platform,
    Posted,
    ReadsOwn,
    ReadsThread,
    Receipt,
    ShowsStatus,
    Write,
)
from bot.ports.store import Presence, TurnStore

__all__ = [
    "Adapter",
    "Budget",
    "ChoosesLeader",
    "Claim",
    "Claims",
    "CompletesMessages",
    "Content",
    "History",
    "Inbox",
    "KnowsDirects",
    "Lease",
    "Mailbox",
    "Model",
    "NotifiesAsker",
    "Observed",
    "Outcome",
    "Part",
    "Platform",
    "Posted",
    "Presence",
    "ReadsOwn",
    "ReadsThread",
    "Receipt",
    "Request",
    "Said",
    "SharedBudgets",
    "ShowsStatus",
    "Signal",
    "TurnStore",
    "Write",
]
