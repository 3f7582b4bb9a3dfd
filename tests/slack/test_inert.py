"""Nothing that leaves for Slack can ping anybody or hide where a link leads, whatever Claude or a person wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slack import SlackAdapter
from adapters.slack.rendering import MARKDOWN, MRKDWN, PLAIN, SHORT_MARKDOWN, content
from bot.conversation import Place
from bot.ports import Content
from bot.text import Dialect
from sandbox.journal import Journal
from sandbox.slack import SlackServer

LIVE = re.compile(r"<(?:[!@#]|[A-Za-z][\w+.\-]*:[^<>\n]*\|)")
DIALECTS = [MARKDOWN, SHORT_MARKDOWN, MRKDWN]

TOKENS = ["<!channel>", "<!here>", "<!everyone>", "<!subteam^S1|@devs>", "<@U123ABC>", "<@W1|ada>", "<#C123|general>"]
TOKENS += ["<https://evil.example|https://bank.example>", "<mailto:a@b.c|here>", "<!date^1^{date}|now>"]
MARKUP = ["<", ">", "!", "@", "#", "|", "`", "```", "*", "_", "~", "[", "](", ")", "\\", "\n", " ", "&lt;", "&amp;"]
MARKUP += ["channel>", "@U123ABC>", "\u200b", "[a](<!here>)", "[<!channel>](https://x.y)", "![<@U1>](https://x.y)"]
MARKUP += [
    "[x](https://x.y|<!here>)",
    "<\n!here>",
    "\\<!here>",
    "~~",
    "1. ",
    "- ",
    "> ",
    "| a |",
    "&#60;!here>",
    "é",
    "\0",
]

nasty = st.lists(st.sampled_from(TOKENS + MARKUP) | st.text(max_size=3), max_size=12).map("".join)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@settings(deadline=None)
@given(text=nasty)
def test_no_live_token(dialect: Dialect, text: str) -> None:
    """No string of a call holds a live token, whether the text was rendered before or not."""
    for given_text in (text, dialect.render(text)):
        for sent in strings(content(given_text, dialect)):
            assert not LIVE.search(sent), sent


@settings(deadline=None)
@given(text=nasty)
def test_the_text_beside_the_blocks_is_plain(text: str) -> None:
    """What notifications and screen readers get is never empty, within what chat.update takes, and holds no token."""
    beside = content(text, MARKDOWN)["text"]
    assert beside.strip()
    assert "<" not in beside
    assert len(beside.encode()) <= PLAIN


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@settings(deadline=None)
@given(text=nasty)
def test_rendered_text_stays_as_it_is(dialect: Dialect, text: str) -> None:
    """What was rendered is sent unchanged, so that the text shown can be compared with the text meant."""
    page = dialect.render(text)
    sent = content(page, dialect)
    assert page == (sent["text"] if dialect is MRKDWN else sent["blocks"][0]["text"])


@pytest.mark.parametrize("markdown", [True, False], ids=["markdown", "mrkdwn"])
async def test_nobody_is_called(adapter: SlackAdapter, slack: SlackServer, journal: Journal, markdown: bool) -> None:
    """Over the wire no post and no edit calls anybody, not even bare @names, with blocks or without."""
    slack.rates.enforced = False
    platform, place = adapter.platform, Place(slack.workspace.channel("general").id)
    if not markdown:
        slack.rules.markdown = 0
        with pytest.raises(Exception, match="invalid_blocks"):
            await platform.post(place, Content("x"), "n")
    text = " ".join([*TOKENS, *MARKUP, "@channel", "@here", "@everyone", "@ada", "@grace"])
    render = platform.dialect(place).render
    receipt = await platform.post(place, Content(render(text)), "n.0")
    await platform.edit(place, receipt.ref, Content(render(f"{text} again")))
    shown = journal.message("slack", receipt.ref.channel, receipt.ref.id)
    assert len(shown.versions) == 2
    assert shown.extra["pings"] == []
