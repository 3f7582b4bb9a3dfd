"""Payloads as Slack sends them, one of every kind that says something to the bot."""

from __future__ import annotations

from typing import Any


def payloads(team: str, bot: str) -> list[dict[str, Any]]:
    """Return event callbacks for a bot user in a workspace, and the handshake."""
    said = {
        "type": "message",
        "channel": "C1",
        "channel_type": "channel",
        "user": "U1",
        "text": f"<@{bot}> hi",
        "ts": "100.000001",
    }
    version = {
        "type": "message",
        "user": "U1",
        "text": "new",
        "ts": "100.000001",
        "edited": {"user": "U1", "ts": "1.0"},
    }
    changed = {
        "type": "message",
        "subtype": "message_changed",
        "channel": "C1",
        "ts": "102.000001",
        "hidden": True,
        "message": version,
        "previous_message": {**version, "text": "old"},
        "event_ts": "102.000001",
    }
    line = {"type": "rich_text_section", "elements": [{"type": "text", "text": "z"}]}
    shared = {
        **said,
        "files": [{"id": "F1", "name": "a.txt", "size": 5, "mimetype": "text/plain"}],
        "attachments": [{"is_share": True, "text": "x", "author_name": "y"}],
        "blocks": [{"type": "rich_text", "elements": [line]}],
    }
    events = [
        said,
        {**said, "type": "app_mention"},
        changed,
        {**changed, "subtype": "message_deleted", "deleted_ts": "100.000001"},
        shared,
        {"type": "reaction_added", "user": "U1", "item": {"type": "message", "channel": "C1", "ts": "1.0"}},
    ]
    whole = {
        "type": "event_callback",
        "team_id": team,
        "api_app_id": "A1",
        "event_id": "Ev1",
        "authorizations": [{"enterprise_id": None, "team_id": team, "user_id": bot, "is_bot": True}],
    }
    return [*({**whole, "event": event} for event in events), {"type": "url_verification", "challenge": "c"}]


def mention(team: str, bot: str, ts: str) -> dict[str, Any]:
    """Return an ordinary mention at a time."""
    first = payloads(team, bot)[0]
    return {**first, "event": {**first["event"], "ts": ts}}
