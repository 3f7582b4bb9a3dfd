"""What a reader sees while a text is still being written."""

from __future__ import annotations

import pytest

from bot.text import Dialect, Layout
from bot.text.measure import characters

PLAIN = Dialect("plain", 2000, characters, str)

CASES = [
    ("**bold te", "**bold te**"),
    ("a **", "a"),
    ("a **b*", "a **b**"),
    ("***both", "***both***"),
    ("**a _b", "**a _b_**"),
    ("~~gon", "~~gon~~"),
    ("||secr", "||secr||"),
    ("||secret|", "||secret||"),
    ("a `co", "a `co`"),
    ("a ``c ` d", "a ``c ` d``"),
    ("a `", "a"),
    ("**a `b", "**a `b`**"),
    ("5 * 3 and x*y", "5 * 3 and x*y"),
    ("snake_ca", "snake_ca"),
    ("see [the doc", "see the doc"),
    ("see [the doc](http", "see the doc"),
    ("see [a](http://x.y/(b", "see a"),
    ("see [the doc](http://x.y)", "see [the doc](http://x.y)"),
    ("**see [x](htt", "**see x**"),
    ("an image ![of a cat](http", "an image of a cat"),
    ("array[0] is", "array[0] is"),
    ("- one\n- [", "- one"),
    ("- [x] done", "- [x] done"),
    ("hi <@U12", "hi"),
    ("hi <!chan", "hi"),
    ("hi <https://x.y|a la", "hi"),
    ("a < b and c", "a < b and c"),
    ("a `<!chan", "a `<!chan`"),
    ("1. one\n2.", "1. one"),
    ("text\n--", "text"),
    ("text\n\n##", "text"),
    ("text\n\n## He", "text\n\n## He"),
    ("x:\n```py", "x:"),
    ("x:\n```py\n", "x:"),
    ("x:\n```py\nfoo", "x:\n```py\nfoo\n```"),
    ("x:\n```py\nfoo\n``", "x:\n```py\nfoo\n```"),
    ("x:\n```py\nfoo\n```", "x:\n```py\nfoo\n```"),
    ("``````0`", ""),
    ("```a `b` <@U1", ""),
    ("~~~~md\n```\na\n```", "~~~~md\n```\na\n```\n~~~~"),
    ("- a\n  ```py\n  foo", "- a\n  ```py\n  foo\n  ```"),
    ("- ```py\n  foo", "- ```py\n  foo\n  ```"),
    ("> ```py\n> foo", "> ```py\n> foo\n> ```"),
    ("x\n\n| a | b |", "x"),
    ("x\n\n| a | b |\n|--", "x"),
    ("| a | b |\n|--|--|\n| 1 |", "| a | b |\n|--|--|"),
    ("| a | b |\n|--|--|\n| 1 | 2 |\n| 3", "| a | b |\n|--|--|\n| 1 | 2 |"),
    ("a | b\n--", "a | b"),
    ("👩\u200d", "👩"),
    ("x 🇩", "x"),
    ("x \ud83d", "x"),
    ("a\\", "a"),
]


@pytest.mark.parametrize(("written", "shown"), CASES, ids=[repr(written) for written, _ in CASES])
def test_what_is_half_written_is_closed_or_held_back(written: str, shown: str) -> None:
    """Half-finished Markdown never shows as such, and is shown as written once no more comes."""
    layout = Layout(PLAIN)
    layout.feed(f"Words.\n\n{written}")
    assert layout.pages() == [f"Words.\n\n{shown}" if shown else "Words."]


def test_a_note_below_a_broken_answer_stands_outside_of_what_was_open() -> None:
    """When a stream breaks in the midst of a code block the block is closed, and the note is no code."""
    layout = Layout(PLAIN)
    layout.feed("Do this:\n```sh\nrm -r build")
    note = "(Response interrupted. Trying again...)"
    assert layout.pages(trailer=note) == [f"Do this:\n```sh\nrm -r build\n```\n\n{note}"]


def test_the_end_is_shown_as_it_was_written() -> None:
    """Nothing is held back from the last version; an open fence alone is closed."""
    layout = Layout(PLAIN)
    layout.feed("a **b [c](d <@U1 | e `f")
    assert layout.pages(final=True) == ["a **b [c](d <@U1 | e `f"]
    assert layout.covered(1) == layout.source
    layout.feed("\n```py\nx")
    assert layout.pages(final=True) == ["a **b [c](d <@U1 | e `f\n```py\nx\n```"]


def test_what_is_held_back_too_long_is_shown() -> None:
    """A table row or a token that never ends does not keep the reader waiting for ever."""
    layout = Layout(PLAIN)
    layout.feed("Words.\n\n| a | b |\n|--|--|\n| 1 | " + "cell " * 300)
    assert "cell cell" in layout.pages()[-1]


def test_covered_is_exactly_what_is_shown() -> None:
    """The source of a shown page ends where the display was cut, character for character."""
    layout = Layout(PLAIN)
    layout.feed("one **two** <@U1")
    assert layout.pages() == ["one **two**"]
    assert layout.covered(1) == "one **two** "
    assert layout.covered(9) == "one **two** "
