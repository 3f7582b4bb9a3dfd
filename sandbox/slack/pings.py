"""Which tokens in a text would call somebody on Slack. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LIVE = re.compile(r"<!(?:channel|here|everyone|group|subteam\b)[^<>]*>|<@[UW][A-Z0-9]+(?:\|[^<>]*)?>")


def live_tokens(text: str) -> list[str]:
    """The mention tokens that are live wherever Slack reads them, in the order they stand in `text`."""
    return _LIVE.findall(text)


def linked_names(text: str, names: Iterable[str]) -> list[str]:
    """What `parse=full`, `parse=client` or `link_names` turns into mentions: bare `@here`, `@channel`, `@name`."""
    wanted = "|".join(re.escape(name) for name in {"channel", "here", "everyone", *names})
    return re.findall(rf"(?<![\w<@])@(?:{wanted})\b", text)
