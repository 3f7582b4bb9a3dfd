"""Lays hostile texts out, growing and whole, in every dialect: none may cost more than its length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from adapters.discord.rendering import rendered
from adapters.slack.rendering import MARKDOWN, MRKDWN, SHORT_MARKDOWN
from bot.text import Dialect, Layout, utf16
from tests.fuzz.cost import grows_too_fast
from tests.fuzz.hostile import repeated, units

DIALECTS = (MARKDOWN, SHORT_MARKDOWN, MRKDWN, Dialect("discord", 2_000, utf16, rendered))
STEPS = 8


def whole(dialect: Dialect, text: str) -> list[str]:
    """Lay the text out at once."""
    layout = Layout(dialect)
    layout.feed(text)
    return layout.pages(final=True)


def growing(dialect: Dialect, text: str) -> None:
    """Lay the text out as it comes, in pieces of one size, so that twice the text is looked at twice as often."""
    layout = Layout(dialect)
    step = 500
    for start in range(0, len(text), step):
        layout.feed(text[start : start + step])
        layout.pages()


WAYS: tuple[Callable[[Dialect, str], object], ...] = (whole, growing)


def failures(count: int, seed: int, length: int) -> Iterator[str]:
    """Yield a line for each text that costs more than its length."""
    for unit in units(count, seed):
        for dialect in DIALECTS:
            for way in WAYS:
                factor = grows_too_fast(partial(way, dialect), partial(repeated, unit), length)
                if factor:
                    yield f"{dialect.name}, {way.__name__}: twice as many {unit!r} cost {factor:.1f} times as much"


def run(count: int, seed: int) -> list[str]:
    """Try `count` random units of up to 32,000 characters; return what failed."""
    return list(failures(count, seed, 16_000))
