"""Claude's Markdown in Discord's own form: what is written, what a reader would have seen wrong, and what stays."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.rendering import rendered
from bot.text import Dialect, Layout, utf16
from tests.fuzz.hostile import TOKENS

CODE_BLOCK = re.compile(r"```(?:[a-z0-9_+\-.#]+?\n)?\n*([^\n][\s\S]*?)\n*```", re.IGNORECASE)
"""A code block as Discord's client finds it: it ends at the next three backticks, wherever these are."""

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
        ("snake__case__name and __init__.py", "snake\\_\\_case\\_\\_name and **init**.py"),
        ("- [ ] to do\n- [x] done\n  1. [X] below", "- ☐ to do\n- ☑ done\n  1. ☑ below"),
        ("an [x] and [ ] in words", "an [x] and [ ] in words"),
        ("one<br>two<BR />three", "one\ntwo\nthree"),
        ("- one<br>two", "- one\n  two"),
        (">>> print(1)\n1", "\\>>> print(1)\n1"),
        ("Run:\n\n>>> a\n>>> b\n\nEnd.", "Run:\n\n\\>>> a\n\\>>> b\n\nEnd."),
        ("> a\n>\n>b\n>> c\n>  d", "> a\n> \n> b\n> > c\n>  d"),
        ("> ```\n> a\n>\n> b\n> ```", "> ```\n> a\n> \n> b\n> ```"),
        ("x >= 2 and a->b", "x >= 2 and a->b"),
        ("words\n-# no small print\n- # a heading", "words\n\\-# no small print\n- # a heading"),
        ("+ one\n  + two\n* three\n+ four + five", "- one\n  - two\n* three\n- four + five"),
        ("+ # Heading\n\n1 + 2", "- # Heading\n\n1 + 2"),
        ("a\n\n***\nb\n\n___\n\n- - -\n> * * *\n\n---", "a\n\n---\nb\n\n---\n\n---\n> ---\n\n---"),
        ("a &lt; b &amp;&amp; c&nbsp;&copy; &nix; &", "a < b && c\xa0© &nix; &"),
        ("&lt;@1&gt; &#42;x&#42; &#35; &lt;b&gt;", "\\<@1> \\*x\\* # <b>"),
        ("&#35; a\n&gt; b", "\\# a\n\\> b"),
        ("https://x.example/?a=1&amp;b=2&copy=3", "https://x.example/?a=1&b=2&copy=3"),
        ("[a &amp; b](https://x.example/?a=1&amp;b=2)", "[a & b](https://x.example/?a=1&b=2)"),
        ("one\\\ntwo  \nthree", "one\ntwo  \nthree"),
        ("- one\\\n  two", "- one\n  two"),
        ("# one<br>two", "# one two"),
        ("[readme](./README.md), [up](#top), [us](mailto:a@b.example)", "readme (./README.md), up, us (a@b.example)"),
        ("[a@b.example](mailto:a@b.example) <a@b.example>", "a@b.example a@b.example"),
        ("[a link without end]()", "a link without end"),
        ("[![build](https://x.example/b.svg)](https://x.example)", "[build](https://x.example)"),
        ("![chart](data:image/png;base64,AAAA)", "chart"),
        ("[see https://x.example/a](https://x.example/a)", "see https://x.example/a"),
        ("[a b](<https://x.example/a b>)", "[a b](https://x.example/a%20b)"),
        ("[wiki](https://x.example/a_(b))", "[wiki](https://x.example/a_(b))"),
        ("见[https://x.example](https://x.example)吧", "见 https://x.example 吧"),
        ("<img src=\"https://x.example/a.png\" alt='A b'/>", "[A b](https://x.example/a.png)"),
        ("<img alt=x src=https://x.example/a.png> <IMG src='a.png'>", "[x](https://x.example/a.png) <IMG src='a.png'>"),
        ("a||b||c but ||hidden||", "a\\|\\|b\\|\\|c but ||hidden||"),
        ("x ** 2 + y ** 2", "x \\*\\* 2 + y ** 2"),
        ("x ** 2", "x ** 2"),
        ("**kwargs here\n\nand **kwargs there", "\\*\\*kwargs here\n\nand **kwargs there"),
        ("x ** 2 and **bold**", "x \\*\\* 2 and **bold**"),
        ("**bold** and x ** 2", "**bold** and x ** 2"),
        ("*args here\n\nand a 5* hotel", "\\*args here\n\nand a 5* hotel"),
        ("5 * 3\n\nand * 2", "5 * 3\n\nand * 2"),
        ("a ` here\n\nand `code` there", "a \\` here\n\nand `code` there"),
        ("~~a\n\nb~~", "\\~\\~a\n\nb~~"),
        ("snake_case and other_case", "snake_case and other_case"),
        ("**注意：**文字 and ~~(old)~~new", "**注意：**文字 and ~~(old)~~new"),
    ],
)  # fmt: skip
def test_what_discord_takes_otherwise_is_written_in_its_form(markdown: str, shown: str) -> None:
    """What Claude means is what a reader on Discord sees."""
    assert rendered(markdown) == shown


