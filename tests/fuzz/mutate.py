"""Payloads made odd: values of another type, missing, doubled, huge, deep, or cut. Seeded."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e308, 10**30, "", "x", "\ud800", "\x00", "<@U1>", "0.0", "1e9", "NaN", [], {},
    [None], [[]],
    {"a": 1}, ["x", 5, None], {"type": "message"}, "x" * 5_000,
)  # fmt: skip


def mutated(payload: Any, chance: random.Random) -> Any:
    """Return a copy of a payload with one to three of its values made odd."""
    odd = copy.deepcopy(payload)
    for _ in range(chance.randint(1, 3)):
        spots = list(_spots(odd))
        if not spots:
            return chance.choice(ODD)
        holder, name = chance.choice(spots)
        match chance.randrange(6):
            case 0:
                del holder[name]
            case 1:
                holder[name] = [holder[name]]
            case 2:
                holder[name] = {"message": holder[name], "channel": holder[name]}
            case _:
                holder[name] = copy.deepcopy(chance.choice(ODD))
    return odd


def cut(body: bytes, chance: random.Random) -> bytes:
    """Return bytes that are no JSON: cut, doubled, with a byte changed, or nested without end."""
    match chance.randrange(5):
        case 0:
            return body[: chance.randrange(len(body))]
        case 1:
            return body + body
        case 2:
            spot = chance.randrange(len(body))
            return body[:spot] + bytes([chance.randrange(256)]) + body[spot + 1 :]
        case 3:
            return b"[" * 20_000
        case _:
            return bytes(chance.randrange(256) for _ in range(chance.randrange(200)))


def dumped(payload: Any) -> bytes:
    """Return JSON, with what JSON cannot hold spelt as Python does (NaN)."""
    return json.dumps(payload).encode()


def _spots(value: Any, depth: int = 0) -> Any:
    if depth > 8:
        return
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield value, name
        yield from _spots(inner, depth + 1)
