"""Arrivals to replay: when each delta of an answer came, and how much text it brought. Synthetic ones are seeded."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English text (Anthropic's documentation on tokens)."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One answer's arrival.

    Args:
        name: how tables call it.
        deltas: (seconds since the question, characters), in order of time.
    """

    name: str
    deltas: tuple[tuple[float, int], ...]

    @property
    def first(self) -> float:
        """When the first delta came."""
        return self.deltas[0][0]

    @property
    def last(self) -> float:
        """When the last delta came, which is when the stream ended."""
        return self.deltas[-1][0]

    @property
    def chars(self) -> int:
        """How many characters came."""
        return sum(chars for _, chars in self.deltas)

    def later(self, seconds: float) -> Trace:
        """The same arrival, asked for that much later."""
        return Trace(self.name, tuple((at + seconds, chars) for at, chars in self.deltas))


def steady(seconds: float, tokens_per_second: float = 30.0, seed: int = 0) -> Trace:
    """Tokens of varying length at nearly even times."""
    random_ = random.Random(seed)  # noqa: S311 - no secret
    gap = 1.0 / tokens_per_second
    deltas = [
        (max(0.0, index * gap + random_.uniform(-0.3, 0.3) * gap), random_.randint(1, 2 * CHARACTERS_PER_TOKEN - 1))
        for index in range(max(2, round(seconds * tokens_per_second)))
    ]
    return Trace(f"steady {tokens_per_second:.0f}/s", _rebased(deltas))


def bursty(seconds: float, tokens_per_second: float = 30.0, seed: int = 0) -> Trace:
    """Pauses of 0.2 to 1.5 s, and after each what was written meanwhile, all at once."""
    random_ = random.Random(seed)  # noqa: S311 - no secret
    deltas: list[tuple[float, int]] = []
    at, pause = 0.0, 0.1
    while at < seconds:
        tokens = max(1, round(pause * tokens_per_second))
        deltas += [(at + 0.004 * index, random_.randint(1, 2 * CHARACTERS_PER_TOKEN - 1)) for index in range(tokens)]
        pause = random_.uniform(0.2, 1.5)
        at += pause
    return Trace("bursty", _rebased(deltas))


def stalled(seconds: float, stall: float = 4.0, tokens_per_second: float = 30.0, seed: int = 0) -> Trace:
    """Steady, but nothing comes for `stall` s in the middle; `seconds` in all."""
    even = steady(seconds - stall, tokens_per_second, seed).deltas
    half = len(even) // 2
    return Trace("stalled", even[:half] + tuple((at + stall, chars) for at, chars in even[half:]))


def thinking(seconds: float, thought: float = 6.0, tokens_per_second: float = 60.0, seed: int = 0) -> Trace:
    """Nothing for `thought` s, then steady for `seconds`."""
    return Trace("thinking", steady(seconds, tokens_per_second, seed).later(thought).deltas)


def recorded(path: Path) -> Trace:
    """Read a JSON list of [seconds, characters]; raises ValueError or OSError when it is none."""
    pairs = json.loads(path.read_text())
    return Trace(path.stem, _rebased([(float(at), int(chars)) for at, chars in pairs]))


def _rebased(deltas: list[tuple[float, int]]) -> tuple[tuple[float, int], ...]:
    begin = deltas[0][0]
    times = accumulate((at - begin for at, _ in deltas), max)
    return tuple(zip(times, (chars for _, chars in deltas), strict=True))
