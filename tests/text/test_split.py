"""Where pages end and begin."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import pytest

from bot.text import Dialect, Layout
from bot.text.graphemes import is_boundary
from bot.text.measure import utf8, utf16


def laid_out(text: str, limit: int, *, step: int = 0) -> list[str]:
    """Return the final pages, the text fed in pieces of `step`; every version on the way has words on each page."""
    layout = Layout(Dialect("plain", limit, utf16, str))
    for position in range(0, len(text), step or len(text)):
        layout.feed(text[position : position + (step or len(text))])
        assert all(re.sub(r"```sh|[\s*|`~>]", "", page) for page in layout.pages()), layout.pages()
    return layout.pages(final=True)


@pytest.mark.parametrize("step", [0, 1, 7])
def test_a_paragraph_end_is_the_best_place(step: int) -> None:
    """A page ends between paragraphs when that leaves it half full at least."""
    text = "First sentence here. And a second one.\n\nThe next paragraph is this. It goes on for a while, and on."
    assert laid_out(text, 70, step=step) == [
        "First sentence here. And a second one.",
        "The next paragraph is this. It goes on for a while, and on.",
    ]


def test_then_a_line_then_a_sentence_then_a_word() -> None:
    """Without a paragraph's end a page ends at an item, a sentence or a word, in this order."""
    assert laid_out("- one two three four five six\n- seven eight nine ten eleven twelve", 60) == [
        "- one two three four five six",
        "- seven eight nine ten eleven twelve",
    ]
    sentences = "One two three four five six seven. Eight nine ten eleven twelve thirteen."
    assert laid_out(sentences, 60) == sentences.replace(". ", ".|").split("|")
    words = "one two three four five six seven eight nine ten eleven twelve thirteen"
    assert laid_out(words, 60) == ["one two three four five six seven eight nine ten eleven", "twelve thirteen"]
    assert laid_out("x" * 130, 60) == ["x" * 60, "x" * 60, "x" * 10]


def test_a_heading_goes_with_what_it_heads() -> None:
    """No page ends with a heading."""
    text = "Some words that fill the page, more or less.\n\n## Heading\n\nAnd its text, which is long enough."
    assert laid_out(text, 70)[1].startswith("## Heading")


def test_a_fence_is_closed_and_opened_again_with_its_language() -> None:
    """Code goes on in the next message in a block of the same language, cut between its lines."""
    code = "\n".join(f"line_{number} = {number}" for number in range(12))
    first, *others = laid_out(f"```python title=a\n{code}\n```\nAfter.", 100)
    assert first.startswith("```python title=a\nline_0")
    assert first.endswith("\n```")
    assert all(page.startswith("```python title=a\nline_") for page in others)
    assert others[-1].endswith("\n```\nAfter.")


def test_a_fence_in_a_list_goes_on_without_its_indentation() -> None:
    """Code cut in a list item begins in the first column on each page that follows, and so does the list."""
    code = "\n".join(f"   line_{number} = {number}" for number in range(12))
    pages = laid_out(f"1. Do:\n   ~~~~sh\n{code}\n   ~~~~\n   - nested\n2. Next.", 80)
    assert len(pages) > 2
    for page in pages[1:]:
        assert page.startswith("~~~~sh\nline_")
    assert pages[-1].endswith("\n~~~~\n- nested\n2. Next.")


def test_a_closing_fence_alone_makes_no_empty_block() -> None:
    """When only a fence's last line is left, the next page begins with what comes after it."""
    for limit, step in itertools.product(range(60, 90), (0, 1)):
        pages = laid_out("```sh\n" + "make test\n" * 12 + "```\nAfter the code.", limit, step=step)
        assert not any("```sh\n```" in page for page in pages)
        assert sum(page.count("make test") for page in pages) == 12


def test_a_table_repeats_its_head() -> None:
    """Each page that goes on with a table begins with its head, and none has a head alone."""
    rows = "\n".join(f"| row {number} | {number} |" for number in range(12))
    pages = laid_out(f"| name | n |\n|---|--:|\n{rows}\n\nAfter.", 90)
    assert len(pages) > 2
    assert all(page.startswith("| name | n |\n|---|--:|\n| row") for page in pages)


def test_no_page_ends_with_the_head_of_a_table() -> None:
    """Wherever a page ends, the head of a table is followed by one row at least, and no row is cut."""
    row = "| " + "words of a row " * 3 + "| 1 |"
    for before in range(1, 60):
        for page in laid_out("x" * before + f"\n\n| name of it | n |\n|---|--:|\n{row}\n{row}\n{row}", 100):
            assert not page.endswith(("|---|--:|", "| name of it | n |"))
            assert page.count("words of a row") % 3 == 0


def test_a_numbered_list_goes_on_counting() -> None:
    """The next page begins with the number that the source has."""
    pages = laid_out("\n".join(f"{number}. item number {number}" for number in range(1, 11)), 100)
    assert pages[1].startswith("6. item number 6")


def test_nested_items_keep_their_shape() -> None:
    """A page that begins inside a nested list has it in the first column, with what is below still below."""
    text = "- a\n" + "".join(f"    - item {n}\n        - below {n}\n" for n in range(6)) + "- b"
    pages = laid_out(text, 80)
    assert pages[1].startswith("- item")
    assert "\n    - below" in pages[1]
    assert pages[-1].endswith("\n- b")


