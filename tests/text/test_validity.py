"""Texts that can be written everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.validity import wellformed, whole_characters

ANY = st.text(st.characters() | st.characters(categories=["Cs", "Cc"]))


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("\ud83d\ude00", "😀"),
        ("a\ud83d", "a\ufffd"),
        ("\ude00\ud83d b", "\ufffd\ufffd b"),
        ("é 😀\0", "é 😀\0"),
        ("\ufeffa\udfff", "\ufeffa\ufffd"),
    ],
)
def test_halves_of_characters_are_joined_or_replaced(text: str, whole: str) -> None:
    """Two halves that belong together are one character again, one alone is U+FFFD, and nothing else changes."""
    assert whole_characters(text) == whole


@given(text=ANY)
def test_every_text_can_be_written_afterwards(text: str) -> None:
    """What comes out is valid UTF-8 without null bytes, and stays as it is when it is done again."""
    done = wellformed(text)
    assert "\0" not in done
    assert done.encode().decode() == done
    assert wellformed(done) == done
