"""Where one written character ends and the next begins: emoji sequences, flags, combining marks, surrogate pairs."""

from __future__ import annotations

import unicodedata

from wcwidth import grapheme_boundary_before

_LOOK_BACK = 64  # code points; the longest emoji sequences in use have about ten
_JOINER = "\u200d"
_ZERO_WIDTH = " \t\n\u200b\u200d"  # the most frequent characters without a shape


def is_boundary(text: str, pos: int) -> bool:
    """Return whether `text` may be cut at `pos` without breaking a grapheme cluster or a surrogate pair."""
    if pos <= 0 or pos >= len(text):
        return True
    before, after = text[pos - 1], text[pos]
    if after < "\x80":
        return before != "\r" or after != "\n"
    if "\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff":
        return False
    start = max(0, pos - _LOOK_BACK)
    while start > 0 and _regional(text[start]) and _regional(text[start - 1]):
        start -= 1  # flags are pairs: which two belong together is decided where the row of them begins
    return grapheme_boundary_before(text[start : pos + 1], pos + 1 - start) == pos - start


def boundary_before(text: str, pos: int, floor: int) -> int:
    """Return the last boundary in (`floor`, `pos`]; when one cluster fills all of it, a cut between code points."""
    lowest = max(floor, pos - _LOOK_BACK)
    for cut in range(pos, lowest, -1):
        if is_boundary(text, cut):
            return cut
    pair = "\ud800" <= text[pos - 1] <= "\udbff" and pos - 1 > floor
    return pos - 1 if pair else pos


def settled(text: str) -> int:
    """Return how much of `text` shows a whole last character, should more be on its way.

    Left out are a joiner, a high surrogate, half of a flag and a backslash that has nothing to escape yet.
    """
    end = len(text)
    while end and (text[end - 1] == _JOINER or "\ud800" <= text[end - 1] <= "\udbff"):
        end -= 1
    flags = end
    while flags and _regional(text[flags - 1]):
        flags -= 1
    if (end - flags) % 2:
        end -= 1
    slashes = end - len(text[:end].rstrip("\\"))
    return end - slashes % 2


def visible(text: str) -> bool:
    """Return whether a reader sees anything: not only white space, controls and characters without a shape."""
    stripped = text.lstrip().lstrip(_ZERO_WIDTH)
    if not stripped:
        return False
    # Mostly the first one is seen; where not, each kind of character is looked at once, however many there are.
    return _has_shape(stripped[0]) or any(map(_has_shape, set(stripped)))


def _has_shape(char: str) -> bool:
    return unicodedata.category(char) not in _SHAPELESS


_SHAPELESS = frozenset({"Cf", "Cc", "Zs", "Zl", "Zp", "Mn", "Me"})


def _regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"
