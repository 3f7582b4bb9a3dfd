"""Strategies for Markdown as Claude writes it, and as nobody should."""

from __future__ import annotations

from hypothesis import strategies as st

WORDS = [
    "a", "the", "pool", "connection", "snake_case", "x*y", "5 * 3", "a < b", "C++", "don't", "e.g.", "100%", "naïve",
    "Größe", "日本語のテキスト", "مرحبا", "שלום", "नमस्ते", "e\u0301", "👩‍👩‍👧‍👦", "👍🏽", "🇩🇪", "❤️", "1️⃣",
    "\\*", "&amp;", "array[0]", "@everyone", "||", "f(x)", "—", "…",
]  # fmt: skip
TOKENS = [
    "https://example.com/a/long_path?q=1&r=2", "<https://example.com/x>", "[the docs](https://example.com/docs)",
    "![alt text](https://example.com/i.png)", "[a *b* c](<https://example.com>)", "`code`", "``a ` b``", "**bold**",
    "*italic words*", "***both***", "~~gone~~", "__under__", "||a spoiler||", "<@U123ABC>", "<#C123|general>",
    "<!channel>", "<@&42>", "<:smile:123456>", "<t:1700000000:R>", "<https://x.y|label here>", "**[bold link](http://x.y)**",
    "[link **b**](http://x.y/(a))", "**`code`**",
]  # fmt: skip

inline = st.lists(st.sampled_from(WORDS + TOKENS), min_size=1, max_size=12).map(" ".join)
sentence = inline.map(lambda text: f"{text[:1].upper()}{text[1:]}.")
paragraph = st.lists(sentence, min_size=1, max_size=5).map(" ".join)
code_line = st.sampled_from(
    ["", "x = 1", "    return [y for y in z]", "print('```')", "# a comment that is longer than others are", "`", "* b",
     "| a | b |", "<!channel>", "~~~", "日本 = 2", "</div>", "1. one", "\treturn x"]
)  # fmt: skip


def indented(text: str, by: str, first: str = "") -> str:
    lines = text.split("\n")
    return "\n".join([first + lines[0], *(by + line if line else line for line in lines[1:])])


@st.composite
def fence(draw: st.DrawFn) -> str:
    marker = draw(st.sampled_from(["```", "```", "````", "~~~", "~~~~"]))
    info = draw(st.sampled_from(["", "python", "js title=x", "c++", "{.ruby}"]))
    lines = [line for line in draw(st.lists(code_line, max_size=12)) if not line.strip().startswith(marker)]
    return "\n".join([marker + info, *lines, marker])


@st.composite
def table(draw: st.DrawFn) -> str:
    columns = draw(st.integers(1, 4))
    cell = st.sampled_from([*WORDS[:19], "", "`a`", "**b**", "a\\|b", "[l](http://x.y)"]).map(
        lambda t: t.replace("||", "")
    )
    rows = draw(st.lists(st.lists(cell, min_size=columns, max_size=columns), min_size=1, max_size=8))
    rules = draw(st.lists(st.sampled_from(["---", ":-:", "--:"]), min_size=columns, max_size=columns))
    lines = [rows[0], rules, *rows[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@st.composite
def listing(draw: st.DrawFn, depth: int = 0) -> str:
    ordered = draw(st.booleans())
    items = []
    for number in range(draw(st.integers(1, 4))):
        marker = f"{number + 1}. " if ordered else draw(st.sampled_from(["- ", "* "]))
        parts = [draw(inline)]
        if draw(st.integers(0, 3)) == 0:
            parts.append(draw(fence()))
        if depth < 2 and draw(st.integers(0, 2)) == 0:
            parts.append(draw(listing(depth + 1)))
        items.append(indented("\n".join(parts), " " * len(marker), marker))
    return "\n".join(items)


heading = st.tuples(st.integers(1, 4), inline).map(lambda pair: "#" * pair[0] + " " + pair[1])
quote = paragraph.map(lambda text: "> " + text.replace(". ", ".\n> "))
quoted_fence = fence().map(lambda text: "\n".join("> " + line for line in text.split("\n")))
block = st.one_of(paragraph, fence(), table(), listing(), heading, quote, quoted_fence, st.just("---"))
document = st.lists(block, min_size=1, max_size=8).map("\n\n".join)
"""Well-formed Markdown."""

pieces = [
    "`", "``", "```", "````", "~~~", "*", "**", "_", "~~", "|", "||", "[", "]", "](", ")", "<", "<!", "<@", ">", "> ",
    "# ", "- ", "1. ", "    ", "\t", "\n", "\n\n", " ", "\\", "!", "&", "|--|--|\n", "| a | b |\n", "```py\n", "\x00",
    "\x1b[0m", "\r\n", "\r", "\ud83d", "\udc69", "\u200d", "\ufe0f", "🇩", "👩", "\u0301", "\u200b", "\u2028",
    "http://", "x", "word ", "---\n", "===\n", "$",
]  # fmt: skip
garbage = st.lists(st.sampled_from(pieces), max_size=60).map("".join)
monotony = st.builds(lambda piece, times: piece * times, st.sampled_from(pieces), st.integers(1, 300))
anything = st.one_of(
    document,
    garbage,
    monotony,
    st.lists(st.one_of(block, garbage, monotony), max_size=5).map("\n".join),
    st.text(max_size=200),
)
"""Text of every kind, lone surrogates and control characters included."""
