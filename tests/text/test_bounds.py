"""How long one message may be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.text import LONGEST_MESSAGE, bounded


@given(st.text(max_size=400), st.integers(120, 300))
def test_a_text_is_whole_or_says_that_it_is_not(text: str, most: int) -> None:
    """What fits is left as it is; of what does not, the beginning stays, with a note, within the bound."""
    kept = bounded(text, most)
    assert len(kept) <= most
    if len(text) <= most:
        assert kept == text
    else:
        beginning, _, note = kept.rpartition("\n")
        assert text.startswith(beginning)
        assert "left out" in note
    assert bounded(kept, most) == kept


def test_a_message_of_any_platform_fits() -> None:
    """As much as two of the longest texts that Slack stores is kept whole, and never more."""
    assert bounded("x" * 2 * 40_000) == "x" * 2 * 40_000
    assert len(bounded("x" * 10**6)) == LONGEST_MESSAGE
