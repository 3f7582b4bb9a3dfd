"""What a text costs the stand-ins and the page: no more than its length, since `make run` runs them beside the bot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from sandbox.discord import mentions
from sandbox.page import drawing, stages
from sandbox.slack import content, payloads, pings
from tests.fuzz.cost import grows_too_fast
from tests.fuzz.hostile import repeated, units

NAMES = {"1": "ada", "U1": "ada"}
LENGTH = 10_000

READERS: dict[str, Callable[[str], object]] = {
    "what Slack hands out": content.escaped,
    "Slack's translation of Markdown": lambda text: content.given_back([{"type": "markdown", "text": text}]),
    "what a person on Slack typed, as blocks": payloads.rich_text,
    "tokens that ping on Slack": pings.live_tokens,
    "names that ping on Slack": lambda text: pings.linked_names(text, ["ada"]),
    "whom a message on Discord mentions": lambda text: mentions.read(
        text, None, users=["1"], roles={"2": True}, may_mention_all=True
    ),
    "the text that is offered for an edit": lambda text: stages.plain_slack(text, NAMES),
    "a message on Discord, drawn": lambda text: drawing.discord(text, NAMES),
    "a markdown block, drawn": lambda text: drawing.slack_markdown(text, NAMES),
    "a message on Slack, drawn": lambda text: drawing.mrkdwn(text, NAMES),
}

SLOW = ("<@U1", "<!", "<a:", "> > a\n", ">>> a\n", "&gt; &gt; a\n")
"""What was slow once, repeated or before a long word."""


def long_word(unit: str, length: int) -> str:
    """Return an opening and capitals that no end follows."""
    return (unit + "A" * length)[:length]


@pytest.mark.parametrize("reader", READERS)
def test_twice_the_text_costs_about_twice(reader: str) -> None:
    """Whatever a person or Claude writes, twice as much of it takes at most 2.6 times the processor time."""
    for unit in (*SLOW, *list(units(3, 5))[-3:]):
        for make in (partial(repeated, unit), partial(long_word, unit)):
            factor = grows_too_fast(READERS[reader], make, LENGTH)
            assert not factor, f"twice as much of {make(12)!r} cost {factor:.1f} times as much"
