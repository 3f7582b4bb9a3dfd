"""A running turn outlives a server that forgets it: one that came back empty, or with less than it had acknowledged.

Whoever runs the turn knows all of it, and puts it back when the server says that it holds nothing. Never where another
worker has the turn, or had it: what says so is kept longer than any worker runs a turn.
"""

from __future__ import annotations

import functools
import json
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from bot.errors import LeaseLost
from bot.ports import Claim
from bot.store import codec, rules
from bot.store.link import Argument

_log = logging.getLogger(__name__)


class Restores(Protocol):
    """A store that can put a claim back."""

    async def restore(self, claim: Claim) -> bool:
        """Put back a claim of which nothing is known; returns whether that was so."""
        ...


_S = TypeVar("_S", bound=Restores)
_P = ParamSpec("_P")
_T = TypeVar("_T")


def restoring(
    method: Callable[Concatenate[_S, Claim, _P], Awaitable[_T]],
) -> Callable[Concatenate[_S, Claim, _P], Coroutine[Any, Any, _T]]:
    """Let a step of a claim be done again once the claim was put back."""

    @functools.wraps(method)
    async def step(store: _S, claim: Claim, /, *args: _P.args, **more: _P.kwargs) -> _T:
        try:
            return await method(store, claim, *args, **more)
        except LeaseLost:
            # Who ran, or slept, for that long cannot tell any more whether another had the turn.
            if time.monotonic() > claim.lease_until + rules.SEEN_TTL / 2 or not await store.restore(claim):
                raise
            _log.warning("the store forgot a running turn, which is put back", extra={"conversation": str(claim.key)})
            return await method(store, claim, *args, **more)

    return step


def restoration(claim: Claim, lease: float) -> Iterable[Argument]:
    """What the script `restore` takes after the token; `lease` in seconds."""
    flight: dict[str | bytes, Argument] = {
        "ids": json.dumps([message.id for message in claim.messages]),
        "turn": claim.turn_id,
        "token": claim.token,
        "claims": claim.claims,
        "takes": claim.takes,
        "attempts": claim.attempts,
        "first": round(claim.first_claimed_at * 1000),
        "place": codec.place_to_bytes(claim.place),
        "shown": claim.shown,
        **{f"settled:{attempt}": attempt for attempt in claim.settled},
        "after": codec.to_bytes(claim.after or ""),
    }
    flight |= {b"part:" + codec.part_to_bytes(part): n for n, part in enumerate(claim.parts, 1)}
    flight |= {f"posted:{part.attempt}": 1 for part in claim.parts}
    if claim.parts:
        flight |= {"parts": len(claim.parts), "newest": codec.to_bytes(claim.parts[-1].ref.id)}
    if claim.outcome is not None:
        flight["outcome"] = codec.outcome_to_bytes(claim.outcome)
    yield from (round(lease * 1000), round(rules.FENCE_TTL * 1000), round(rules.SEEN_TTL * 1000), len(flight))
    for name, value in flight.items():
        yield from (name, value)
    for message in claim.messages:
        yield from (codec.to_bytes(message.id), repr(message.sent_at), b"." + codec.message_to_bytes(message))
