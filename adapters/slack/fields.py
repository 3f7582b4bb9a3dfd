"""Fields of what Slack sends, read without trust in their form; and who the bot is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is in the workspace it is installed in, as `auth.test` says.

    Args:
        team: the id of the workspace.
        user: the bot's user id.
        bot: its bot id; empty where Slack names none.
        name: its user name.
        answers: ids of other bots that it answers: of a bot, its app or its user.
    """

    team: str
    user: str
    bot: str = ""
    name: str = ""
    answers: frozenset[str] = frozenset()

    @property
    def installation(self) -> str:
        """The name its mailbox goes by."""
        return f"slack:{self.team}"


def field(event: Event, name: str) -> str:
    """The value of `name` if it is text, else an empty text: payloads are not to be trusted in their form."""
    value = event.get(name)
    return value if isinstance(value, str) else ""


def is_direct(event: Event) -> bool:
    """Whether it happened in a direct message between one person and the bot."""
    return field(event, "channel_type") == "im" or field(event, "channel").startswith("D")


def in_thread(event: Event) -> bool:
    """Whether it is a reply in a thread, as against the message a thread begins with."""
    return field(event, "thread_ts") not in {"", field(event, "ts")}


def is_time(ts: str) -> bool:
    """Whether `ts` is a message's time as Slack writes it."""
    seconds, _, fraction = ts.partition(".")
    return seconds.isdecimal() and len(seconds) <= 12 and (not fraction or fraction.isdecimal())
