"""Short plain text for notifications and names: no Markdown, no mention, one line."""

from __future__ import annotations


def plain(text: str, limit: int) -> str:
    """Return at most `limit` characters of `text` on one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
