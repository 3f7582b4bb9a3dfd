"""What every text must be before it goes on a wire: valid UTF-8, with no control character a platform chokes on."""

from __future__ import annotations

import re

REPLACEMENT = "\ufffd"

_ODD = re.compile(r"[\x00-\x08\x0b-\x0c\r\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
_STRAY = re.compile("[\ud800-\udbff](?=[^\udc00-\udfff])|(?<=[^\ud800-\udbff])[\udc00-\udfff]")
# Escape (0x1b) stays: Discord colours `ansi` code blocks with it. A carriage return becomes a space, so that no
# position moves: what follows it is a line feed in every text but the oddest.
_SPACES = "\x0b\x0c\r\x1c\x1d\x1e\x1f\x85"
_STAND_INS = {code: REPLACEMENT for code in (*range(0x20), *range(0x7F, 0xA0)) if _ODD.match(chr(code))}
_STAND_INS |= dict.fromkeys(map(ord, _SPACES), " ")


def without_controls(text: str) -> str:
    """Return `text` with control characters replaced one for one: by a space or by U+FFFD."""
    return text.translate(_STAND_INS) if _ODD.search(text) else text


def cleaned(text: str) -> str:
    """Return `text` with what can never be shown replaced one for one: control characters, halves without a partner.

    Halves at its beginning and end stay: their partners may stand before it or come behind it.
    """
    text = without_controls(text)
    return text if text.isascii() else _STRAY.sub(REPLACEMENT, text)


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
    """Return `text` with CR LF as LF, pairs of surrogates joined, lone ones and control characters replaced."""
    return without_controls(whole_characters(text.replace("\r\n", "\n")))
