"""What apps show on Discord beside a message's text: embeds, and components of the second version. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import discord

DEPTH = 6
"""How deep components are looked into; Discord nests them three deep."""

MOST = 200
"""Components of one level that are read; Discord takes 40 a message."""

_WORDS = ("label", "content", "description", "placeholder")
_INSIDE = ("children", "accessory", "items", "component")


def embeds_text(embeds: Sequence[discord.Embed]) -> str:
    """Return what the embeds of apps say, a line for each part. Previews of links are Discord's own, and left out."""
    return "\n".join(line for embed in embeds if embed.type == "rich" for line in _lines(embed))


def _lines(embed: discord.Embed) -> Iterator[str]:
    if embed.author.name:
        yield embed.author.name
    if embed.title:
        yield f"{embed.title} ({embed.url})" if embed.url else embed.title
    if embed.description:
        yield embed.description
    for field in embed.fields:
        yield f"{field.name}: {field.value}"
    if embed.image.url:
        yield "[image]"
    if embed.footer.text:
        yield embed.footer.text


def components_text(components: Sequence[Any], depth: int = DEPTH) -> str:
    """Return the words in components, whatever kind they are, a line for each."""
    lines: list[str] = []
    for component in components[:MOST] if depth else ():
        lines += [word for name in _WORDS if isinstance(word := getattr(component, name, None), str) and word]
        for name in _INSIDE:
            inner = getattr(component, name, None)
            if inner:
                lines.append(components_text(inner if isinstance(inner, (list, tuple)) else [inner], depth - 1))
    return "\n".join(line for line in lines if line)
