"""A person who changes a question while it is answered, on a platform that delivers changes again and out of order."""

from __future__ import annotations

from typing import Any

from tests.whole.house import Slack
from tests.whole.test_health import LONG


def edits(slack: Any) -> list[str]:
    """The ids of the events that told of a person's edits, oldest first."""
    events = {id_: delivery.body["event"] for id_, delivery in slack.server.events.deliveries.items()}
    return [
        id_
        for id_, event in events.items()
        if event.get("subtype") == "message_changed" and event["message"]["user"] == slack.person
    ]


async def asked(slack: Slack, number: int) -> None:
    """Wait until Claude was asked so often, and the newest answer is growing."""
    await slack.house.until(lambda: len(slack.house.box.claude.asked()) == number, "asked anew")
    await slack.shows_text("An answer")


async def test_an_edit_delivered_again_changes_nothing(slack: Slack):
    """The newest edit of a question is what is answered, once: neither it nor an older one counts a second time."""
    claude = slack.house.box.claude
    for _ in range(5):
        claude.answer(LONG, rate=20)
    async with slack.house.bot():
        question = await slack.ask("one?")
        await asked(slack, 1)
        for number, text in enumerate(("two?", "three?"), 2):
            await slack.server.edit(slack.channel, question, f"<@{slack.bot}> {text}")
            await asked(slack, number)
        for event in edits(slack):
            await slack.server.redeliver(event)
        await slack.shows(LONG.strip(), timeout=40)
    assert len(claude.asked()) == 3
    assert "three?" in str(claude.asked()[-1]["messages"][-1]["content"])
