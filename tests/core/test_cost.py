"""What a person's words, a log line and a command cost to read: no more than their length, whatever is in them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from adapters.discord import markup as discord_markup
from adapters.slack import blocks as slack_blocks
from adapters.slack import markup as slack_markup
from bot.app.logs import Redactor
from bot.conversation import Author, Message, Place, ThreadKey
from bot.intake import Access, classify
from bot.turn.request import build
from tests.fuzz.cost import grows_too_fast
from tests.fuzz.hostile import repeated, units

pytestmark = pytest.mark.time_limit(240)  # computing alone, on a machine that others may use, too


def said(text: str) -> Message:
    return Message(
        key=ThreadKey("slack", "T", "C:1"), installation="slack:T", id="1", author=Author("U1", "Ann"), text=text,
        sent_at=1.0, place=Place("C"),
    )  # fmt: skip


REDACTOR = Redactor(["a-secret", "another"])
READERS: dict[str, Callable[[str], object]] = {
    "a request to Claude": lambda text: build("s", [], [said(text)], tokens=10**6),
    "a command": lambda text: classify(said(text), Access()),
    "a log line": REDACTOR.clean,
    "Slack's markup": lambda text: slack_markup.readable(text, "UBOT"),
    "whom a message on Slack calls": lambda text: slack_markup.addresses_others(text, "UBOT"),
    "what a message on Slack forwards": lambda text: slack_blocks.shown_by(
        {"attachments": [{"is_share": True, "text": text}]}
    ),
    "Discord's markup": lambda text: discord_markup.plain(text, lambda _match: "x"),
}


def texts(unit: str) -> tuple[Callable[[int], str], ...]:
    """A unit repeated, and white space between an opening and an end that does not come."""
    return partial(repeated, unit), lambda length: unit + " " * length + "x", lambda length: "://" + ":" * length + unit


@pytest.mark.parametrize("reader", READERS)
def test_twice_the_words_cost_about_twice(reader: str) -> None:
    """Whatever a person or a library says, reading twice as much takes at most 2.6 times the processor time."""
    for unit in (
        "<",
        "<@",
        "<!",
        "<@U1|",
        "//",
        "@",
        "&lt;",
        "-",
        ".",
        "<message",
        "<@UBOT> ",
        "\t",
        " \n",
        *list(units(12, 3))[-12:],
    ):
        for make in texts(unit):
            factor = grows_too_fast(READERS[reader], make, 10_000)
            assert not factor, f"twice as much of {make(12)!r} cost {factor:.1f} times as much"


def test_a_tag_is_found_behind_any_white_space() -> None:
    """What could be taken for the chat's own tags is made inert, however much white space stands in it."""
    for tag in ("<message", "< / \n message", f"<{' ' * 5_000}/{' ' * 5_000}note"):
        [(_, asked)] = build("s", [], [said(f"x {tag}>")], tokens=10**6).messages
        assert "‹" in asked


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("  <@UBOT>, hello", "hello"),
        ("hello <@UBOT>  there", "hello  there"),
        ("a \t<@UBOT|bot> b <@UBOT>", "a b"),
        ("<@UBOT>: <@U2> hi", "<@U2> hi"),
    ],
)
def test_the_bots_own_mention_goes_with_the_blanks_before_it(written: str, read: str) -> None:
    """What is left reads as if nobody had been mentioned."""
    assert slack_markup.readable(written, "UBOT") == read
