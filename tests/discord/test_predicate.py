"""Whether a message is for the bot: the whole table."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.discord.for_us import Sighting, is_for_us
from bot.conversation import FollowUps

IN_OURS = {"in_thread": True, "takes_part": True}


@pytest.mark.parametrize(
    ("seen", "with_all", "with_mention"),
    [
        ({}, False, False),
        ({"direct": True}, True, True),
        ({"mentions_bot": True}, True, True),
        ({"replies_to_bot": True}, True, True),
        ({"mentions_bot": True, "addresses_others": True}, True, True),
        ({"addresses_others": True}, False, False),
        ({"in_thread": True}, False, False),
        ({"in_thread": True, "mentions_bot": True}, True, True),
        (IN_OURS, True, False),
        (IN_OURS | {"addresses_others": True}, False, False),
        (IN_OURS | {"addresses_others": True, "mentions_bot": True}, True, True),
        (IN_OURS | {"replies_to_bot": True}, True, True),
        (IN_OURS | {"human": False}, False, False),
        (IN_OURS | {"ordinary": False}, False, False),
        ({"direct": True, "human": False}, False, False),
        ({"direct": True, "ordinary": False}, False, False),
        ({"mentions_bot": True, "human": False}, False, False),
        ({"mentions_bot": True, "ordinary": False}, False, False),
        ({"replies_to_bot": True, "human": False}, False, False),
        ({"takes_part": True}, False, False),
    ],
)
def test_a_message_is_for_us_exactly_when_it_speaks_to_the_bot(
    seen: dict[str, Any], with_all: bool, with_mention: bool
) -> None:
    """People who name the bot, write to it, or go on in its thread are answered; nobody else is."""
    settings: tuple[tuple[FollowUps, bool], ...] = (("all", with_all), ("mention", with_mention))
    for follow_ups, expected in settings:
        assert is_for_us(Sighting(**seen), follow_ups) is expected
