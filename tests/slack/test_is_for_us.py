"""The predicate, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.slack.fields import Identity
from adapters.slack.for_us import is_for_us

US = Identity("T1", "UBOT", "BBOT")


def event(text: str = "hello", /, **more: Any) -> dict[str, Any]:
    base = {"type": "message", "channel": "C1", "channel_type": "channel", "user": "U1", "ts": "100.000100"}
    return {**base, "text": text, **more}


def reply(text: str = "hello", /, **more: Any) -> dict[str, Any]:
    return event(text, thread_ts="90.000100", **more)


def direct(text: str = "hello", /, **more: Any) -> dict[str, Any]:
    return event(text, **{"channel": "D1", "channel_type": "im", **more})


AT_BOT = "<@UBOT> hello"
MENTION_ONLY_IN_BLOCKS = [
    {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": [{"type": "user", "user_id": "UBOT"}]}],
    }
]

ALWAYS = {
    "a mention in a channel": event(AT_BOT),
    "a mention in the middle": event("what does <@UBOT> say?"),
    "a mention with a label": event("<@UBOT|firsttoken> hello"),
    "a mention that only the blocks hold": event("", blocks=MENTION_ONLY_IN_BLOCKS),
    "app_mention": event(AT_BOT, type="app_mention", channel_type=None),
    "app_mention whose text was rewritten": event("hello", type="app_mention", channel_type=None),
    "a mention in a private channel": event(AT_BOT, channel="G1", channel_type="group"),
    "a mention in a group message": event(AT_BOT, channel="G2", channel_type="mpim"),
    "a mention in a thread": reply(AT_BOT),
    "a mention in a thread that begins with others": reply("<@U2> ask <@UBOT>"),
    "a mention with a file": event(AT_BOT, subtype="file_share", files=[{"id": "F1"}]),
    "a mention in a reply sent to the channel too": reply(AT_BOT, subtype="thread_broadcast"),
    "a mention as /me": event(AT_BOT, subtype="me_message"),
    "a direct message": direct(),
    "a direct message without its channel type": direct(channel_type=None),
    "a direct message in a thread": direct(thread_ts="90.000100"),
    "a direct message to others by name": direct("<@U2> hello"),
    "a direct message that is only a file": direct("", subtype="file_share", files=[{"id": "F1"}]),
    "an empty mention": event("<@UBOT>"),
    "a mention by somebody from another company": event(AT_BOT, user="W9", user_team="T2", team="T2"),
}
FOLLOW_UP = {
    "a reply": reply(),
    "a reply with a file": reply("", subtype="file_share", files=[{"id": "F1"}]),
    "a reply sent to the channel too": reply(subtype="thread_broadcast"),
    "a reply that mentions somebody later on": reply("I think <@U2> knows"),
    "a reply that begins with a date": reply("<!date^1700000000^{date}|14 Nov> it was"),
    "a reply in a private channel": reply(channel="G1", channel_type="group"),
}
NEVER = {
    "a message in a channel": event(),
    "a message in a group": event(channel="G2", channel_type="mpim"),
    "the root of a thread": event(thread_ts="100.000100"),
    "a reply to somebody else": reply("<@U2> what do you think?"),
    "a reply to several others": reply("<@U2>, <@U3> and <@U4>: see above"),
    "a reply to everybody": reply("<!here> look"),
    "a reply to a group of people": reply("<!subteam^S1|@devs> look"),
    "a bot that mentions": event(AT_BOT, bot_id="B2", user="U7"),
    "an old bot message": event(AT_BOT, subtype="bot_message", bot_id="B2", user=None),
    "a bot in a direct message": direct(bot_id="B2"),
    "the bot itself": event(AT_BOT, user="UBOT"),
    "the bot itself in a direct message": direct(user="UBOT", bot_id="BBOT"),
    "the bot itself in its thread": reply(user="UBOT", bot_id="BBOT"),
    "Slackbot": direct(user="USLACKBOT"),
    "nobody": direct(user=None),
    "an edit": event(AT_BOT, subtype="message_changed"),
    "a deletion": direct(subtype="message_deleted"),
    "a person joins": event("<@UBOT> has joined the channel", subtype="channel_join"),
    "a new topic": event("set the topic: <@UBOT>", subtype="channel_topic"),
    "a hidden message": direct(hidden=True),
    "a reaction": event(AT_BOT, type="reaction_added"),
    "a message without a channel": event(AT_BOT, channel=None),
    "a message without a time": event(AT_BOT, ts=None),
    "a time that is none": event(AT_BOT, ts="nan"),
    "a mention of a longer id": event("<@UBOT2> hello"),
    "a mention written out": event("@UBOT hello"),
    "fields of the wrong form": {"type": "message", "channel": 1, "user": [], "ts": {}, "text": 7},
    "nothing": {},
}


@pytest.mark.parametrize("name", ALWAYS)
@pytest.mark.parametrize("takes_part", [True, False])
@pytest.mark.parametrize("follow_ups", ["all", "mention"])
def test_addressed(name: str, takes_part: bool, follow_ups: Any) -> None:
    """What is written to the bot itself is for it, whatever else holds."""
    assert is_for_us(ALWAYS[name], US, follow_ups=follow_ups, takes_part=takes_part)


@pytest.mark.parametrize("name", FOLLOW_UP)
def test_follow_up(name: str) -> None:
    """A reply without a mention is for the bot where it takes part, unless only mentions count."""
    assert is_for_us(FOLLOW_UP[name], US, follow_ups="all", takes_part=True)
    assert not is_for_us(FOLLOW_UP[name], US, follow_ups="all", takes_part=False)
    assert not is_for_us(FOLLOW_UP[name], US, follow_ups="mention", takes_part=True)


@pytest.mark.parametrize("name", NEVER)
def test_not_for_us(name: str) -> None:
    """What nobody says to the bot, or no person says, is never answered."""
    assert not is_for_us(NEVER[name], US, follow_ups="all", takes_part=True)
