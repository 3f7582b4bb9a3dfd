"""What stands in the lines of Claude's Markdown, as Discord draws it: links, marks, entities, breaks. Pure.

Discord pairs marks by looking for the next one, wherever in the message that is: what Markdown takes for a character,
since it stands alone in its paragraph, is a mark to Discord as soon as another follows. A link is shown as it is
written where its label holds an address, or where its address is none of the web; HTML and entities always are.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import lru_cache

from bot.text import Block, Inline, Kind, Outline, scan

_IMAGE = re.compile(r"!\[((?:[^\]\\]|\\.)*+)\]\([^()\s]*+\)")
_TARGET = re.compile(r"\s*+(?:<(?P<angled>[^<>\n]*+)>|(?P<bare>[^\s<>]*+))(?P<title>\s++[\"'(].*)?\s*+", re.DOTALL)
_IMG = re.compile(r"<img\s", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"\s(src|alt)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++))", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_HOLDS_ADDRESS = re.compile(r"https?://|^www\.\S", re.IGNORECASE)
_BREAK = re.compile(r"<br\s*+/?>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#x[a-f0-9]{1,6}|#[0-9]{1,7}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
_RUN = re.compile(r"\*++|_++|~{2,}+|`++|\|{2,}+")
_ENDS_ADDRESS = re.compile(r"[\s.,;:!?)\]}\"'*_~|<]|\Z")
_BEGINS_TOKEN = re.compile(r"[@#:/]|(?:a|t|id|https?):", re.IGNORECASE)
_MARKS = "\\`*_~|["
_AT_THE_BEGINNING = "#>-+"
_LONGEST = 2  # characters of a mark; a longer run of backticks is a fence's matter

_Run = tuple[int, str, bool]
"""A mark: where it stands, its one or two characters, and whether it begins code."""

Change = tuple[int, int, str]
"""[start, end) of a paragraph, and what is written there."""


class Inlines:
    """The paragraphs and headings of one page, each read once."""

    def __init__(self, structure: Outline) -> None:
        self._structure = structure
        self._found: dict[int, Inline] = {}
        self._runs: dict[int, list[_Run]] = {}
        self._last: dict[str, int] = {}  # where a mark of each kind stands last on the page
        for block in structure.blocks:
            if block.kind in (Kind.TEXT, Kind.HEADING):
                text = self._text(block)
                self._found[block.first] = found = scan(text)
                self._runs[block.first] = runs = _runs(text, found)
                at = structure.starts[block.first]
                self._last.update((mark, at + start) for start, mark, _ in runs)

    def written(self, block: Block, *, begin: int, line_break: str) -> str:
        """Return a paragraph or a heading in Discord's form.

        Args:
            block: which.
            begin: where its words begin; what stands before, such as a bullet, stays as it is.
            line_break: what stands for a break in it.
        """
        text, found = self._text(block), self._found[block.first]
        changes = [*self._strays(block, text, found), *_atoms(text, found, line_break), *_pairs(text, found)]
        pieces: list[str] = []
        done = begin
        for start, end, shown in sorted(changes):
            if start >= done:
                pieces += text[done:start], shown
                done = end
        return "".join([text[:begin], *pieces, text[done:]])

    def _text(self, block: Block) -> str:
        starts = self._structure.starts
        return self._structure.text[starts[block.first] : starts[block.last]]

    def _strays(self, block: Block, text: str, found: Inline) -> Iterator[Change]:
        """Yield marks without a partner that Discord would find one for further below."""
        at = self._structure.starts[block.first]
        ends = {place for pair in found.pairs for place in _ends(pair.start, pair.end, len(pair.kind))}
        strays = [
            (start, mark)
            for start, mark, code in self._runs[block.first]
            if not code and start not in ends and start + len(mark) - 1 not in ends
        ]
        if not strays:
            return
        meant = _meant(text, strays)
        for start, mark in strays:
            lonely = self._last[mark] == at + start
            harmless = mark == "_" or (mark == "*" and text[start + 1 : start + 2].isspace())
            if start not in meant and not lonely and not harmless:
                yield start, start + len(mark), "".join(f"\\{char}" for char in mark)


def _ends(start: int, end: int, width: int) -> Iterator[int]:
    yield from range(start, start + width)
    yield from range(end - width, end)


def _runs(text: str, found: Inline) -> list[_Run]:
    """Return the marks of a paragraph, those that begin code as well; what else stands in an atom is none."""
    runs: list[_Run] = []
    atoms = iter(found.atoms)
    atom = next(atoms, None)
    for run in () if found.noise else _RUN.finditer(text):
        start, mark = run.start(), run[0]
        if mark[0] == "|" or (mark[0] == "`" and len(mark) > _LONGEST):
            continue
        while atom is not None and atom.end <= start:
            atom = next(atoms, None)
        if atom is None or start < atom.start:
            runs.append((start, mark[:_LONGEST], False))
        elif atom.start == start and atom.kind == "code":
            runs.append((start, mark[:_LONGEST], True))
    return runs


def _meant(text: str, strays: list[tuple[int, str]]) -> set[int]:
    """Return the places of marks that Markdown does not pair, and people do: `**注意：**文字`. So does Discord."""
    meant: set[int] = set()
    begun: dict[str, int] = {}
    for start, mark in strays:
        before, after = text[start - 1 : start], text[start + len(mark) : start + len(mark) + 1]
        if len(mark) < _LONGEST or mark[0] not in "*~":
            continue
        if mark in begun and before and not before.isspace():
            meant |= {begun.pop(mark), start}
        elif after and not after.isspace():
            begun[mark] = start
    return meant


def _pairs(text: str, found: Inline) -> Iterator[Change]:
    """Yield the ends of what is bold by `__`, which Discord underlines, and bars that hide nothing."""
    pairs = {(pair.start, pair.end) for pair in found.pairs if pair.kind == "_"}
    taken: set[tuple[int, int]] = set()
    for start, end in sorted(pairs):
        if (start + 1, end - 1) in pairs and (start - 1, end + 1) not in taken:
            taken.add((start, end))
            yield start, start + 2, "**"
            yield end - 2, end, "**"
    spoilers = {
        place
        for pair in found.pairs
        if pair.kind == "||"
        and not (text[pair.start - 1 : pair.start].isalnum() and text[pair.end : pair.end + 1].isalnum())
        for place in (pair.start, pair.end - 2)
    }
    for run in _RUN.finditer(text) if "||" in text and not found.noise else ():
        if run[0][0] == "|" and run.start() not in spoilers and found.atom_at(run.start()) is None:
            yield run.start(), run.end(), "\\|" * len(run[0])


def _atoms(text: str, found: Inline, line_break: str) -> Iterator[Change]:
    """Yield links, images, entities, breaks and addresses that are written otherwise."""
    for start, end, kind in found.atoms:
        written = text[start:end]
        shown = written
        match kind:
            case "link" | "image":
                shown = _apart(text, start, end, _link(written, image=kind == "image"))
            case "html_inline":
                shown = line_break if _BREAK.fullmatch(written) else _img(written)
            case "escape" if written[1] == "\n":
                shown = line_break
            case "entity":
                shown = _character(text, start, end)
            case "address":
                shown = _decoded(written)
            case "autolink" if not _WEB.match(written, 1):
                shown = written[1:-1]  # an address for mail, which Discord shows with its brackets
        if shown != written:
            yield start, end, shown


def _link(written: str, *, image: bool) -> str:
    """Return a link as Discord takes one: an image is a link to it, and no address stands for another."""
    middle = written.rfind("](")
    target = _TARGET.fullmatch(written, middle + 2, len(written) - 1)
    if target is None:
        return written
    label = _decoded(_IMAGE.sub(r"\1", written[1 + image : middle])).strip()
    address = _decoded(target["angled"] or target["bare"] or "").replace(" ", "%20")
    bare = address.removeprefix("mailto:")
    if not _WEB.match(address):
        if not label or label.rstrip("/") == bare.rstrip("/"):
            return bare
        return label if not bare or bare.startswith(("#", "data:")) else f"{label} ({bare})"
    if not label or label.rstrip("/") == address.rstrip("/"):
        return address
    if _HOLDS_ADDRESS.search(label):
        return label if address in label else f"{label} ({address})"
    return f"[{label}]({address}{target['title'] or ''})"


def _apart(text: str, start: int, end: int, shown: str) -> str:
    """Return what stands for a link, with blanks around an address that would run into what is beside it."""
    if not _WEB.match(shown):
        return shown
    before = " " * text[max(0, start - 1) : start].isalnum()
    return f"{before}{shown}{'' if _ENDS_ADDRESS.match(text, end) else ' '}"


def _img(written: str) -> str:
    """Return an image of HTML as a link to it; other tags stay as they are written."""
    if not _IMG.match(written):
        return written
    found = {name.lower(): html.unescape(a or b or c) for name, a, b, c in _ATTRIBUTE.findall(written)}
    address, label = found.get("src", ""), found.get("alt", "").strip()
    if not _WEB.match(address):
        return label or written
    return f"[{label}]({address})" if label and not re.search(r"[\[\]]|https?://", label) else address


def _decoded(text: str) -> str:
    return _ENTITY.sub(lambda match: _unescaped(match[0]), text) if "&" in text else text


def _character(text: str, start: int, end: int) -> str:
    """Return what an entity stands for; as an escape where that would be more than a character to Discord."""
    char = _unescaped(text[start:end])
    if (
        char in _MARKS
        or (char == "<" and _BEGINS_TOKEN.match(text, end))
        or (char in _AT_THE_BEGINNING and not text[text.rfind("\n", 0, start) + 1 : start].strip(" \t>"))
    ):
        return f"\\{char}"
    return char


@lru_cache(maxsize=256)
def _unescaped(entity: str) -> str:
    return html.unescape(entity)
