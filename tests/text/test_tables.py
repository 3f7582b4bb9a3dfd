"""Tables as monospaced text, and fences for platforms that know only three backticks."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.text.fences import three_backticks
from bot.text.tables import columns_of, monospaced
from tests.text import nasty

TABLE = "| Name | Price |\n|---|--:|\n| **Apple** | 3 |\n| 日本 | 12 |"


def test_a_table_is_aligned_in_a_fence() -> None:
    """Columns stand below each other, wide characters counted as two, emphasis left out, numbers to the right."""
    assert monospaced(f"Before:\n\n{TABLE}\n\nAfter.", 40) == (
        "Before:\n\n```\nName  | Price\n------+------\nApple |     3\n日本  |    12\n```\n\nAfter."
    )


def test_a_table_that_is_too_wide_becomes_groups_of_bullets() -> None:
    """Each row is named by its first cell, and the other cells by their heads, Markdown kept."""
    assert monospaced(TABLE, 10) == "**Apple**\n- Price: 3\n\n**日本**\n- Price: 12"


def test_a_table_in_a_list_or_a_quote_stays_there() -> None:
    """The indentation and the quote marks of the table go on every line of its new form."""
    shown = monospaced("- x\n\n  | a | b |\n  |---|---|\n  | 1 | 2 |\n\n> | a | b |\n> |---|---|\n> | 1 | 2 |", 40)
    assert "\n  ```\n  a   | b\n  ----+----\n  1   | 2\n  ```\n" in shown
    assert shown.endswith("> ```\n> a   | b\n> ----+----\n> 1   | 2\n> ```")


def test_everything_but_tables_is_untouched() -> None:
    """A table in a fence, pipes in text and rules stay as they are."""
    text = f"a | b\n\n---\n\n```\n{TABLE}\n```\n\n||spoiler||\n\n- | x"
    assert monospaced(text, 40) == text


def test_cells_with_pipes_backticks_and_links_are_shown_as_read() -> None:
    """An escaped pipe is a pipe, code loses its backticks, a link is its text, and no cell ends the fence."""
    shown = monospaced("| a |\n|---|\n| `x\\|y` |\n| [l](http://x.y) |\n| ```` ``` ```` |", 40)
    assert "\nx|y\n" in shown
    assert "\nl\n" in shown
    assert shown.count("```") == 2


@settings(max_examples=60, deadline=None, derandomize=True)
@given(nasty.table(), st.integers(20, 80))
def test_an_aligned_table_is_a_rectangle(table: str, width: int) -> None:
    """No line of an aligned table is wider than asked for, and every separator stands in one column."""
    lines = monospaced(table, width).split("\n")
    if lines[0] != "```":
        return
    lines = lines[: lines.index("```", 1) + 1]
    assert max(map(columns_of, lines[1:-1])) <= width
    rule = [match.start() for match in re.finditer(r"\+", lines[2])]
    for line in lines[1:-1]:
        assert all(line == "" or columns_of(line[: _offset(line, place)]) == place for place in rule)


def _offset(line: str, column: int) -> int:
    return next((end for end in range(len(line) + 1) if columns_of(line[:end]) == column), 0)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(nasty.anything)
def test_rewriting_never_raises_and_is_done_once(text: str) -> None:
    """For every text both rewritings give a result, and fences rewritten once are as they should be."""
    monospaced(text, 60)
    fenced = three_backticks(text)
    assert three_backticks(fenced) == fenced


def test_every_fence_is_written_with_three_backticks() -> None:
    """Tildes and longer runs become three backticks, what is inside cannot end them, the language stays."""
    assert three_backticks("~~~py title=x\na\n~~~\n") == "```py\na\n```\n"
    shown = three_backticks("````md\n```py\nx\n```\n````\nafter")
    assert shown == "```md\n`\u200b``py\nx\n`\u200b``\n```\nafter"
    assert three_backticks("- a\n  ~~~\n  x\n  ~~~") == "- a\n  ```\n  x\n  ```"


def test_a_fence_without_an_end_gets_one() -> None:
    """A fence left open by its quote or by the text is closed, so that what follows is no code."""
    assert three_backticks("> ```\n> a\n\nb") == "> ```\n> a\n> ```\n\nb"
    assert three_backticks("> ```\n> a\nb") == "> ```\n> a\n> ```\nb"
    assert three_backticks("- > ```\n  > a") == "- > ```\n  > a\n  > ```"
    assert three_backticks("x\n```py\na") == "x\n```py\na\n```"


def test_lone_backticks_in_text_begin_no_code() -> None:
    """Three backticks in the midst of a line open nothing, unless they are closed on it."""
    assert "```" not in three_backticks("use ``` for code\n\nand ~~~ too")
    assert three_backticks("```x``` is code") == "```x``` is code"