@pytest.mark.parametrize("code", [">>> print(1)", "a || b || c", "#### x", "__init__", "- [ ] x", "[u](u)", "a<br>b"])
def test_code_stays_as_it_is(code: str) -> None:
    """In a code block and in a code span nothing is translated."""
    assert rendered(f"```\n{code}\n```") == f"```\n{code}\n```"
    assert rendered(f"See `{code}` __there__.") == f"See `{code}` **there**."


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


def test_links_of_one_label_are_told_apart() -> None:
    """By the first cell of their row, as the table showed them."""
    table = (
        "| tool | docs |\n|---|---|\n| ruff | [docs](https://ruff.example) |\n| mypy | [docs](https://mypy.example) |"
    )
    assert rendered(table).endswith("```\nruff: [docs](https://ruff.example) · mypy: [docs](https://mypy.example)")


@pytest.mark.parametrize("fence", ["```\n```", "```py\n\n```", "~~~\n~~~", "> ```\n> ```"])
def test_a_code_block_without_content_ends_where_it_ends(fence: str) -> None:
    """What follows it is no code, which Discord would take it for up to the next fence."""
    shown = rendered(f"{fence}\n\nwords\n\n```\ncode\n```")
    assert [block.strip() for block in CODE_BLOCK.findall(shown)] == [
        "> \u200b\n>" if ">" in fence else "\u200b",
        "code",
    ]


STRAYS = ("**", "~~", "`", "__", "||", "*")
PAIRED_BY_DISCORD = {
    "**": r"\*\*((?:\\[\s\S]|[^\\])+?)\*\*(?!\*)",
    "__": r"__((?:\\[\s\S]|[^\\])+?)__(?!_)",
    "~~": r"~~([\s\S]+?)~~(?!_)",
    "||": r"\|\|([\s\S]+?)\|\|",
    "`": r"(`+)([\s\S]*?[^`])\1(?!`)",
    "*": r"\*(?=\S)((?:\*\*|\s+(?:[^*\s]|\*\*)|[^\s*])+?)\*(?!\*)",
}
"""What Discord's own client looks for, wherever in a message it stands (as its Markdown rules are published)."""


@given(
    st.sampled_from(STRAYS), st.lists(st.sampled_from(["word", "word ", " word", "\n\n", "- ", "(", ". "]), min_size=2)
)
def test_marks_that_stand_alone_mean_nothing(mark: str, words: list[str]) -> None:
    """A mark alone in its paragraph is a character to Markdown, and whatever else is on the page to Discord, too."""
    between = "".join(words)
    page = f"one {mark} {between}\n\nand {mark}{between.strip()}"
    shown = re.sub(r"\\[^\w\s]", "", rendered(page))
    assert not re.search(PAIRED_BY_DISCORD[mark], shown)


DOCUMENT = """# Title

With **bold** and `code`; see [https://example.org/a](https://example.org/a) and [docs](https://docs.example.org).

#### Setup

- [ ] one
- [x] two<br>three
+ four **b**

Pass **kwargs on, and x ** 2 too.

Second **kwargs here || or || there, a ` tick.

Another ` tick and ~~struck~~ ![chart](https://x.example/c.png) done.

| tool | docs |
|---|---|
| ruff | [docs](https://docs.example.org/ruff) |

>>> print(1)
1

> quoted
>
>more &lt;b&gt; quoted

***

Title two
=====

Here is the code: ```python
print('a')
```
And this explains it. [readme](./README.md) end __bold__ text.

-# no small print\\
broken line
"""


@pytest.mark.parametrize("step", [1, 7])
def test_what_a_reader_has_seen_stays_while_the_page_grows(step: int) -> None:
    """Of all paragraphs but the last nothing changes to the eye, whatever comes after them."""
    layout, before = Layout(DISCORD), ""
    for start in range(0, len(DOCUMENT), step):
        layout.feed(DOCUMENT[start : start + step])
        for page in layout.pages():
            seen = re.sub(r"\\([^\w\s])", r"\1", page)
            assert seen.startswith(before)
            before = seen.rpartition("\n\n")[0]


@given(st.lists(st.sampled_from([*TOKENS, "word ", "\n"]), max_size=30).map("".join))
def test_it_is_never_lost_and_done_once(markdown: str) -> None:
    """Every word stays, in its order, and a page that is in Discord's form already is not changed again."""
    shown = rendered(markdown)
    words = re.findall(r"word", markdown)
    assert re.findall(r"word", shown) == words
    assert not re.search(r"^[ \t]*>>> ", re.sub(r"```[\s\S]*?(```|\Z)", "", shown), re.MULTILINE)


@pytest.mark.parametrize("text", ["&nbsp;", "&shy;", "&#8203;&nbsp;", "\n&zwnj;\n"])
def test_what_could_not_be_seen_stays_as_it_is_written(text: str) -> None:
    """Discord refuses a message of blanks alone: entities that stand for nothing one could see are shown as such."""
    assert rendered(text) == text
    assert rendered(f"a{text.strip()}b").startswith("a")
