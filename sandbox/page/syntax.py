"""The Markdown of the platforms, as markdown-it parsers with the few rules each platform has of its own. Pure.

None takes HTML, and none makes a link that is no web or mail address. A parse's `env` holds the `names` by which
mentions are shown: id to name.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

SAFE_ADDRESS = re.compile(r"(?:https?://|mailto:)\S", re.IGNORECASE)


class Parser(MarkdownIt):
    """A parser whose links lead to the web or to a mailbox."""

    def validateLink(self, url: str) -> bool:  # noqa: N802 - markdown-it's name
        """Whether a link may lead there."""
        return SAFE_ADDRESS.match(url) is not None


Spoken = Callable[[re.Match[str], dict[str, str]], tuple[str, str]]
"""Makes of a token and the names what is shown, and the address it leads to, "" for none."""


def _token(pattern: re.Pattern[str], spoken: Spoken) -> Callable[[StateInline, bool], bool]:
    """The rule for `<…>` tokens: mentions, and links in Slack's form."""

    def rule(state: StateInline, silent: bool) -> bool:
        match = pattern.match(state.src, state.pos, state.posMax)
        if match is None:
            return False
        if not silent:
            shown, address = spoken(match, state.env.get("names", {}))
            if address and state.md.validateLink(address):
                state.push("link_open", "a", 1).attrs = {"href": address}
                state.push("text", "", 0).content = shown
                state.push("link_close", "a", -1)
            elif address:
                state.pending += shown
            else:
                state.push("mention", "", 0).content = shown
        state.pos = match.end()
        return True

    return rule


def _pair(name: str, tag: str, pattern: str) -> Callable[[StateInline, bool], bool]:
    """The rule for a text between two marks; `pattern` has one group: what is between them."""
    whole = re.compile(pattern)

    def rule(state: StateInline, silent: bool) -> bool:
        match = whole.match(state.src, state.pos, state.posMax)
        if match is None:
            return False
        if not silent:
            most = state.posMax
            state.push(f"{name}_open", tag, 1)
            state.pos, state.posMax = match.span(1)
            state.md.inline.tokenize(state)
            state.push(f"{name}_close", tag, -1)
            state.posMax = most
        state.pos = match.end()
        return True

    return rule


def _quote(line_mark: str, rest_mark: str) -> Callable[[StateBlock, int, int, bool], bool]:
    """The rule for quotes that end with the first line without a mark and do not nest; `rest_mark` quotes all below."""
    one, all_of_it = re.compile(line_mark), re.compile(rest_mark)

    def rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        if state.env.get("quoted"):
            return False  # at once: each line of a quote is asked, and looking on would read all below each
        lines: list[str] = []
        rest = False
        for number in range(start, end):
            line = state.getLines(number, number + 1, state.blkIndent, False)
            opening = None if rest else (number == start and all_of_it.match(line)) or one.match(line)
            rest = rest or bool(opening and opening.re is all_of_it)
            if not (opening or rest):
                break
            lines.append(line[opening.end() :] if opening else line)
        if not lines:
            return False
        if not silent:
            state.push("blockquote_open", "blockquote", 1)
            state.env["quoted"] = True
            state.md.block.parse("\n".join(lines), state.md, state.env, state.tokens)
            state.env["quoted"] = False
            state.push("blockquote_close", "blockquote", -1)
            state.line = start + len(lines)
        return True

    return rule


_BEFORE_TEXT: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}

_DISCORD_TOKEN = re.compile(r"<(?P<sign>@!?|@&|#)(?P<id>\d+)>|<a?:(?P<emoji>\w+):\d+>")


def _spoken_on_discord(token: re.Match[str], names: dict[str, str]) -> tuple[str, str]:
    if token["emoji"]:
        return f":{token['emoji']}:", ""
    sign = "#" if token["sign"] == "#" else "@"
    return sign + names.get(token["id"], "unknown"), ""


_SLACK_TOKEN = re.compile(
    r"<(?P<sign>[@#!]|(?=[a-z][a-z0-9+.\-]*:))(?P<target>[^<>|\n]+)(?:\|(?P<label>[^<>\n]*))?>", re.I
)


def _spoken_on_slack(token: re.Match[str], names: dict[str, str]) -> tuple[str, str]:
    sign, target, label = token["sign"], token["target"], token["label"]
    if not sign:
        return label or target.removeprefix("mailto:"), target
    return f"{'#' if sign == '#' else '@'}{names.get(target) or label or target.partition('^')[0]}", ""


def discord() -> Parser:
    """Discord's Markdown: no tables, rules or images; every line feed counts; what is unknown stays as written."""
    parser = Parser("zero")
    parser.enable(["fence", "blockquote", "heading", "list"])
    parser.enable(["escape", "backticks", "strikethrough", "emphasis", "link", "autolink"])
    parser.block.ruler.at("blockquote", _quote("> ", ">>> "), _BEFORE_TEXT)
    parser.inline.ruler.before("emphasis", "spoiler", _pair("spoiler", "span", r"\|\|((?s:.+?))\|\|"))
    parser.inline.ruler.before("autolink", "token", _token(_DISCORD_TOKEN, _spoken_on_discord))
    parser.inline.add_terminator_char("|")
    return parser


def slack_markdown() -> Parser:
    """What Slack takes in a `markdown` block: headings, lists, tables, fences; its own tokens are live in it too."""
    parser = Parser("commonmark", {"html": False, "breaks": True})
    parser.enable(["table", "strikethrough"]).disable("reference")  # which would be shown to nobody
    parser.inline.ruler.before("autolink", "token", _token(_SLACK_TOKEN, _spoken_on_slack))
    return parser


def mrkdwn() -> Parser:
    """Slack's older markup: `*bold*`, `_italic_`, `~struck~`, code, quotes and tokens, and lists only as written."""
    parser = Parser("zero")
    parser.enable(["fence", "blockquote", "backticks"])
    parser.block.ruler.at("blockquote", _quote("(?:>|&gt;) ?", "(?:>|&gt;){3} ?"), _BEFORE_TEXT)
    for name, tag, mark in (("strong", "strong", r"\*"), ("em", "em", "_"), ("s", "s", "~")):
        between = rf"(?<![\w{mark}]){mark}(?=[^\s{mark}])([^{mark}\n]*[^\s{mark}]){mark}(?!\w)"
        parser.inline.ruler.push(name, _pair(name, tag, between))
    parser.inline.ruler.push("token", _token(_SLACK_TOKEN, _spoken_on_slack))
    return parser
