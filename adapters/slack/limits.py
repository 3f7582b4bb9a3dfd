"""Slack's rate limits of writes, which its answers state only when one is exceeded. Pure."""

from __future__ import annotations

from bot.ports import RateLimit, Write

EDITS, EDIT_BURST = 50, 10
"""Calls a minute of chat.update, and of chat.delete, in a workspace: Tier 3 (Slack's docs, "Rate limits")."""

POSTS, POST_BURST = 300, 100
"""Messages a minute in a workspace: Slack's docs say "several hundred"."""

CHANNEL_POSTS = 55
"""Messages a minute in a channel: about one a second. Slack's docs allow "short bursts" without a number, so none."""

MINUTE = 60.0


def rate_limits(installation: str, write: Write, channel: str) -> tuple[RateLimit, ...]:
    """Return the rate limits that a write in a channel spends from."""
    match write:
        case Write.EDIT:
            return (RateLimit(f"{installation}:chat.update", EDITS, MINUTE, EDIT_BURST),)
        case Write.DELETE:
            return (RateLimit(f"{installation}:chat.delete", EDITS, MINUTE, EDIT_BURST),)
        case Write.POST:
            return (
                RateLimit(f"{installation}:chat.postMessage:{channel}", CHANNEL_POSTS, MINUTE, 1),
                RateLimit(f"{installation}:chat.postMessage", POSTS, MINUTE, POST_BURST),
            )
        case Write.OPEN:
            return ()
