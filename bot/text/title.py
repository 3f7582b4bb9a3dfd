"""Names a thread after the question it begins with."""

from __future__ import annotations

from bot.text.plain import plain

FALLBACK = "Conversation"


def title(text: str, limit: int = 100) -> str:
    """Return a one-line plain name of at most `limit` UTF-16 code units; `Conversation` when the text has none.

    The default is Discord's limit for the name of a thread.
    """
    return plain(text, limit) or FALLBACK[:limit]
