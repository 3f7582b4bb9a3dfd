"""What the core asks of the outside: a platform to write on, a model to ask, a store to keep turns in.

Protocols only. Each is as small as the core can live with; what only some platforms can do stands apart as a capability
of its own, asked for with `isinstance`.
"""

from bot.ports.claims import Claim, Claims, Lease, Part, StoredAnswer
from bot.ports.history import History
from bot.ports.intake import Adapter, ChoosesLeader, Inbox, KnowsDirects, PressResult
from bot.ports.mailbox import Mailbox, Signal
from bot.ports.model import Model, Request, Said
from bot.ports.platform import (
    Button,
    CompletesMessages,
    Content,
    KnowsClosedPlaces,
    NotifiesAsker,
    Observed,
    Platform,
    Posted,
    RateLimit,
    ReadsOwn,
    ReadsThread,
    Receipt,
    ShowsButtons,
    ShowsStatus,
    Write,
)
from bot.ports.rate_limits import ANEW, DEMAND_LASTS, MOMENT, Act, Draw, Entry, News, Room, SharedRateLimits, Verdict
from bot.ports.store import Presence, TurnStore
from bot.ports.throttle import Admission, Quota, Throttle

__all__ = [
    "ANEW",
    "DEMAND_LASTS",
    "MOMENT",
    "Act",
    "Adapter",
    "Admission",
    "Button",
    "ChoosesLeader",
    "Claim",
    "Claims",
    "CompletesMessages",
    "Content",
    "Draw",
    "Entry",
    "History",
    "Inbox",
    "KnowsClosedPlaces",
    "KnowsDirects",
    "Lease",
    "Mailbox",
    "Model",
    "News",
    "NotifiesAsker",
    "Observed",
    "Part",
    "Platform",
    "Posted",
    "Presence",
    "PressResult",
    "Quota",
    "RateLimit",
    "ReadsOwn",
    "ReadsThread",
    "Receipt",
    "Request",
    "Room",
    "Said",
    "SharedRateLimits",
    "ShowsButtons",
    "ShowsStatus",
    "Signal",
    "StoredAnswer",
    "Throttle",
    "TurnStore",
    "Verdict",
    "Write",
]
