"""Text held in few pieces."""

from __future__ import annotations

import tracemalloc

from hypothesis import example, given
from hypothesis import strategies as st

from bot.text.pieces import Pieces


@given(pieces=st.lists(st.text(max_size=3), max_size=300), again=st.lists(st.text(max_size=3), max_size=80))
@example(pieces=["ab"] * 300, again=["c"] * 80)
def test_nothing_is_lost_or_moved(pieces: list[str], again: list[str]) -> None:
    """The text is all pieces in order, and after `clear` those that came later."""
    text = Pieces()
    assert str(text) == ""
    for piece in pieces:
        text.append(piece)
    assert str(text) == str(text) == "".join(pieces)
    text.clear()
    for piece in again:
        text.append(piece)
    assert str(text) == "".join(again)


def test_many_small_pieces_take_little_more_than_their_characters() -> None:
    """Ten thousand pieces of five characters take less than twice as many bytes."""
    text = Pieces()
    tracemalloc.start()
    for number in range(10_000):
        text.append(f"{number:05}")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2 * 50_000
