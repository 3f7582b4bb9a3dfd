"""What apps show on Discord beside a message's text: embeds, and components of the second version. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import discord

from adapters.discord.buttons import is_ours

DEPTH = 6
"""How deep components are looked into; Discord nests them three deep."""

MOST = 200
"""Components of one level that are read; Discord takes 40 a message."""

PREVIEWS = frozenset({"image", "video", "gifv", "article", "link"})
"""Types of embeds that Discord adds itself below a link (Developer Docs, "Embed Types"); those of apps are rich."""

_WORDS = ("label", "content", "name", "placeholder", "description", "url")
_INSIDE = ("children", "accessory", "items", "options", "component")


def embeds_text(embeds: Sequence[discord.Embed]) -> str:
    """Return what the embeds of apps say, a line for each part. Previews of links are Discord's own, and left out."""
    return "\n".join(line for embed in embeds if embed.type not in PREVIEWS for line in _lines(embed))


def _lines(embed: discord.Embed) -> Iterator[str]:
    if embed.author.name:
        yield embed.author.name
    if embed.title:
        yield f"{embed.title} ({embed.url})" if embed.url else embed.title
    if embed.description:
        yield embed.description
    for field in embed.fields:
        yield ": ".join(part for part in (_seen(field.name), _seen(field.value)) if part)
    if embed.image.url:
        yield "[image]"
    if embed.footer.text:
        yield embed.footer.text


def _seen(text: str | None) -> str:
    """Return what can be read of a field's name or value: many apps leave one empty by a space of no width."""
    return (text or "").strip(" \n\t\u200b")


def components_text(components: Sequence[Any]) -> str:
    """Return the words in components, whatever kind they are, a line for each."""
    return "\n".join(_words(components, DEPTH))


def _words(components: Iterable[Any], depth: int) -> Iterator[str]:
    for component in list(components)[:MOST] if depth else ():
        if is_ours(getattr(component, "custom_id", None)):
            continue
        words = [word for name in _WORDS if isinstance(word := getattr(component, name, None), str) and word]
        if words:
            yield words[0] if len(words) == 1 else f"{words[0]} ({', '.join(words[1:])})"
        for name in _INSIDE:
            inner = getattr(component, name, None)
            if inner:
                yield from _words(inner if isinstance(inner, (list, tuple)) else [inner], depth - 1)
