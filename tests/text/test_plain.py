"""Names of threads and texts of notifications, and how lengths are counted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.text.graphemes import visible
from bot.text.measure import characters, utf8, utf16
from bot.text.plain import plain, title
from bot.text.validity import wellformed
from tests.text import nasty

settled = settings(max_examples=80, deadline=None, derandomize=True)


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("<@U1> **How** do I [call](http://x.y) `f()`?", "How do I call f()?"),
        ("  two\n\nparagraphs  ", "two paragraphs"),
        ("# Title\n- one\n- [ ] two", "Title one two"),
        ("Why?\n```py\nx = 1\n```", "Why?"),
        ("```py\nx = 1\n```", "x = 1"),
        ("<#C1|general> and <https://x.y|this>", "#general and this"),
        ("<@!12> <@&34> <#56> <:wave:78> hi", ":wave: hi"),
        ("||secret|| ~~gone~~ @everyone", "secret gone everyone"),
        ("<https://example.com/a>", "https://example.com/a"),
        ("&lt;!channel&gt; here", "<\u200b!channel> here"),
        ("", "Conversation"),
        ("<@U1>", "Conversation"),
        ("\x00\n", "\ufffd"),
        ("> quoted\n> more", "quoted more"),
    ],
)
def test_a_title_is_the_question_in_plain_words(question: str, name: str) -> None:
    """Markdown, mentions and line ends are gone; a question without words has the fallback's name."""
    assert title(question) == name


def test_a_long_title_is_cut_at_a_word() -> None:
    """What does not fit ends with an ellipsis behind a whole word, or inside one that is longer than the name."""
    assert title("several words that are too many", 20) == "several words that…"
    assert title("x" * 300) == "x" * 99 + "…"
    assert utf16(title("👩‍👩‍👧‍👦" * 60)) <= 100
    assert title("👩‍👩‍👧‍👦" * 60).removesuffix("…").replace("👩‍👩‍👧‍👦", "") == ""


@settled
@given(nasty.anything, st.integers(1, 120))
def test_every_text_has_a_valid_title(text: str, limit: int) -> None:
    """For every text the name is one visible line within the limit, and valid UTF-8."""
    name = title(text, limit)
    assert name
    assert utf16(name) <= limit
    assert visible(name)
    assert "\n" not in name
    name.encode("utf-8")


@settled
@given(nasty.anything, st.integers(0, 200))
def test_plain_text_pings_nobody(text: str, limit: int) -> None:
    """For every text the plain form fits, stands in one line and holds no mention of everybody."""
    short = plain(text, limit)
    assert utf16(short) <= limit
    assert "\n" not in short
    assert not any(name in short.lower() for name in ("@everyone", "@here", "@channel", "<!", "<@"))


def test_a_very_long_text_costs_little() -> None:
    """Only the beginning of a long text is read."""
    assert plain("word " * 100_000, 50) == "word " * 9 + "word…"


def test_lengths_are_what_the_platforms_count() -> None:
    """UTF-16 code units, UTF-8 bytes and code points of plain text, umlauts, emoji and half surrogates."""
    for text, units, size, points in (
        ("", 0, 0, 0), ("abc", 3, 3, 3), ("ü", 1, 2, 1), ("日", 1, 3, 1), ("😀", 2, 4, 1), ("👩‍👧", 5, 11, 3),
        ("\ud83d", 1, 3, 1)
    ):  # fmt: skip
        assert (utf16(text), utf8(text), characters(text)) == (units, size, points)


@settled
@given(st.text(alphabet=st.characters(), max_size=50))
def test_every_text_becomes_valid_for_the_wire(text: str) -> None:
    """Surrogates are joined or replaced and control characters are gone, line feeds and tabs aside."""
    clean = wellformed(text)
    clean.encode("utf-8")
    assert "\x00" not in clean
    assert wellformed(clean) == clean
    assert wellformed("\ud83d\ude00 \ud83d a\x00b\tc\r\nd") == "😀 \ufffd a\ufffdb\tc\nd"
