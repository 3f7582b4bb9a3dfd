"""Payloads as Slack sends them, one of every kind that says something to the bot, and payloads that are nonsense."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from sandbox.slack import SlackServer
from tests.fuzz.mutate import mutated

NOWHERE = 40
"""Channels that are not there, of which well-formed events tell."""

STRANGERS = 200
"""People who are not there, who write them."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Who and where: the ids of the workspace, the bot, a person and a channel of theirs."""

    team: str
    bot: str
    user: str
    channel: str

    @classmethod
    def of(cls, slack: SlackServer) -> Scene:
        """Return what a stand-in has."""
        space = slack.workspace
        return cls(space.team_id, space.bot.id, space.user("ada").id, space.channel("general").id)

    def whole(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return an event's callback."""
        authorization = {"enterprise_id": None, "team_id": self.team, "user_id": self.bot, "is_bot": True}
        envelope = {"type": "event_callback", "team_id": self.team, "api_app_id": "A1", "event_id": "Ev1"}
        return {**envelope, "authorizations": [authorization], "event": event}

    def said(self, **other: str) -> dict[str, Any]:
        """Return the event of a mention."""
        text = f"<@{self.bot}> hi"
        said = {"type": "message", "channel": self.channel, "channel_type": "channel", "user": self.user, "text": text}
        return {**said, "ts": "1700000100.000001", **other}

    def payloads(self) -> list[dict[str, Any]]:
        """Return one payload of every kind."""
        said = self.said()
        version = {"type": "message", "user": self.user, "text": "new", "ts": said["ts"]}
        version["edited"] = {"user": self.user, "ts": "1700000101.000000"}
        changed = {
            **{name: said[name] for name in ("type", "channel", "channel_type")},
            "subtype": "message_changed",
            "ts": "1700000102.000001",
            "hidden": True,
            "message": version,
            "previous_message": {**version, "text": "old"},
            "event_ts": "1700000102.000001",
        }
        line = {"type": "rich_text_section", "elements": [{"type": "text", "text": "z"}, {"type": "date"}]}
        shared = {
            **said,
            "files": [{"id": "F1", "name": "a.txt", "size": 5, "mimetype": "text/plain"}],
            "attachments": [{"is_share": True, "text": "x", "author_name": "y"}],
            "blocks": [{"type": "rich_text", "elements": [line]}],
        }
        item = {"type": "message", "channel": self.channel, "ts": said["ts"]}
        events = [
            said,
            {**said, "type": "app_mention"},
            changed,
            {**changed, "subtype": "message_deleted", "deleted_ts": said["ts"]},
            shared,
            {"type": "reaction_added", "user": self.user, "item": item},
            {"type": "member_joined_channel", "user": self.user, "channel": self.channel},
        ]
        press = {"type": "block_actions", "actions": [{"action_id": "a"}], "user": {"id": self.user}, "trigger_id": "t"}
        return [*map(self.whole, events), {"type": "url_verification", "challenge": "c"}, press]

    def nonsense(self, chance: random.Random) -> Any:
        """Return a payload that is odd in form, or about a channel and a person that are not there."""
        if chance.randrange(5):
            return mutated(chance.choice(self.payloads()), chance)
        return self.whole(
            self.said(
                type=chance.choice(["app_mention", "message"]),
                channel=f"C0GONE{chance.randrange(NOWHERE)}",
                user=f"U0GONE{chance.randrange(STRANGERS)}",
                ts=f"{chance.randrange(1_600_000_000, 1_700_000_000)}.{chance.randrange(1_000_000):06d}",
            )
        )