def test_less_indentation_ends_what_is_taken_from_the_lines_below() -> None:
    """Lines further out come first in the first column, and what is below them stays below."""
    text = "- a\n    - b\n        - " + "c " * 30 + "\n        - d\n    - e\n        - f\n- g\n    - h"
    assert laid_out(text, 80)[-1].endswith("- d\n- e\n    - f\n- g\n    - h")


def test_what_is_introduced_goes_with_its_introduction() -> None:
    """A line that ends with a colon is not the last one of a page when another place is as good."""
    text = "Words that fill the page, more or less, as usual.\nDo this:\n\n- one thing, which is long enough\n- another"
    assert laid_out(text, 80)[1].startswith("Do this:\n\n- one")


def test_a_quote_goes_on_as_one() -> None:
    """A quoted line that is cut begins with its quote mark on the next page."""
    pages = laid_out("> " + "quoted words go on " * 10, 80)
    assert all(page.startswith("> ") for page in pages)


def test_long_emphasis_is_closed_and_opened_again() -> None:
    """Emphasis, a spoiler or code longer than a page is whole on each page."""
    for mark in ("**", "||", "`", "~~"):
        pages = laid_out(f"{mark}{'some words ' * 20}end{mark}", 80, step=1)
        assert len(pages) > 2
        for page in pages:
            assert page.startswith(mark)
            assert page.endswith(mark)


def test_a_marker_without_a_partner_is_not_repeated_for_ever() -> None:
    """A stray star does not turn up at the top of the pages that follow its paragraph."""
    pages = laid_out("*Note: " + "some words " * 12 + "\n\n" + "Other words. " * 12, 80)
    assert not any(page.startswith("*") for page in pages[2:])


@pytest.mark.parametrize(
    "whole",
    [
        "[a link with words](https://example.com/path)",
        "![alt text](https://example.com/i.png)",
        "https://example.com/a/rather/long/path?q=1",
        "<https://example.com/a/rather/long/path>",
        "<https://example.com|a label of words>",
        "||a spoiler with words||",
        "<@U0123456789>",
        "`some code with spaces`",
        "👩‍👩‍👧‍👦👩‍👩‍👧‍👦",
        "🇩🇪🇫🇷🇪🇸",
    ],
)
def test_what_must_stay_whole_is_not_cut_wherever_the_page_ends(whole: str) -> None:
    """Whatever stands before it, in one piece or letter by letter, it is on one page."""
    pieces = [whole] if " " in whole or whole.isascii() else [whole[: len(whole) // 2]]
    for before in range(60):
        for step in (0, 1) if before % 10 == 0 else (0,):
            pages = laid_out("x" * before + f" {whole} and more words after it", 80, step=step)
            assert any(pieces[0] in page for page in pages), (before, step, pages)


def test_cjk_text_is_cut_after_its_punctuation() -> None:
    """Text without spaces ends a page at a sentence of its own kind."""
    pages = laid_out("これは最初の文です。" * 12, 100)
    assert all(page.endswith("。") for page in pages)


def test_limits_are_counted_the_platforms_way() -> None:
    """The same text makes more pages where a character counts more."""
    text = "日本語のテキスト。" * 40

    def count(measure: Callable[[str], int]) -> int:
        layout = Layout(Dialect("counted", 300, measure, str))
        layout.feed(text)
        return len(layout.pages(final=True))

    assert (count(utf16), count(utf8)) == (2, 4)


def test_a_page_frozen_while_it_grew_stays_as_shown() -> None:
    """When a message can no longer be edited, the next one goes on right behind what it shows."""
    layout = Layout(Dialect("plain", 200, utf16, str))
    layout.feed("Here is **bold te")
    assert layout.pages() == ["Here is **bold te**"]
    layout.relimit(Dialect("plain", 200, utf16, str), keep=1)
    layout.feed("xt** and more")
    assert layout.pages() == ["Here is **bold te**", "**xt** and more"]
    assert layout.covered(1) == "Here is **bold te"


def test_nothing_but_what_is_taken_up_makes_no_page() -> None:
    """A page that would hold only a fence, a mark or a quote taken up from the page before is not there yet."""
    for text in ("```sh\nmake\n", "> quoted wo", "**bold wo", "| a |\n|---|\n| b |\n"):
        layout = Layout(Dialect("plain", 200, utf16, str))
        layout.feed(text)
        shown = layout.pages()
        layout.relimit(Dialect("plain", 200, utf16, str), keep=1)
        assert layout.pages() == shown
        assert layout.pages(final=True) == shown


def test_the_end_of_a_fence_that_was_closed_before_is_left_out() -> None:
    """When a page was closed inside a fence and the fence ends there, the next page begins behind it."""
    layout = Layout(Dialect("plain", 200, utf16, str))
    layout.feed("```sh\nmake\n")
    assert layout.pages() == ["```sh\nmake\n```"]
    layout.relimit(Dialect("plain", 200, utf16, str), keep=1)
    layout.feed("```\n\nAfter.")
    assert layout.pages(final=True) == ["```sh\nmake\n```", "After."]


@pytest.mark.parametrize("cluster", ["👩‍👩‍👧", "👍🏽", "🇩🇪", "e\u0301", "❤️", "1️⃣", "각", "\r\n", "\ud83d\ude00"])
def test_a_cluster_has_no_boundary_inside(cluster: str) -> None:
    """What a reader takes for one character is cut nowhere but around it."""
    text = f"a{cluster}{cluster}b"
    ends = [1, 1 + len(cluster), 1 + 2 * len(cluster)]
    assert [position for position in range(1, len(text)) if is_boundary(text, position)] == ends
