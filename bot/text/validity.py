"""What every text must be before it goes on a wire: valid UTF-8, with no control character a platform chokes on."""

from __future__ import annotations

import re

REPLACEMENT = "\ufffd"

_ODD = re.compile(r"[\x00-\x08\x0b-\x0c\r\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
# Escape (0x1b) stays: Discord colours `ansi` code blocks with it. A carriage return becomes a space, so that no
# position moves: what follows it is a line feed in every text but the oddest.
_SPACES = frozenset("\x0b\x0c\r\x1c\x1d\x1e\x1f\x85")


def without_controls(text: str) -> str:
    """Return `text` with control characters replaced one for one: by a space or by U+FFFD."""
    return _ODD.sub(_stand_in, text) if _ODD.search(text) else text


def _stand_in(match: re.Match[str]) -> str:
    return " " if match[0] in _SPACES else REPLACEMENT


def whole_characters(text: str) -> str:
    """Return `text` with surrogate pairs joined and lone surrogates, which JSON can hold and UTF-8 cannot, replaced."""
    if text.isascii():
        return text
    try:
        text.encode()  # sooner done than searched
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def wellformed(text: str) -> str:
    """Return `text` with surrogate pairs joined, lone surrogates and control characters replaced; never raises."""
    return without_controls(whole_characters(text))
