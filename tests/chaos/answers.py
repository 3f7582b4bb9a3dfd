"""What Claude says in the chaos: words that name the request they belong to, and streams that break now and then.

An answer to request 17 reads `r17w0 r17w1 ... r17end`: whoever finds a word on a screen or in the store knows which
attempt wrote it, what was asked, and whether the answer is whole.
"""

from __future__ import annotations

import dataclasses
import random
import re
import time
from collections import Counter

from sandbox.claude.script import CATALOGUE, Asked, Script
from sandbox.claude.validation import text_of

QUESTION = re.compile(r"\[(q\d+)\]")
WORDING = re.compile(r"\[(e\d+)\]")
WORD = re.compile(r"r(\d+)(?:w(\d+)|end)\b")

SHOUTS = ("@everyone", "@here", "<!channel>", "<@&1>")
"""What would ping many, if it were let; strewn over some answers."""

BEFORE_TEXT = ("overloaded", "rate_limited", "server_error", "unavailable", "reset_early", "bad_gateway_html", "reset")
AFTER_TEXT = ("reset", "drop", "cut", "end", "overloaded_event", "api_error_event", "bad_json", "bad_chunk")


@dataclasses.dataclass(frozen=True, slots=True)
class Said:
    """One request, and what the answer to it is when it is whole.

    Args:
        number: which one it was.
        questions: what it asked, in order.
        wordings: the edits that what it asked had seen.
        history: who said what before, and the question.
        at: Unix s at which it was made.
        text: the whole answer.
        broken: whether the stream breaks before that.
    """

    number: int
    questions: tuple[str, ...]
    wordings: frozenset[str]
    history: tuple[tuple[str, str], ...]
    at: float
    text: str
    broken: bool


class Claude:
    """The handler for the stand-in.

    Args:
        seed: the same questions get answers of the same form whenever they are asked.
        breaks: the share of streams that break.
        long: the share of answers that fill more than one message.
        shouts: the share of answers with a word in them that would ping many.
    """

    def __init__(self, seed: int, *, breaks: float = 0.15, long: float = 0.04, shouts: float = 0.2) -> None:
        self.said: dict[int, Said] = {}
        self._seed = seed
        self._breaks = breaks
        self._long = long
        self._shouts = shouts
        self._times: Counter[tuple[str, ...]] = Counter()

    def __call__(self, asked: Asked) -> Script | None:
        """The script of one request; None for what the chaos did not ask."""
        questions = tuple(dict.fromkeys(QUESTION.findall(asked.question)))
        if not questions:
            return None
        self._times[questions] += 1
        chance = random.Random(f"{self._seed}:{questions}:{self._times[questions]}")  # noqa: S311
        count = chance.randint(300, 500) if chance.random() < self._long else chance.randint(8, 60)
        words = [f"r{asked.number}w{n}" for n in range(count)]
        if chance.random() < self._shouts:
            words.insert(chance.randrange(count), chance.choice(SHOUTS))
        text = " ".join([*words, f"r{asked.number}end"])
        breaks = chance.random() < self._breaks
        self.said[asked.number] = Said(
            asked.number,
            questions,
            frozenset(WORDING.findall(asked.question)),
            tuple((message["role"], text_of(message["content"])) for message in asked.body["messages"]),
            time.time(),
            text,
            breaks,
        )
        pace = {"chunk": chance.choice((5, 11, 24)), "rate": chance.choice((15.0, 30.0, 60.0))}
        pace["first_delay"] = chance.choice((0.0, 0.0, 0.2, 1.0))
        if count > 100:
            pace |= {"chunk": 60, "rate": 30.0}
        if not breaks:
            return Script(text=text, **pace)
        if chance.random() < 0.4:
            return Script(text=text, fault=CATALOGUE[chance.choice(BEFORE_TEXT)], **pace)
        fault = dataclasses.replace(CATALOGUE[chance.choice(AFTER_TEXT)], at=chance.randint(1, len(text) - 1))
        return Script(text=text, fault=fault, **pace)

    def words_in(self, text: str) -> list[str]:
        """The words of requests that stand in a text, in order."""
        return [match[0] for match in WORD.finditer(text)]

    def requests_in(self, text: str) -> list[int]:
        """The requests whose words stand in a text, in order, each once."""
        return list(dict.fromkeys(int(match[1]) for match in WORD.finditer(text)))
