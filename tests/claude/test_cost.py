"""What an answer costs to read: no more than its length, however it is cut on its way."""

from __future__ import annotations

from bot.claude.answer import EventDecoder
from tests.fuzz.cost import grows_too_fast

SEGMENT = 1_400
"""Bytes that arrive at once where nothing joins them: what an Ethernet frame holds."""


def test_a_long_event_costs_about_its_length() -> None:
    """An event of twice the length, in pieces as small as the network's, takes at most 2.6 times the processor time."""

    def read(text: str) -> None:
        data, decoder = text.encode(), EventDecoder()
        for start in range(0, len(data), SEGMENT):
            list(decoder.feed(data[start : start + SEGMENT]))

    factor = grows_too_fast(read, lambda length: "data: " + "x" * length, 1_000_000)
    assert not factor, f"an event of twice the length cost {factor:.1f} times as much"
