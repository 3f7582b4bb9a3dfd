"""Texts too long or in a form that a workspace refuses: what is lowered, and what is tried instead."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.slack.delivery import Delivery
from adapters.slack.rendering import MRKDWN
from bot import errors
from bot.conversation import Place
from bot.ports import Content
from sandbox.faults import Fault
from sandbox.journal import Journal
from sandbox.slack import SlackServer
from tests.slack.looking import arguments, shown

LONG = "long enough " * 800


@pytest.mark.parametrize(
    "rule", [{"markdown": 5000}, {"markdown": 5000, "markdown_code": "msg_too_long"}, {"total": 5000}], ids=str
)
async def test_limit_is_lowered(
    platform: Delivery, place: Place, slack: SlackServer, journal: Journal, rule: dict[str, Any]
) -> None:
    """A workspace that refuses long messages gets short ones from then on, still as markdown."""
    for name, value in rule.items():
        setattr(slack.rules, name, value)
    ref = (await platform.post(place, Content("…"), "n.0")).ref
    assert platform.dialect(place).limit == 11_000
    with pytest.raises(errors.TooLong):
        await platform.edit(place, ref, Content(LONG))
    dialect = platform.dialect(place)
    assert dialect.limit == 3_900
    assert dialect.measure("ö") == 2
    with pytest.raises(errors.TooLong):
        await platform.edit(place, ref, Content(LONG))
    assert len(arguments(journal, "chat.update")) == 1  # the second was not even tried
    await platform.edit(place, ref, Content(LONG[:3_900]))
    assert arguments(journal, "chat.update")[-1]["blocks"][0]["type"] == "markdown"


async def test_two_long_edits_at_once(platform: Delivery, place: Place, slack: SlackServer) -> None:
    """Two long edits under way together are both split again; neither counts as refused content."""
    slack.rules.markdown = 5000
    refs = [(await platform.post(place, Content("…"), f"n.{n}")).ref for n in range(2)]
    outcomes = await asyncio.gather(*(platform.edit(place, ref, Content(LONG)) for ref in refs), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [errors.TooLong, errors.TooLong]


async def test_a_late_refusal(platform: Delivery, place: Place, slack: SlackServer) -> None:
    """A refusal that comes in late does not undo what an earlier one has taught."""
    slack.rules.markdown = 0
    slack.faults.add(Fault("chat.postMessage", "delay", seconds=0.1, when=lambda given: len(str(given)) > 3_900))
    outcomes = await asyncio.gather(
        platform.post(place, Content(LONG), "n.0"),
        platform.post(place, Content("short"), "n.1"),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [errors.TooLong, errors.TooLong]
    assert platform.dialect(place) is MRKDWN


async def test_no_markdown_blocks(platform: Delivery, place: Place, slack: SlackServer, journal: Journal) -> None:
    """A workspace that refuses markdown blocks gets Slack's older markup as text."""
    slack.rules.markdown = 0
    with pytest.raises(errors.TooLong):
        await platform.post(place, Content("**bold**"), "n.0")
    dialect = platform.dialect(place)
    assert dialect.limit == 3_900
    page = dialect.render("**bold** and [a link](https://x.y/z) for <!channel>")
    receipt = await platform.post(place, Content(page), "n.0")
    assert shown(journal, receipt.ref) == "*bold* and a link (<https://x.y/z>) for <\u200b!channel>"
    await platform.edit(place, receipt.ref, Content(dialect.render("**bolder**")))
    assert shown(journal, receipt.ref) == "*bolder*"


async def test_short_text_refused_as_too_long(platform: Delivery, place: Place, slack: SlackServer) -> None:
    """A text that cannot be made shorter any more is refused content, or it would be split for ever."""
    slack.faults.add(Fault("chat.postMessage", "error", code="msg_too_long", times=None))
    with pytest.raises(errors.ContentRefused):
        await platform.post(place, Content("short"), "n.0")


async def test_no_empty_message(platform: Delivery, place: Place, journal: Journal) -> None:
    """An empty text is refused here: Slack's refusal of it would read as one of markdown blocks."""
    with pytest.raises(errors.ContentRefused):
        await platform.post(place, Content(" \n"), "n.0")
    assert platform.dialect(place).limit == 11_000
