"""What the scripts answer, as nouns. What cannot be read is left out, so that a thread is never stuck behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from bot.conversation import Message, Place, Rating, ThreadKey, Turn
from bot.ports import Claim, Signal
from bot.store import codec
from bot.store.codec import UnreadableError, to_text

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


def claim(
    installation: str, until: float, thread: bytes, flat: list[bytes], records: list[Any], turns: list[bytes]
) -> Claim:
    """Build a claim.

    Args:
        installation: whose it is.
        until: the lease's end by the local monotonic clock, s.
        thread: the thread's key.
        flat: the turn's hash, names and values in turn.
        records: a message's record and its new text (None mostly), in turn.
        turns: the history.
    """
    flight = dict(zip(flat[::2], flat[1::2], strict=True))
    read = tuple(messages(records))
    parts = sorted((int(order), name[5:]) for name, order in flight.items() if name.startswith(b"part:"))
    place = _read(codec.place_from_bytes, flight.get(b"place"))
    return Claim(
        key=ThreadKey.parse(to_text(thread)),
        installation=installation,
        turn_id=to_text(flight[b"turn"]),
        token=to_text(flight[b"token"]),
        claims=int(flight[b"claims"]),
        takes=max(int(flight[b"claims"]), int(flight.get(b"takes", 0))),
        attempts=int(flight.get(b"attempts", 0)),
        messages=read,
        place=place or (read[-1].place if read else Place("")),
        parts=tuple(part for _, record in parts if (part := _read(codec.part_from_bytes, record))),
        shown=int(flight.get(b"shown", 0)),
        settled=frozenset(int(name[8:]) for name in flight if name.startswith(b"settled:")),
        outcome=_read(codec.outcome_from_bytes, flight.get(b"outcome")),
        stopped=b"stop" in flight,
        history=history(turns),
        lease_until=until,
        first_claimed_at=int(flight[b"first"]) / 1000,
        after=to_text(flight.get(b"after", b"")) or None,
    )


def messages(records: list[Any]) -> Iterable[Message]:
    """Decode messages: a record and its new text (None mostly), in turn."""
    for record, text in zip(records[::2], records[1::2], strict=True):
        if record is None:
            _log.error("left out: a message whose record is gone")
        elif message := _read(codec.message_from_bytes, record[1:]):
            yield message if text is None else replace(message, text=to_text(text))


def signal(text: bytes) -> Signal:
    """Read what was published; nothing is what a new subscription says."""
    kind, _, about = text.partition(b" ")
    if kind == b"amended":
        return Signal("amended", ThreadKey.parse(to_text(about)))
    if kind == b"deleted":
        id_, _, thread = about.partition(b" ")
        return Signal("deleted", ThreadKey.parse(to_text(thread)), to_text(id_))
    return Signal("ready")


def history(records: list[bytes]) -> tuple[Turn, ...]:
    """Decode a thread's turns, oldest first."""
    return tuple(turn for record in records if (turn := _read(codec.turn_from_bytes, record)))


def places(records: list[bytes]) -> tuple[Place, ...]:
    """Decode places."""
    return tuple(place for record in records if (place := _read(codec.place_from_bytes, record)))


def ratings(found: Any) -> dict[str, Rating]:
    """Decode what people think of an answer, by their ids."""
    pairs = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
    return {to_text(user): read for user, record in pairs if (read := _read(codec.rating_from_bytes, record))}


def _read(decode: Callable[[bytes], _T], record: bytes | None) -> _T | None:
    try:
        return None if record is None else decode(record)
    except UnreadableError as error:
        _log.error("left out: %s", error)
        return None
