"""How platforms count a text's length. Every measure here is at least the number of code points and never raises."""

from __future__ import annotations


def utf16(text: str) -> int:
    """Return the length in UTF-16 code units, as JavaScript and Discord count; a lone surrogate counts one."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf8(text: str) -> int:
    """Return the length in UTF-8 bytes; a lone surrogate counts three, as does the U+FFFD that stands for it."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def characters(text: str) -> int:
    """Return the length in Unicode code points."""
    return len(text)
