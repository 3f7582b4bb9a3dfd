"""Claude's Markdown in Discord's own form: what is written, what a reader would have seen wrong, and what stays."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.rendering import rendered
from bot.text import Dialect, Layout, utf16
from tests.fuzz.hostile import TOKENS

DISCORD = Dialect("discord", 2_000, utf16, rendered)


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("#### Setup", "**Setup**"),
        ("###### **Bold** words ##", "**Bold** words"),
        ("## so ##\n#### C#", "## so\n**C#**"),
        ("Title\n=====\n\nMore.", "# Title\n\nMore."),
        ("Two\nlines\n---\nx", "## Two lines\nx"),
        ("> #### Quoted", "> **Quoted**"),
        ("See [https://example.org/a](https://example.org/a).", "See https://example.org/a."),
        ("[example.org/](example.org)", "example.org"),
        ("[https://good.example](https://other.example)", "https://good.example (https://other.example)"),
        ("[docs](https://example.org \"title\")", "[docs](https://example.org \"title\")"),
        ("![chart](https://x.example/c.png)", "[chart](https://x.example/c.png)"),
        ("![](https://x.example/c.png)", "https://x.example/c.png"),
        ("if a || b || c", "if a \\|\\| b \\|\\| c"),
        ("||a spoiler|| and a ||| b", "||a spoiler|| and a \\|\\|\\| b"),
        ("__bold__, _slanted_ and ___both___", "**bold**, _slanted_ and **_both_**"),
        ("snake__case__name and __init__.py", "snake__case__name and **init**.py"),
        ("- [ ] to do\n- [x] done\n  1. [X] below", "- ☐ to do\n- ☑ done\n  1. ☑ below"),
        ("an [x] and [ ] in words", "an [x] and [ ] in words"),
        ("one<br>two<BR />three", "one\ntwo\nthree"),
        ("- one<br>two", "- one\n  two"),
        (">>> print(1)\n1", "\\>>> print(1)\n1"),
        ("Run:\n\n>>> a\n>>> b\n\nEnd.", "Run:\n\n\\>>> a\n\\>>> b\n\nEnd."),
    ],
)  # fmt: skip
def test_what_discord_takes_otherwise_is_written_in_its_form(markdown: str, shown: str) -> None:
    """What Claude means is what a reader on Discord sees."""
    assert rendered(markdown) == shown


@pytest.mark.parametrize("code", [">>> print(1)", "a || b || c", "#### x", "__init__", "- [ ] x", "[u](u)", "a<br>b"])
def test_code_stays_as_it_is(code: str) -> None:
    """In a code block and in a code span nothing is translated."""
    assert rendered(f"```\n{code}\n```") == f"```\n{code}\n```"
    assert rendered(f"See `{code}` there [a](b).") == f"See `{code}` there [a](b)."


def test_links_and_strikes_of_a_table_stay() -> None:
    """In a fence no link can be followed: they stand below it. What is struck out is still so, and no cell is lost."""
    table = "| tool | docs |\n|---|---|\n| ruff | [docs](https://ruff.example) |\n| ~~old~~ | gone | since 2025 |"
    shown = rendered(table)
    assert "~~old~~ | gone | since 2025" in shown
    assert shown.endswith("```\n[docs](https://ruff.example)")


def test_a_bar_in_code_parts_no_cells() -> None:
    """A row with `a || b` in it has the cells that its writer meant."""
    shown = rendered("| operator | meaning |\n|---|---|\n| `a || b` | logical or |\n| `x | y` | bitwise or |")
    assert "a || b   | logical or" in shown
    assert "x | y    | bitwise or" in shown


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_a_fence_that_begins_behind_words_is_a_code_block(step: int) -> None:
    """It begins a line of its own, and while it is typed no reader sees its backticks."""
    text = "Here is the code: ```python\nprint('a')\n```\nAnd this explains it."
    layout, seen = Layout(DISCORD), []
    for start in range(0, len(text), step):
        layout.feed(text[start : start + step])
        seen += layout.pages()
    [shown] = layout.pages(final=True)
    assert shown == "Here is the code:\n```python\nprint('a')\n```\nAnd this explains it."
    assert all("`" not in page or re.search(r"\n```python\np[\s\S]*\n```", page) for page in seen)


@given(st.lists(st.sampled_from([*TOKENS, "word ", "\n"]), max_size=30).map("".join))
def test_it_is_never_lost_and_done_once(markdown: str) -> None:
    """Every word stays, in its order, and a page that is in Discord's form already is not changed again."""
    shown = rendered(markdown)
    words = re.findall(r"word", markdown)
    assert re.findall(r"word", shown) == words
    assert not re.search(r"^[ \t]*>>> ", re.sub(r"```[\s\S]*?(```|\Z)", "", shown), re.MULTILINE)
