"""When an interim edit is worth a call, for one reply that can afford an edit every `spacing` seconds. Pure.

Waiting lets one edit show more; going now lets readers wait less. An even flow is shown best every `spacing`
seconds, that is once rate * spacing characters are unseen. Text that comes in clumps is shown best right after a
clump, when nothing more will come for a while: within a clump an edit waits for its end, and at its end less text is
enough, by what an ordinary pause would add. In a stall all that has arrived is shown, and then nothing is spent.
"""

from __future__ import annotations

import math
from typing import Final

from bot.pacing.live_reply import LiveReply

_CLUMP: Final = 1.4
_QUIET_GAPS: Final = 3.5
_LEAST_QUIET: Final = 0.02
_SHARE_OF_PAUSE: Final = 1.0
_STALL_PAUSES: Final = 3.0
_STALL_SPACINGS: Final = 0.3
_SOON: Final = 0.01


def when_to_edit(live_reply: LiveReply, spacing: float, now: float) -> tuple[float, float]:
    """When to edit.

    Args:
        live_reply: the reply; something is unseen.
        spacing: seconds between two of its edits that its buckets afford; 0 when nothing limits it.
        now: seconds.

    Returns:
        `now` if an edit is worth it, else when to look again; and how many characters unseen are reason to look
        earlier.
    """
    rate, clumped = live_reply.rate(now), live_reply.clumped()
    silence, gap, pause = live_reply.silence(now)
    unseen = live_reply.unseen
    quiet = max(_QUIET_GAPS * gap, _LEAST_QUIET)
    stall = max(_STALL_SPACINGS * spacing, _STALL_PAUSES * pause, quiet)
    enough = spacing * (clumped if clumped > _CLUMP * rate else rate)
    enough_at_rest = rate * (spacing - _SHARE_OF_PAUSE * pause)
    if unseen >= enough or silence >= stall:
        return now, math.inf
    if unseen < enough_at_rest:
        return now + max(_SOON, stall - silence), min(enough, enough_at_rest)
    if silence >= quiet:
        return now, math.inf
    return now + max(_SOON, quiet - silence), enough
