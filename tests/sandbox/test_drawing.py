"""How the page draws messages: what each platform's Markdown becomes, and that text stays text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.page import drawing

NAMES = {"1": "ada", "U1": "ada", "C2": "general", "2": "general"}
WAYS = [drawing.discord, drawing.slack_markdown, drawing.mrkdwn]


def shown(nodes: Sequence[drawing.Node]) -> str:
    """A drawing in one line: `tag(inside)`, texts as they are."""
    pieces = []
    for node in nodes:
        if isinstance(node, str):
            pieces.append(node)
            continue
        extra = [str(node[name]) for name in ("class", "href", "label", "start") if name in node]
        pieces.append(f"{':'.join([node['tag'], *extra])}({shown(node['inside'])})")
    return "".join(pieces)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**b** *i* _i_ __u__ ~~s~~", "p(strong(b) em(i) em(i) u(u) s(s))"),
        ("# A\n### B\n#### C", "h1(A)h3(B)p(#### C)"),
        ("a\n  b", "p(a\n  b)"),
        ("> q\nnot", "blockquote(p(q))p(not)"),
        ("> > q", "blockquote(p(> q))"),
        (">>> q\n\nall", "blockquote(p(q)p(all))"),
        (">not", "p(>not)"),
        ("- a\n  - b\n- c", "ul(li(aul(li(b)))li(c))"),
        ("3. a\n4. b", "ol:3(li(a)li(b))"),
        ("```python\n>>> 1 < 2\n```", "pre:python(code(>>> 1 < 2))"),
        ("```js\nopen", "p(```js\nopen)"),
        ("`a *b*`", "p(code(a *b*))"),
        ("||a **b**||", "p(span:spoiler(a strong(b)))"),
        ("a || b", "p(a || b)"),
        ("[l](https://x.y/z)", "p(a:https://x.y/z(l))"),
        ("see https://x.y/a_b_c.", "p(see a:https://x.y/a_b_c(https://x.y/a_b_c).)"),
        ("<https://x.y>", "p(a:https://x.y(https://x.y))"),
        ("<@1> <#2> <@9>", "p(span:mention(@ada) span:mention(#general) span:mention(@unknown))"),
        ("<:wave:3>", "p(span:mention(:wave:))"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "p(| a | b |\n|---|---|\n| 1 | 2 |)"),
        ("&lt; \\*x\\*", "p(&lt; *x*)"),
    ],
)  # fmt: skip
def test_discord(text: str, expected: str) -> None:
    """Discord's Markdown: its own marks, no tables, quotes without laziness, an unclosed fence as it is written."""
    assert shown(drawing.discord(text, NAMES)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A\n\n**b** _i_ ~~s~~", "h1(A)p(strong(b) em(i) s(s))"),
        ("a\nb", "p(abr()b)"),
        ("| x | y |\n|:-:|--:|\n| `1` | 2 |",
         "table(thead(tr(th:center(x)th:right(y)))tbody(tr(td:center(code(1))td:right(2))))"),
        ("> q\nlazy", "blockquote(p(qbr()lazy))"),
        ("```py\nx\n", "pre:py(code(x))"),
        ("---", "hr()"),
        ("![i](https://x.y/i.png)", "p(a:https://x.y/i.png(i))"),
        ("<!here> <@U1> <#C2> <https://x.y|l>",
         "p(span:mention(@here) span:mention(@ada) span:mention(#general) a:https://x.y(l))"),
        ("<\u200b!here>", "p(<\u200b!here>)"),
        ("[a]: https://x.y", "p([a]: a:https://x.y(https://x.y))"),
    ],
)  # fmt: skip
def test_slack_markdown(text: str, expected: str) -> None:
    """A markdown block: Markdown with tables, and Slack's own tokens, live unless they were made inert."""
    assert shown(drawing.slack_markdown(text, NAMES)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*b* _i_ ~s~ *_both_*", "p(strong(b) em(i) s(s) strong(em(both)))"),
        ("**no** 2*3*4 a_b_c", "p(**no** 2*3*4 a_b_c)"),
        ("• a\n    ◦ b", "p(• a\n    ◦ b)"),
        ("&gt; q\n> r\nnot", "blockquote(p(q\nr))p(not)"),
        ("```\nx &lt; y\n```", "pre(code(x < y))"),
        ("```python\nx\n```", "pre(code(python\nx))"),
        ("&lt;b&gt; &amp;copy;", "p(<b> &copy;)"),
        ("<https://x.y|l> <https://x.y?a&amp;b>", "p(a:https://x.y(l) a:https://x.y?a&b(https://x.y?a&b))"),
        ("# no heading", "p(# no heading)"),
    ],
)
def test_mrkdwn(text: str, expected: str) -> None:
    """Slack's older markup: its own marks and entities; lists and tables only as they are written."""
    assert shown(drawing.mrkdwn(text, NAMES)) == expected


