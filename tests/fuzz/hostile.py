"""Texts that nobody writes on purpose: short units of Markdown, entities and white space, repeated."""

from __future__ import annotations

import random
from collections.abc import Iterator

TOKENS = (
    "<", "<@", "<!", "<#", "</", "<a", "<@U1", "<@U1|", "<!here", "<https://a", "https://a", "<a:b:1", "<t:1", ">", "|",
    "||", "|||", "&", "&lt;", "&amp;", "&#x", "&#1;", "!", "[", "![", "]", "](", "(", ")", "*", "**", "_", "__", "~",
    "~~", "`", "``", "```", "~~~", "-", "- ", "* ", "1. ", "  ", "    ", "\n", "\n\n", "\t", "\r", "> ", "#", "## ",
    "###### ", "---", "|---", "|-|", "\\", "\\|", "a", "ab", "A", "0", "1", ".", ":", ";", "'", '"', "@", "@everyone",
    "@here", "xoxb-", "sk-ant-", "://", "://a:", "a.b", "é", "日", "\u200d", "\u200b", "👍", "\ud83d", "\x00",
    "<message", "note", "=", "==", "http:", "www.", "a@b", "^", ",", "/", "<b>", "</b>", "<!--", "-->", "<?",
)  # fmt: skip

KNOWN = (
    "<a", "<@", "</", "<#", "<!", "<http:", "<a&", "![!&a", "> ![---**", "`\n**|", "|||", "- <a![", "[~~<:'*`",
    "[<!\u200d&",     "\n|-|", "\n\n-", "'\n=", "![---**", "- - ", "**|", "\u200d<", "*` \n\\", "_<#", ">*",
)  # fmt: skip
"""What was slow once."""

PLAIN = "plain words here, and some more of them. "


def repeated(unit: str, length: int) -> str:
    """Return a text of that many characters."""
    return (unit * (length // len(unit) + 1))[:length]


def units(count: int, seed: int) -> Iterator[str]:
    """Yield what was slow once, every token, and `count` random sequences of up to four tokens."""
    yield from KNOWN
    yield from TOKENS
    chance = random.Random(seed)  # noqa: S311 - a test's
    for _ in range(count):
        yield "".join(chance.choice(TOKENS) for _ in range(chance.randint(1, 4)))
