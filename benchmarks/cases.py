"""The situations in which `reader` looks at the bot, and what Claude answers in them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from sandbox.claude.script import Script
from tests.stages.policies import PLAIN

FAST, SLOW = 0.15, 1.5
"""Seconds a platform's call takes: on a good day and on a bad one."""


@dataclass(frozen=True, slots=True)
class Case:
    """One situation.

    Args:
        where: as `Venue` names it.
        streams: answers at once.
        seconds: how long each streams.
        latency: seconds a call takes.
        gap: seconds from one question to the next.
        stall: seconds in which nothing comes, in the middle.
        chars: characters of one answer.
        halved: whether half of the limits is granted without a word.
        plain: which plain policies run beside ours.
        note: what the table calls what is special.
    """

    where: str
    streams: int
    seconds: float = 15.0
    latency: float = FAST
    gap: float = 0.0
    stall: float = 0.0
    chars: int = 1800
    halved: bool = False
    plain: tuple[str, ...] = ()
    note: str = ""

    @property
    def name(self) -> str:
        """How the table calls it."""
        latency = f"{self.latency * 1000:.0f} ms"
        return f"{self.where}, {self.streams} x {self.seconds:.0f} s, {latency}{', ' if self.note else ''}{self.note}"

    def script(self, number: int) -> Script:
        """What Claude answers to one question: prose at 30 deltas a second, every second answer at 60."""
        rate = 60.0 if number % 2 else 30.0
        pieces = prose(self.chars, round(self.seconds * rate), seed=number)
        return Script(pieces=pieces, rate=rate, stall=self.stall, stall_at=self.chars // 2 if self.stall else None)


ALL = tuple(PLAIN)
CASES = [
    *(Case("slack", number, plain=ALL) for number in (1, 5, 10, 20)),
    *(Case("slack", number, latency=SLOW, plain=ALL if number == 10 else ()) for number in (1, 5, 10, 20)),
    Case("slack", 10, gap=3.0, plain=ALL, note="staggered"),
    Case("slack", 1, 45.0, chars=5400, plain=ALL, note="long stream"),
    Case("slack", 1, 15.0, stall=4.0, plain=ALL, note="4 s stall"),
    Case("slack", 1, 20.0, chars=30_000, plain=("every 1.2 s",), note="several messages"),
    Case("slack", 10, 5.0, chars=600, plain=ALL, note="ending together"),
    Case("slack threads", 10, note="one channel"),
    Case("slack", 10, 30.0, chars=3600, halved=True, note="limits secretly halved"),
    *(Case("discord channel", number, plain=ALL) for number in (1, 5, 10, 20)),
    *(Case("discord channel", number, latency=SLOW) for number in (1, 5, 10, 20)),
    *(Case("discord threads", number, plain=("every 1 s", "every 1.2 s") if number == 10 else ())
      for number in (1, 5, 10, 20)),
    *(Case("discord threads", number, latency=SLOW) for number in (1, 5, 10, 20)),
    Case("discord threads", 1, 15.0, stall=4.0, note="4 s stall"),
    Case("discord threads", 1, 20.0, chars=12_000, plain=("every 1.2 s",), note="several messages"),
    Case("discord channel", 10, 5.0, chars=600, note="ending together"),
    Case("discord threads", 5, 20.0, chars=2400, halved=True, note="limits secretly halved"),
    Case("discord channel", 5, 20.0, chars=2400, halved=True, note="limits secretly halved"),
]  # fmt: skip
QUICK = [
    Case("slack", 1, 8.0, chars=960, plain=("every 1.2 s",)),
    Case("slack", 1, 10.0, stall=4.0, chars=960, plain=("every 1.2 s",), note="4 s stall"),
    Case("slack", 10, 8.0, chars=960, plain=("every 1.2 s",)),
    Case("slack", 10, 5.0, chars=600, note="ending together"),
    Case("discord channel", 5, 8.0, chars=960, plain=("every 1.2 s",)),
    Case("discord threads", 5, 8.0, chars=960),
    Case("discord threads", 1, 8.0, chars=6000, note="several messages"),
]


def prose(chars: int, pieces: int, seed: int) -> tuple[str, ...]:
    """Paragraphs of words that are not repeated, in about `pieces` pieces of varying length; the same for a seed."""
    dice = random.Random(seed)
    words: list[str] = []
    length = 0
    while length < chars:
        word = "".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(3, 9)))
        words.append(word + (".\n\n" if len(words) % 60 == 59 else ". " if len(words) % 12 == 11 else " "))
        length += len(words[-1])
    text = "".join(words)[:chars].rstrip()
    mean = max(1.0, len(text) / pieces)
    cut: list[str] = []
    at = 0.0
    while at < len(text):
        step = max(1.0, mean * dice.uniform(0.4, 1.6))
        cut.append(text[int(at) : int(at + step)])
        at += step
    return tuple(piece for piece in cut if piece)
