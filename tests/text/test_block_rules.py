"""Blocks as they are read from lines alone: as markdown-it reads them, and what is still found in a text of noise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.text.blocks import Block, Kind, outline
from bot.text.layout import Layout
from tests.fuzz.hostile import TOKENS
from tests.fuzz.text import DIALECTS

KINDS = {
    "heading_open": Kind.HEADING,
    "paragraph_open": Kind.TEXT,
    "table_open": Kind.TABLE,
    "hr": Kind.RULE,
}
PLAIN_TOKENS = [token for token in TOKENS if "```" not in token and "~~~" not in token]
LINES = ["\n", "- ", "1. ", "> ", "    ", "| a | b |\n|---|---|\n| 1 | 2 |\n", "===\n", "---\n", "## h\n", "a b\n"]
STOCK = MarkdownIt("commonmark", {"maxNesting": 40}).enable("table")
STOCK.disable(["code", "reference", "html_block", "fence"])


@given(st.lists(st.sampled_from([*PLAIN_TOKENS, *LINES * 4]), max_size=40).map("".join))
def test_blocks_are_on_the_lines_on_which_markdown_it_has_them(text: str) -> None:
    """Every paragraph, heading, table and rule stands where markdown-it's own rules have it, however it is written."""
    if text.count("`") + text.count("~") > 2:
        text = text.replace("`", "").replace("~", "")
    tokens = STOCK.block.parse(text + "\n", STOCK, {}, []) or []
    theirs = []
    in_table = False
    for token in tokens:
        if token.type in KINDS and not in_table:
            first, last = token.map or (0, 0)
            # A heading that is underlined ends for us where its words do.
            underline = token.type == "heading_open" and token.markup in ("-", "=")
            theirs.append((KINDS[token.type], first, last - underline))
        in_table = in_table + token.nesting if token.type.startswith("table_") else in_table
    assert [(block.kind, block.first, block.last) for block in outline(text).blocks] == theirs


@pytest.mark.parametrize("noise", ["a\n", "- a\n", "> - a\n", "\n\n-", "# \n"])
def test_code_is_found_in_a_text_of_noise(noise: str) -> None:
    """Where so many lines and marks stand that they are not read, a code block is still seen, closed or not."""
    text = noise * 3_000 + "\n```python\nprint(1)\n```\n" + noise * 3_000 + "\n~~~\nx = 2"
    fences = [block for block in outline(text).blocks if block.kind is Kind.FENCE]
    assert [(block.marker, block.info, block.closed) for block in fences] == [
        ("```", "python", True),
        ("~~~", "", False),
    ]
    assert all(outline(text).line(block.first).startswith(block.marker) for block in fences)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_code_block_of_many_short_lines_is_code_on_every_page(dialect) -> None:
    """The numbers from one to four thousand in a code block are so on all messages, while they come and at the end."""
    layout = Layout(dialect)
    text = "The numbers:\n```\n" + "".join(f"{number}\n" for number in range(4_000)) + "```\nThat is all."
    for start in range(0, len(text), 900):
        layout.feed(text[start : start + 900])
        for page in layout.pages():
            assert page.count("```") == 2 or "The numbers" in page
    pages = layout.pages(final=True)
    assert all(page.count("```") == 2 for page in pages)
    numbers = [line for page in pages for line in page.splitlines() if line.isdigit()]
    assert numbers == [str(number) for number in range(4_000)]


def test_items_are_found_where_they_are_too_many_to_be_parsed() -> None:
    """Items, the nested ones among them, and headings are told apart also where a text has more than are parsed."""
    items = ["# words\n", *(f"- word {n}\n  - below {n}\n" for n in range(50))]
    found = outline("".join(items), growing=True)
    assert found.blocks[0] == Block(Kind.HEADING, 0, 1, nested=False)
    assert {line: min(depth, 1) for line, depth in found.items.items()} == {n: (n + 1) % 2 for n in range(1, 101)}
