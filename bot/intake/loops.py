"""Two bots that answer each other: after a few answers in a minute ours says so and falls silent. Pure."""

from __future__ import annotations

import enum
from collections import OrderedDict, deque
from collections.abc import Callable

ANSWERS, WITHIN = 3, 60.0
"""Answers to one bot in one conversation, and the seconds in which there may be no more."""

SILENCE = 600.0
"""Seconds for which a bot that asked too often is not answered."""

KEPT = 10_000
"""Pairs of a bot and a conversation that are remembered."""


class Verdict(enum.Enum):
    """What becomes of a bot's message."""

    ANSWER = "answer"
    SAY_SO = "say so"
    IGNORE = "ignore"


class LoopBreaker:
    """Counts how often other bots ask.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._asked: OrderedDict[tuple[str, str], deque[tuple[float, str]]] = OrderedDict()
        self._silent_until: dict[tuple[str, str], float] = {}

    def judge(self, author: str, where: str, message: str) -> Verdict:
        """Judge a message of a bot. The same message may come twice: it counts once.

        Args:
            author: the bot's id.
            where: the channel it asks in.
            message: the message's id.
        """
        pair, now = (author, where), self._clock()
        if self._silent_until.get(pair, 0.0) > now:
            return Verdict.IGNORE
        asked = self._asked.setdefault(pair, deque())
        self._asked.move_to_end(pair)
        while asked and asked[0][0] <= now - WITHIN:
            asked.popleft()
        if any(message == known for _, known in asked):
            return Verdict.ANSWER
        if len(asked) < ANSWERS:
            asked.append((now, message))
            self._forget()
            return Verdict.ANSWER
        del self._asked[pair]
        self._silent_until[pair] = now + SILENCE
        return Verdict.SAY_SO

    def _forget(self) -> None:
        while len(self._asked) > KEPT:
            self._asked.popitem(last=False)
        if len(self._silent_until) > KEPT:
            now = self._clock()
            self._silent_until = {pair: until for pair, until in self._silent_until.items() if until > now}
