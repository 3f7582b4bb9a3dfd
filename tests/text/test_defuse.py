"""Nothing pings on Slack."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slack.defusing import defuse
from tests.text import nasty

LIVE = re.compile(r"<(?:[!@#]|[a-z][a-z0-9+.\-]*:[^<>]*\|)", re.IGNORECASE)

settled = settings(max_examples=80, deadline=None, derandomize=True)


@pytest.mark.parametrize(
    "token",
    [
        "<!channel>", "<!here|x>", "<!everyone>", "<!subteam^S1>", "<!date^1^{date}|x>", "<@U1>", "<@W1|name>", "<#C1>",
        "<#C1|general>", "<https://evil.example|https://bank.example>", "<mailto:a@b.c|x>", "<slack://open|x>",
        "<HTTPS://x.y|z>", "<!chan", "<@", "```\n<!channel>\n```", "<<!channel>", "<https://x.y/\n|z>",
    ],
)  # fmt: skip
def test_live_tokens_are_made_inert(token: str) -> None:
    """After each `<` that Slack would take for a mention, a command or a labelled link stands a U+200B."""
    assert not LIVE.search(defuse(token))
    assert defuse(token).replace("\u200b", "") == token


@pytest.mark.parametrize(
    "text",
    [
        "<https://example.com>", "a < b",
        "if (a<b) c", "<div class='x'>", "&lt;!channel&gt;", "＜!channel＞", "a & b > c", "@channel @here @everyone",
        "x <y| z", "1 <2", "<3", "[a](http://b.c?d=1&e=2)",
    ],
)  # fmt: skip
def test_ordinary_text_is_left_alone(text: str) -> None:
    """Addresses, comparisons, HTML, entities and plain words stay what they are."""
    assert defuse(text) == text


@settled
@given(nasty.anything)
def test_no_text_keeps_a_live_token(text: str) -> None:
    """For every text nothing live is left, nothing but U+200B is added, and a second time changes nothing."""
    inert = defuse(text)
    assert not LIVE.search(inert)
    assert inert.replace("\u200b", "") == text.replace("\u200b", "")
    assert defuse(inert) == inert


@settled
@given(st.lists(st.sampled_from(["<", "!", "@", "U1", ">", "|", "https:", "//x", " ", "channel"]), max_size=12))
def test_no_version_of_a_growing_text_is_live(pieces: list[str]) -> None:
    """However a token is split over the pieces of a stream, no prefix of the text is live."""
    for end in range(len(pieces) + 1):
        assert not LIVE.search(defuse("".join(pieces[:end])))
