"""What must hold for every text, every dialect and every way a text arrives in pieces."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.slack.defusing import defuse
from bot.text import Dialect, Layout
from bot.text.blocks import Kind, outline
from bot.text.fences import three_backticks
from bot.text.graphemes import visible
from bot.text.measure import characters, utf8, utf16
from bot.text.tables import monospaced
from bot.text.validity import wellformed, without_controls
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

REALISTIC = """## Setting up a pool

First of all, **why pooling matters**: opening a connection for *every* request costs time. See [the documentation
on limits](https://example.com/docs/limits) for more.

1. Install the driver:
   ```bash
   pip install asyncpg
   ```
2. Create the pool once:

   ```python
   async def main() -> None:
       pool = await asyncpg.create_pool(dsn="postgresql://localhost/app")
       print(await pool.fetchval("SELECT 1"))
   ```
   - `min_size` connections are opened at once
     - each costs memory

| Setting | Default | When to change it |
|---|---:|---|
| `min_size` | 10 | Lower it for rarely used services |
| `max_size` | 10 | Raise it when requests wait |

> **Note:** a pool that is too large is slower than one that is too small.

"""

by_name = st.sampled_from(DIALECTS + STRESS)
relaxed = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def balanced(page: str) -> bool:
    """Whether every fence has its closing line, or was ended by the quote that it stands in."""
    blocks = outline(page).blocks
    return all(
        block.closed or (block.nested and block is not blocks[-1]) for block in blocks if block.kind is Kind.FENCE
    )


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


@pytest.mark.parametrize("dialect", [DISCORD, SLACK_LOW, STRESS[1]], ids=lambda dialect: dialect.name)
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
@given(nasty.anything, by_name, st.lists(st.integers(1, 80), min_size=1, max_size=8))
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


@relaxed
@given(nasty.document, st.sampled_from([DISCORD, *STRESS[3:]]), st.integers(10, 90))
def test_the_final_pages_do_not_depend_on_how_the_text_arrived(text: str, dialect: Dialect, size: int) -> None:
    """A reader sees the same messages whether the text came at once (after a crash) or bit by bit.

    Only a last page that fits to the letter may have been cut on the way, when what was open on it had to be closed.
    """
    layout = Layout(dialect)
    for position in range(0, len(text), size):
        layout.feed(text[position : position + size])
        layout.pages()
    streamed, whole = layout.pages(final=True), laid_out(dialect, text)
    last = len(whole) - 1
    assert streamed == whole or (streamed[:last] == whole[:last] and len(streamed) == len(whole) + 1)


@relaxed
@given(nasty.document, st.sampled_from([100, 150, 300]))
def test_what_must_stay_whole_stays_whole(text: str, limit: int) -> None:
    """Links, addresses, mentions, spoilers, code spans, words and emoji that fit a page are never cut."""
    pages = laid_out(Dialect("plain", limit, utf16, str), text)
    for whole in [*nasty.TOKENS, *(word for word in nasty.WORDS if " " not in word)]:
        assert sum(page.count(whole) for page in pages) >= text.count(whole), whole


@relaxed
@given(nasty.document, by_name)
def test_nothing_of_the_text_is_missing_from_the_pages(text: str, dialect: Dialect) -> None:
    """Every character that can be seen in the source is on the pages, as often and in the same order."""
    pages = iter("".join(laid_out(Dialect("plain", dialect.limit, dialect.measure, str), text)))
    # Fence lines and quote marks apart: those are repeated, and a closing line at the top of a page is left out.
    visible_ones = [char for char in without_controls(text) if not char.isspace() and char not in "`~>"]
    assert all(char in pages for char in visible_ones)


@relaxed
@given(nasty.anything, by_name, st.sampled_from(["(Response interrupted.)", "A longer note. " * 12, "<!channel> `x"]))
def test_a_trailer_stands_below_the_text(text: str, dialect: Dialect, trailer: str) -> None:
    """A trailer comes last, outside of any fence, and pages with one are as valid as those without."""
    layout = Layout(dialect)
    layout.feed(text)
    plain = layout.pages()
    pages = layout.pages(trailer=trailer)
    assert pages[: max(0, len(plain) - 1)] == plain[:-1]
    assert len(pages) >= len(plain)
    for page in pages:
        assert dialect.measure(page) <= dialect.limit
        assert visible(page)
        assert balanced(page)
    rendered = dialect.render(trailer).strip()
    assert layout.pages() == plain
    if dialect.measure(rendered) <= dialect.limit:
        assert pages[-1].endswith(rendered)
        blocks = outline(pages[-1]).blocks
        assert not blocks or blocks[-1].kind is Kind.TEXT


@relaxed
@given(nasty.anything, by_name, st.integers(0, 4), st.data())
def test_a_lower_limit_leaves_what_is_kept_and_lays_out_the_rest(
    text: str, dialect: Dialect, keep: int, data: st.DataObject
) -> None:
    """After a refusal the pages kept are the same, the rest is valid in the new dialect, and all is covered."""
    lower = Dialect("lower", data.draw(st.integers(60, 200)), utf8, dialect.render)
    layout = Layout(dialect)
    half = len(text) // 2
    layout.feed(text[:half])
    before = layout.pages()
    layout.feed(text[half:])
    layout.relimit(lower, keep)
    pages = layout.pages(final=True)
    kept = min(keep, len(before))
    assert pages[:kept] == before[:kept]
    for page in pages[kept:]:
        assert lower.measure(page) <= lower.limit
        assert visible(page)
        assert balanced(page)
    if pages:
        assert layout.covered(len(pages)) == text


def test_the_work_grows_with_the_length_and_not_with_its_square() -> None:
    """Twice the text in twice the pieces renders at most 2.2 times as many characters."""

    def work(length: int) -> int:
        rendered = 0

        def render(markdown: str) -> str:
            nonlocal rendered
            rendered += len(markdown)
            return markdown

        layout = Layout(Dialect("counting", 2000, utf16, render))
        text = (REALISTIC * (length // len(REALISTIC) + 1))[:length]
        for count, position in enumerate(range(0, length, 40)):
            layout.feed(text[position : position + 40])
            if count % 4 == 0:
                layout.pages()
        layout.pages(final=True)
        return rendered

    assert work(40_000) <= 2.2 * work(20_000)


def test_a_call_that_adds_nothing_looks_at_the_last_page_alone() -> None:
    """However long the text is, one more call renders no more than one page."""
    rendered: list[int] = []
    layout = Layout(Dialect("counting", 500, utf16, lambda text: rendered.append(len(text)) or text))
    layout.feed(REALISTIC * 20)
    layout.pages()
    rendered.clear()
    layout.feed("x")
    layout.pages()
    assert sum(rendered) <= 600


def test_an_empty_text_has_no_pages_but_its_trailer() -> None:
    """Nothing to see makes no message: platforms refuse blank ones."""
    layout = Layout(DISCORD)
    assert layout.pages() == []
    layout.feed(" \n\u200b\n")
    assert layout.pages(final=True) == []
    assert layout.pages(final=True, trailer="(Response interrupted.)") == ["(Response interrupted.)"]
    assert layout.covered(0) == ""


def test_surrogates_are_joined_across_pieces() -> None:
    """An emoji whose two halves arrive in two pieces is shown whole, and never as half of one."""
    layout = Layout(DISCORD)
    layout.feed("a \ud83d")
    assert layout.pages() == ["a"]
    layout.feed("\ude00 b")
    assert layout.pages() == ["a 😀 b"]
    assert layout.source == "a \ud83d\ude00 b"
    layout.feed("\ud83d")
    assert layout.pages(final=True) == ["a 😀 b\ufffd"]
