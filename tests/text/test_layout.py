"""What must hold for every text, every dialect and every way a text arrives in pieces."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.text import Dialect, Layout
from bot.text.blocks import Kind, outline
from bot.text.defuse import defuse
from bot.text.fences import three_backticks
from bot.text.graphemes import visible
from bot.text.measure import characters, utf8, utf16
from bot.text.tables import monospaced
from bot.text.wellformed import wellformed
from tests.text import nasty

DISCORD = Dialect("discord", 2000, utf16, lambda text: three_backticks(monospaced(text, 60)))
SLACK = Dialect("slack", 11_000, characters, defuse)
SLACK_LOW = Dialect("slack-low", 3900, utf8, defuse)
STRESS = [
    Dialect("tiny", 60, utf16, lambda text: text),
    Dialect("tiny-slack", 80, utf8, defuse),
    Dialect("tiny-discord", 120, utf16, lambda text: three_backticks(monospaced(text, 40))),
    Dialect("small", 300, characters, lambda text: text),
]
DIALECTS = [DISCORD, SLACK, SLACK_LOW, *STRESS]

by_name = st.sampled_from(DIALECTS + STRESS)
relaxed = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def balanced(page: str) -> bool:
    return all(block.closed for block in outline(page).blocks if block.kind is Kind.FENCE)


def check(layout: Layout, dialect: Dialect, pages: Sequence[str]) -> None:
    for page in pages:
        assert dialect.measure(page) <= dialect.limit
        assert visible(page)
        assert balanced(page), page
        page.encode("utf-8")
    covered = [layout.covered(count) for count in range(len(pages) + 1)]
    assert covered[0] == ""
    for before, after in itertools.pairwise(covered):
        assert after.startswith(before)
        assert len(after) > len(before)
    assert layout.source.startswith(covered[-1])


def laid_out(dialect: Dialect, text: str) -> list[str]:
    layout = Layout(dialect)
    layout.feed(text)
    return layout.pages(final=True)


PATHOLOGICAL = {
    "backticks": "`" * 10_000,
    "tildes": "~" * 10_000,
    "newlines": "\n" * 10_000,
    "newlines between": "a" + "\n" * 20_000 + "b",
    "null bytes": "\x00" * 5_000,
    "lone surrogates": "\ud800" * 5_000,
    "no space": "a" * 100_000,
    "flags": "🇩🇪" * 3_000,
    "combining marks": "e" + "\u0301" * 5_000,
    "joiners": "👩\u200d" * 3_000,
    "wide table": "| a " * 3_000 + "|\n" + "|---" * 3_000 + "|\n" + "| b " * 3_000 + "|",
    "long info string": "```" + "x" * 3_000 + "\ncode\n```",
    "brackets": "[" * 5_000,
    "quotes": "> " * 3_000 + "x",
    "nested list": "".join("  " * depth + "- item\n" for depth in range(80)),
    "empty code": "```\n" + "\n" * 5_000 + "x\n```",
    "stars": "**a" * 3_000,
    "address": "https://example.com/" + "x" * 5_000,
    "spaces": "a" + " " * 10_000 + "b",
}


def check_final(text: str, dialect: Dialect) -> None:
    layout = Layout(dialect)
    layout.feed(text)
    pages = layout.pages(final=True)
    check(layout, dialect, pages)
    assert layout.source == text
    assert bool(pages) == visible(wellformed(text))
    if pages:
        assert layout.covered(len(pages)) == text


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_pathological_texts_are_laid_out(name: str, dialect: Dialect) -> None:
    """What nobody writes on purpose is laid out in valid pages all the same, and in reasonable time."""
    check_final(PATHOLOGICAL[name], dialect)


@relaxed
@given(nasty.anything, by_name)
def test_final_pages_are_valid_and_cover_the_whole_text(text: str, dialect: Dialect) -> None:
    """Every final page is within the limit, balanced, visible and valid UTF-8, and together they cover it all."""
    check_final(text, dialect)


@relaxed
@given(nasty.anything, by_name, st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_every_version_on_the_way_is_valid(text: str, dialect: Dialect, sizes: list[int]) -> None:
    """However the text arrives, each version is valid, closed pages never change and no page ever goes away."""
    layout = Layout(dialect)
    pages: list[str] = []
    position = step = 0
    while position < len(text):
        size = sizes[step % len(sizes)]
        layout.feed(text[position : position + size])
        position, step = position + size, step + 1
        earlier, pages = pages, layout.pages()
        check(layout, dialect, pages)
        assert len(pages) >= len(earlier)
        assert pages[: max(0, len(earlier) - 1)] == earlier[:-1]
    earlier, pages = pages, layout.pages(final=True)
    check(layout, dialect, pages)
    assert pages[: max(0, len(earlier) - 1)] == earlier[:-1]
    assert layout.source == text
    if pages:
        assert layout.covered(len(pages)) == text
