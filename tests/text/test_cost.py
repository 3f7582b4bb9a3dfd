"""What a text costs: no more than its length, whatever is in it."""

from __future__ import annotations

from functools import partial

import pytest

from bot.text import Dialect
from bot.text.blocks import outline
from bot.text.inline import MOST_MARKS, scan
from bot.text.plain import plain
from tests.fuzz.cost import grows_too_fast
from tests.fuzz.hostile import KNOWN, repeated, units
from tests.fuzz.text import DIALECTS, WAYS, whole

pytestmark = pytest.mark.time_limit(240)  # computing alone, on a machine that others may use, too

RANDOM = list(units(20, 7))[-20:]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_twice_the_text_costs_about_twice(dialect: Dialect, way) -> None:
    """Of what was slow once, and of random patterns, twice as much takes at most 2.6 times the processor time."""
    for unit in (*KNOWN, *RANDOM):
        factor = grows_too_fast(partial(way, dialect), partial(repeated, unit), 12_000)
        assert not factor, f"twice as many {unit!r} cost {factor:.1f} times as much"


def test_a_title_costs_about_its_length() -> None:
    """The name of a thread is made of any question in a time that grows with its length."""
    for unit in (*KNOWN, *RANDOM):
        assert not grows_too_fast(lambda text: plain(text, 1_000), partial(repeated, unit), 8_000), unit


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_text_that_is_noise_is_shown_as_it_is_written(dialect: Dialect) -> None:
    """Of a text with more marks than anybody writes nothing is lost: its pages hold all of it, without what pings."""
    text = "[a" * (MOST_MARKS + 100)
    pages = whole(dialect, text)
    assert "".join(pages).replace("\u200b", "").replace("\n", "") == text
    pinging = "<@U1><!here>" * MOST_MARKS
    shown = "".join(whole(dialect, pinging))
    assert dialect.name == "discord" or ("<@" not in shown and "<!" not in shown)


def test_paragraphs_of_people_are_read_however_long_the_text_is() -> None:
    """The bound counts in one paragraph and for marks alone: long texts with ordinary marks are read as Markdown."""
    sentence = "Some **bold** words, a [link](https://example.com/a_b) and `code` in a sentence like any other. "
    assert len(scan(sentence * 18).atoms) == 36  # a paragraph of 1,700 characters
    items = 100
    assert len(outline("- one item of a list\n" * items, growing=True).blocks) == items
