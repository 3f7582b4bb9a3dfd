"""Draws a message as its platform would: a tree of the few elements the page knows, and no HTML. Pure.

A node is a text, or `{"tag", "inside"}` with `"class"`, `"href"`, `"label"` (a fence's language) or `"start"` (of a
numbered list) where it has one. The page makes elements of the tree and puts every text in as text, so that nothing
anyone wrote can become markup or script.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markdown_it.token import Token

from sandbox.page import syntax

Node = str | dict[str, Any]

DEPTH = 24
"""How deep elements nest; what is deeper is drawn at that depth."""

_OPENED = frozenset(
    "p h1 h2 h3 h4 h5 h6 ul ol li blockquote table thead tbody tr th td strong em s u a span".split()  # noqa: SIM905
)
TAGS = _OPENED | {"pre", "code", "br", "hr"}
"""Every element there is."""

_ADDRESS = re.compile(r"https?://[^\s<>|]*[^\s<>|.,;:!?'\")\]*_~]")
_ENTITY = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ENTITIES = re.compile("|".join(_ENTITY))

_DISCORD, _SLACK_MARKDOWN, _MRKDWN = syntax.discord(), syntax.slack_markdown(), syntax.mrkdwn()


def discord(text: str, names: Mapping[str, str]) -> list[Node]:
    """A message on Discord; `names` of people, roles and channels by id."""
    return _Drawing(text, headings=3, underline=True, open_fences=False).of(_DISCORD.parse(text, {"names": names}))


def slack_markdown(text: str, names: Mapping[str, str]) -> list[Node]:
    """What a `markdown` block on Slack holds."""
    return _Drawing(text).of(_SLACK_MARKDOWN.parse(text, {"names": names}))


def mrkdwn(text: str, names: Mapping[str, str]) -> list[Node]:
    """A message on Slack without blocks, or one that a person typed."""
    return _Drawing(text, languages=False, escaped=True).of(_MRKDWN.parse(text, {"names": names}))


class _Drawing:
    """One message.

    Args:
        text: as it was sent.
        headings: the lowest level that is one; of lower ones the marks are shown.
        underline: `__text__` is underlined, not bold.
        open_fences: a fence that does not end is one all the same.
        languages: the word after a fence's opening names its language; else it is code.
        escaped: `&lt;`, `&gt;` and `&amp;` stand for characters.
    """

    def __init__(
        self,
        text: str,
        *,
        headings: int = 6,
        underline: bool = False,
        open_fences: bool = True,
        languages: bool = True,
        escaped: bool = False,
    ) -> None:
        self._lines = text.split("\n")
        self._headings = headings
        self._underline = underline
        self._open_fences = open_fences
        self._languages = languages
        self._escaped = escaped

    def of(self, tokens: Sequence[Token]) -> list[Node]:
        """The nodes of a parse."""
        root: list[Node] = []
        self._draw(tokens, [root])
        return root

    def _draw(self, tokens: Sequence[Token], open_: list[list[Node]], *, linked: bool = False) -> None:
        """Draw tokens into the innermost of the open elements. `linked`: they stand in a link."""
        for token in tokens:
            if token.nesting < 0:
                open_.pop()
                linked = linked and token.type != "link_close"
            elif token.nesting > 0:
                linked = linked or token.type == "link_open"
                node = self._element(token) if len(open_) <= DEPTH else None
                if node is not None:
                    open_[-1].append(node)
                open_.append(node["inside"] if node is not None else open_[-1])
                if token.type == "heading_open" and int(token.tag[1]) > self._headings:
                    open_[-1].append(f"{token.markup} ")
            elif token.type == "inline":
                self._draw(token.children or (), open_)
            else:
                open_[-1].extend(self._leaf(token, linked=linked))

    def _element(self, token: Token) -> dict[str, Any] | None:
        """The element a token opens; None when what is inside stands for itself."""
        if token.hidden or token.tag not in _OPENED:
            return None
        node: dict[str, Any] = {"tag": token.tag, "inside": []}
        if token.type == "link_open":
            node["href"] = self._plain(str(token.attrs.get("href", "")))
        elif token.type == "spoiler_open":
            node["class"] = "spoiler"
        elif token.type == "strong_open" and token.markup == "__" and self._underline:
            node["tag"] = "u"
        elif token.type == "heading_open" and int(token.tag[1]) > self._headings:
            node["tag"] = "p"
        elif token.type == "ordered_list_open":
            node["start"] = int(token.attrs.get("start", 1))
        elif token.type in ("th_open", "td_open") and (style := str(token.attrs.get("style", ""))):
            node["class"] = style.removeprefix("text-align:")
        return node

    def _leaf(self, token: Token, *, linked: bool) -> Iterator[Node]:
        match token.type:
            case "fence" | "code_block":
                yield self._code(token)
            case "code_inline":
                yield {"tag": "code", "inside": [self._plain(token.content)]}
            case "mention":
                yield {"tag": "span", "class": "mention", "inside": [self._plain(token.content)]}
            case "hr":
                yield {"tag": "hr", "inside": []}
            case "hardbreak" | "softbreak":
                yield {"tag": "br", "inside": []}
            case "image":  # nothing is fetched from elsewhere
                address = str(token.attrs.get("src", ""))
                shown = token.content or address
                yield shown if linked else {"tag": "a", "href": address, "inside": [shown]}
            case _ if linked:
                yield self._plain(token.content)
            case _:
                yield from self._text(token.content)

    def _text(self, text: str) -> Iterator[Node]:
        """A text, its bare addresses as links."""
        done = 0
        for found in _ADDRESS.finditer(text):
            if found.start() > done:
                yield self._plain(text[done : found.start()])
            address = self._plain(found[0])
            yield {"tag": "a", "href": address, "inside": [address]}
            done = found.end()
        if done < len(text):
            yield self._plain(text[done:])

    def _code(self, token: Token) -> Node:
        info = token.info.strip()
        code = token.content.removesuffix("\n")
        if info and not self._languages:
            code, info = f"{info}\n{code}", ""
        if token.type == "fence" and not self._open_fences and not self._ended(token):
            return {"tag": "p", "inside": [f"{token.markup}{info}\n{code}"]}
        node: dict[str, Any] = {"tag": "pre", "inside": [{"tag": "code", "inside": [self._plain(code)]}]}
        return node | {"label": info} if info else node

    def _ended(self, token: Token) -> bool:
        """Whether a fence has its closing line; one inside a quote is taken to have it."""
        first, end = token.map or (0, 0)
        last = self._lines[end - 1 : end]
        return token.level > 0 or (end - first > 1 and last != [] and last[0].strip().startswith(token.markup))

    def _plain(self, text: str) -> str:
        return _ENTITIES.sub(lambda entity: _ENTITY[entity[0]], text) if self._escaped else text
