"""The numbers and the small decisions that both stores share; no I/O."""

from __future__ import annotations

import re
from base64 import b32encode
from secrets import token_bytes
from typing import Final

from bot.conversation import Message, Place

SEEN_TTL: Final = 24 * 3600.0
"""Seconds a message id is remembered: the platforms' redeliveries and our own backfill end well before."""

MAIL_TTL: Final = 7 * 24 * 3600.0
"""Seconds what waits is kept while nobody can answer it."""

CURSOR_TTL: Final = 30 * 24 * 3600.0
"""Seconds a backfill cursor is kept after it moved last."""

EARLY_TTL: Final = 600.0
"""Seconds an edit or a deletion waits for its message: Slack delivers the last time after about six minutes."""

OWNER_TTL: Final = 400 * 24 * 3600
"""Seconds for which plain names belong to a bot that does not run."""

FENCE_TTL: Final = 24 * 3600.0
"""Seconds it is remembered what became of a claim, so that a late repetition is told."""

FURTHEST: Final = 300.0
"""Seconds that no lease and no delay exceeds: what ends later was stored before the server's clock was set back."""

REPEAT_TTL: Final = 60.0
"""Seconds it is remembered what a change answered: the client sends again within a few what lost its answer."""

PING_TTL: Final = 60.0
"""Seconds the key is kept by which a server shows that it takes writes."""

MAX_TURNS: Final = 1000
"""Turns of history a thread keeps; past it the oldest quarter goes at once."""

MAX_HISTORY_BYTES: Final = 4_000_000
"""Bytes of history a thread keeps, about a million tokens; past it the oldest go likewise."""

MAX_DIRECTS: Final = 100
"""Channels of direct messages that are remembered for backfill, an installation."""

MAX_RUN: Final = 50
"""Waiting messages that one turn answers together; the rest is the next turn's."""

MAX_TEXT: Final = 1_000_000
"""Characters of one message, or of one broken stream, that are kept."""

WAITS_AFTER: Final = 0.3
"""Seconds after which a message that nobody claimed waits: a worker with a free hand takes it much sooner."""

STATUSES_A_SECOND: Final = 5
"""Statuses that all workers of an installation show for those who wait; Slack allows ten."""

MAX_STATUSES: Final = 100
"""Threads at the head of the line that may have one."""

_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")


def new_turn_id() -> str:
    """Return 13 characters of [a-z2-7]: 64 bits, and short enough for a nonce of 25 with a part's number."""
    return b32encode(token_bytes(8)).decode().rstrip("=").lower()


def lanes(message: Message) -> tuple[tuple[str, int], ...]:
    """What a message waits in line with, and by how much two turns of it are apart: person, channel, workspace.

    Whoever waits has a round; the head of the line has the lowest, and who comes new begins there, however long the
    others have waited: ten questions of one person stand in ten rounds. A turn comes when each lane allows it. Who is
    ahead of the pace of an earlier lane uses up nothing of the later ones: a person who floods a channel delays himself
    there and not the others, and a busy channel not its workspace. Nothing of it matters while nobody waits.
    """
    return (
        (f"u:{message.author.id}", 10),
        (f"c:{message.place.channel}", 10),
        (f"w:{message.key.tenant}", 1),
    )


def spot(place: Place) -> str:
    """Where a status for a place shows: its conversation, or the channel (which ends with a colon)."""
    return f"{place.channel}:{place.thread or ''}"


def decimal(value: str) -> tuple[int, str, str]:
    """Return what orders decimal numbers of any size without losing a digit; raises ValueError for other text."""
    if not _DECIMAL.fullmatch(value):
        raise ValueError(f"not a decimal number: {value!r:.40}")
    whole, _, fraction = value.partition(".")
    whole = whole.lstrip("0")
    return len(whole), whole, fraction