def elements(nodes: Sequence[drawing.Node], depth: int = 1) -> Iterator[tuple[dict[str, Any], int]]:
    for node in nodes:
        if not isinstance(node, str):
            yield node, depth
            yield from elements(node["inside"], depth + 1)


def texts(nodes: Sequence[drawing.Node]) -> str:
    return " ".join(node if isinstance(node, str) else texts(node["inside"]) for node in nodes)


ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](javascript:alert(1))",
    "<javascript:alert(1)>",
    "<javascript:alert(1)|x>",
    "<vbscript:x|https://good.example>",
    "[x](https://a.example/\" onmouseover=\"alert(1))",
    "```\"><script>\nx\n```",
    "[x](file:///etc/passwd)",
    "<https://x.y\" onclick=\"alert(1)|l>",
]  # fmt: skip
PIECES = st.sampled_from([
    *ATTACKS, "**", "*", "__", "~~", "~", "||", "`", "```", "```js\n", "> ", ">>> ", "&gt;", "- ", "1. ", "# ", "\n",
    "\n\n", "    ", "<@U1>", "<!here>", "&lt;", "[", "](https://x.y)", "\\", "https://x.y/", " ",
    "---\n",
])  # fmt: skip


@pytest.mark.parametrize("draw", WAYS)
@given(pieces=st.lists(st.one_of(PIECES, st.just("| a | b |\n|--|--|\n"), st.text(max_size=8)), max_size=30))
def test_no_text_is_more_than_text(draw: Any, pieces: list[str]) -> None:
    """Whatever is written, there are only known elements and fields, and links lead to the web or a mailbox."""
    for node, depth in elements(draw("".join(pieces), NAMES)):
        assert node["tag"] in drawing.TAGS
        assert set(node) <= {"tag", "inside", "class", "href", "label", "start"}
        assert node.get("class", "mention") in {"mention", "spoiler", "left", "right", "center"}
        assert (node["tag"] == "a") == ("href" in node)
        assert re.match(r"https?://|mailto:", node.get("href", "https://"), re.IGNORECASE)
        assert depth <= drawing.DEPTH + 1


@pytest.mark.parametrize("draw", WAYS)
@given(pieces=st.lists(PIECES, max_size=20))
def test_no_word_is_lost(draw: Any, pieces: list[str]) -> None:
    """Every word that stands between marks is shown, as text, as where a link leads or as a fence's language."""
    text = "".join(f"{piece} word{number}x " for number, piece in enumerate(pieces))
    drawn = json.dumps(draw(text, NAMES))
    for number in range(len(pieces)):
        assert f"word{number}x" in drawn


@pytest.mark.parametrize("draw", WAYS)
@pytest.mark.parametrize(
    "text", ["*" * 6000 + "a" + "*" * 6000, ">" * 12000, "> " * 6000, "- " * 6000, "*_~" * 4000, "||a " * 3000]
)
def test_deep_nesting_is_drawn(draw: Any, text: str) -> None:
    """Text that nests without end is drawn, at a depth a browser takes."""
    assert max(depth for _, depth in elements(draw(text, NAMES))) <= drawing.DEPTH + 1
