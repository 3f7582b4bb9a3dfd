"""Which scope each method needs, and which a sensible installation of a chat bot has. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sandbox.slack.call import Refusal
from sandbox.slack.world import Channel, Kind

BOT_SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "mpim:history",
    "mpim:read",
    "users:read",
)
"""What an app for this kind of bot asks for; nothing that opens DMs or adds reactions."""

APP_SCOPES = ("connections:write",)

TYPES: Mapping[str, Kind] = {"public_channel": "channel", "private_channel": "group", "mpim": "mpim", "im": "im"}
"""What the argument `types` of the methods that list conversations calls each kind."""

_LISTS = {"conversations.list", "users.conversations"}
_FAMILY: Mapping[Kind, str] = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}
_NEEDS = {
    # `*` stands for the conversation's kind: channels, groups, im, mpim (Slack's documentation of each method)
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "chat.delete": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.startStream": "chat:write",
    "chat.appendStream": "chat:write",
    "chat.stopStream": "chat:write",
    "assistant.threads.setStatus": "chat:write",
    "conversations.history": "*:history",
    "conversations.replies": "*:history",
    "conversations.info": "*:read",
    "conversations.members": "*:read",
    "conversations.list": "*:read",
    "users.conversations": "*:read",
    "conversations.open": "im:write",
    "users.info": "users:read",
    "users.list": "users:read",
    "bots.info": "users:read",
    "team.info": "team:read",
    "apps.connections.open": "connections:write",
    "reactions.add": "reactions:write",
}


def needed(method: str, channel: Channel | None) -> list[str]:
    """The scopes of which the call needs one; empty when any token will do."""
    scope = _NEEDS.get(method)
    if scope is None:
        return []
    if not scope.startswith("*"):
        return [scope]
    families = [_FAMILY[channel.kind]] if channel else list(_FAMILY.values())
    return [scope.replace("*", family) for family in families]


def check(method: str, channel: Channel | None, provided: Collection[str], types: str = "") -> None:
    """Refuse the call with `missing_scope`, naming what is needed and what was provided.

    A list of conversations needs the scope of every kind in its argument `types`.
    """
    scopes = needed(method, channel)
    if method in _LISTS:
        asked = [name.strip() for name in (types or "public_channel").split(",")]
        scopes = [f"{_FAMILY[TYPES[name]]}:read" for name in asked if name in TYPES]
        scopes = [scope for scope in scopes if scope not in provided]
    if scopes and not set(scopes) & set(provided):
        raise Refusal("missing_scope", needed=",".join(scopes), provided=",".join(provided))
