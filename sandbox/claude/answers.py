"""What the stand-in says when nobody told it: real-looking Markdown, the same for the same question and seed.

Words in the question steer it: `short`, `long`, `very long`, `code`, `table`, `list`, `think`, and `fault:NAME`,
which makes the first answer to that question go wrong in the named way.
"""

from __future__ import annotations

import dataclasses
import random
import re

from sandbox.claude.script import CATALOGUE, Asked, Script

_FAULT = re.compile(r"\bfault:([a-z_0-9]+)(?:@(\d{1,6}))?")

_OPENINGS = (
    "Good question.",
    "Short answer: yes, with one caveat.",
    "It depends on two things.",
    "Here is how I would go about it.",
    "Let me take this step by step.",
)
_SUBJECTS = (
    "The queue",
    "A worker",
    "The cache",
    "Each request",
    "The scheduler",
    "A good default",
    "The reader",
    "The log",
)
_VERBS = ("keeps", "hides", "shows", "needs", "holds", "pays for", "waits for", "remembers")
_OBJECTS = (
    "only what it cannot compute again",
    "the *newest* value and nothing else",
    "a **clear** owner, or it will leak",
    "more time than anyone expects — measure it",
    "one lock less than you think",
    "its own failures, so that nobody else must",
    "a limit (`max_size=512` is plenty)",
    "the difference between slow and stuck",
    "café-sized inputs, 日本語, and the odd 🧑‍🚀",
)
_BECAUSE = (
    "which is why the first version is rarely the last",
    "because the network decides, not you",
    "and that is usually enough",
    "so start there",
    "see [the notes](https://example.com/notes) for the details",
    "unless two of them run at once",
)
_ITEMS = (
    "Measure first",
    "Change one thing",
    "Write the test",
    "Read the error",
    "Keep the old path",
    "Delete the flag",
)

_CODE = '''```python
async def drain(queue: asyncio.Queue[str], limit: int = {number}) -> list[str]:
    """Take what is there, at most `limit`, without waiting."""
    taken: list[str] = []
    while len(taken) < limit and not queue.empty():
        taken.append(queue.get_nowait())
    return taken
```'''


def default_script(asked: Asked, seed: int, seen: set[str]) -> Script:
    """The answer to a question nobody scripted.

    Args:
        asked: the request.
        seed: another seed gives other answers.
        seen: questions that were answered with a fault already; the fault is not repeated for them.
    """
    question = asked.question
    script = Script(text=compose(question, seed))
    if re.search(r"\bthink\b", question, re.IGNORECASE):
        script = dataclasses.replace(script, thinking=3.0)
    fault = _FAULT.search(question)
    if fault and fault[1] in CATALOGUE and question not in seen:
        seen.add(question)
        at = int(fault[2]) if fault[2] else len(script.text) // 3
        script = dataclasses.replace(script, fault=dataclasses.replace(CATALOGUE[fault[1]], at=at))
    return script


def compose(question: str, seed: int = 0) -> str:
    """Return Markdown that could be an answer to `question`: paragraphs, and a list, code and a table as it asks."""
    dice = random.Random(f"{seed}:{question}")  # noqa: S311 - an answer to look at, not a secret
    words = question.lower()
    if "short" in words:
        return f"{dice.choice(_OPENINGS)} {_sentence(dice)}"
    sections = 40 if "very long" in words else 10 if "long" in words else 2
    wanted = [kind for kind in ("code", "table", "list") if kind in words]
    parts = [f"{dice.choice(_OPENINGS)} {_paragraph(dice)}"]
    for number in range(1, sections + 1):
        if sections > 2:
            parts.append(f"## {number}. {dice.choice(_ITEMS)}")
        parts.append(_paragraph(dice))
        kind = wanted[(number - 1) % len(wanted)] if wanted else dice.choice(("list", "code", "table", "", ""))
        if kind:
            parts.append({"list": _list, "code": _code, "table": _table}[kind](dice))
    parts.append(f"> {_sentence(dice)}")
    return "\n\n".join(parts)


def _sentence(dice: random.Random) -> str:
    return f"{dice.choice(_SUBJECTS)} {dice.choice(_VERBS)} {dice.choice(_OBJECTS)}, {dice.choice(_BECAUSE)}."


def _paragraph(dice: random.Random) -> str:
    return " ".join(_sentence(dice) for _ in range(dice.randint(2, 4)))


def _list(dice: random.Random) -> str:
    items = dice.sample(_ITEMS, 4)
    return "\n".join(
        f"{number}. **{item}**: {_sentence(dice)}" + (f"\n   - {_sentence(dice)}" if number == 2 else "")
        for number, item in enumerate(items, 1)
    )


def _code(dice: random.Random) -> str:
    return _CODE.format(number=dice.choice((16, 64, 256)))


def _table(dice: random.Random) -> str:
    rows = "\n".join(
        f"| {subject} | {dice.randint(1, 900)} ms | {dice.choice(('yes', 'no', 'ｍａｙｂｅ', '✅'))} |"
        for subject in dice.sample(_SUBJECTS, 4)
    )
    return f"| What | p99 | Safe to retry |\n|---|---:|:---:|\n{rows}"
