"""What a message on Slack shows, as text in Slack's markup: its blocks, tables, attachments and what it shares. Pure.

`words_of` is what its writer says, and decides whom it is meant for. `shown_by` is all that a reader sees of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

DEPTH = 12
"""How deep blocks are looked into; Slack nests no deeper than 4."""

MOST_BLOCKS = 500
"""Blocks and elements of one message that are read; Slack takes 50 blocks."""

OURS = "ft."
"""What the ids of our own buttons begin with: what stands on them says nothing to Claude."""

_EMPTY = frozenset({"", "[no preview available]"})
_TOLD_BY_TEXT = "rich_text"
_NOT_WORDS = re.compile(r"[\W_]++")
_TARGET = re.compile(r"(?<=<)[^<>|\n]*+\|")  # of a link under another name
_TELLING = 16  # letters and digits which do not stand in a text by chance

Payload = Mapping[str, Any]


def words_of(message: Payload) -> str:
    """Return what the writer of a message says: its `text`, else what its blocks say, with the tables it holds.

    Not what it shares or quotes, and not what Slack adds: a preview is no edit, and a quoted mention addresses nobody.
    """
    text = _string(message, "text")
    blocks = objects(message.get("blocks"))
    if not text:
        return _joined(_blocks(blocks))
    if not _string(message, "bot_id"):  # what a person writes Slack tells in both; an app's text may say less
        blocks = [block for block in blocks if block.get("type") != _TOLD_BY_TEXT]
    return _joined([text, *_untold(text, blocks)])


def shown_by(message: Payload) -> str:
    """Return all that a message shows: what its writer says, in text or voice, then what stands in its attachments."""
    words = words_of(message)
    return "\n\n".join(part for part in (words, *_transcripts(message), *_attachments(message, words)) if part)


def written_in(message: Payload) -> str:
    """Return what a message shows as it was written: without what Slack adds to it later, the previews of links."""
    own = [it for it in objects(message.get("attachments")) if not _string(it, "from_url")]
    return shown_by({**message, "attachments": own})


def files_of(message: Payload) -> list[Payload]:
    """Return the files of a message and of the messages it shares."""
    shared = [file for it in objects(message.get("attachments")) for file in objects(it.get("files"))]
    return objects(message.get("files")) + shared


def transcript_of(file: Payload) -> tuple[str, bool]:
    """Return what Slack heard in a voice message or a clip, and whether there is more; nothing where it has not yet."""
    transcription = file.get("transcription")
    preview = transcription.get("preview") if isinstance(transcription, Mapping) else None
    if not isinstance(preview, Mapping):
        return "", False
    return _string(preview, "content").strip(), preview.get("has_more") is True


def _transcripts(message: Payload) -> Iterator[str]:
    for file in objects(message.get("files")):
        said, more = transcript_of(file)
        if _string(file, "mode") == "email" and (mail := _string(file, "plain_text")):
            yield f"[mail: {escaped(_string(file, 'subject') or name_of(file))}]\n{escaped(mail)}"
        if said:
            yield f"[said in {escaped(name_of(file))}] {escaped(said)}{'…' if more else ''}"


def objects(value: object) -> list[Payload]:
    """Return the JSON objects in a list; none for what is no list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def escaped(text: object) -> str:
    """Return plain text as Slack's markup; nothing for what is no text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") if isinstance(text, str) else ""


def _string(holder: Payload, name: str) -> str:
    value = holder.get(name)
    return "" if not isinstance(value, str) or value.strip() in _EMPTY else value.strip()


def _joined(pieces: Iterator[str] | list[str]) -> str:
    return "\n".join(line for piece in pieces for line in [piece.rstrip()] if line.strip())


def _untold(text: str, blocks: list[Payload]) -> Iterator[str]:
    """Yield what blocks say and the text beside them does not: apps often write only a summary there."""
    told, lines = _bare(text), {_bare(line) for line in text.splitlines()}
    for piece in _blocks(blocks):
        bare = _bare(piece)
        if bare and bare not in lines and not (len(bare) >= _TELLING and bare in told):
            lines.add(bare)
            yield piece


def _bare(text: str) -> str:
    """Return a text's letters and digits: what two ways to write the same have in common."""
    return _NOT_WORDS.sub("", _TARGET.sub("", text)).casefold()


# --- attachments ----------------------------------------------------------------------------------------------


def _attachments(message: Payload, words: str) -> Iterator[str]:
    told = words
    for attachment in objects(message.get("attachments")):
        if attachment.get("is_share") or attachment.get("is_msg_unfurl"):
            yield _shared(attachment)
        elif not _string(attachment, "from_url") and not _string(attachment, "original_url"):
            text = _joined(list(_untold(told, _pretended(attachment))))
            told += text
            yield text


def _pretended(attachment: Payload) -> list[Payload]:
    """Return an attachment of the older kind as blocks, one for each of its parts, in the order in which they stand."""
    title, link = _string(attachment, "title"), _string(attachment, "title_link")
    parts = [
        _string(attachment, "pretext"),
        escaped(_string(attachment, "author_name")),
        f"{title} ({escaped(link)})" if title and link else title,
        _string(attachment, "text"),
    ]
    blocks: list[Payload] = [{"type": "mrkdwn", "text": part} for part in parts if part]
    for field in objects(attachment.get("fields")):
        name, value = _string(field, "title"), _string(field, "value")
        blocks.append({"type": "mrkdwn", "text": f"{name}: {value}" if name and value else name or value})
    blocks += objects(attachment.get("blocks"))
    for name in ("image_url", "thumb_url"):
        if _string(attachment, name):
            blocks.append({"type": "plain_text", "text": f"[image: {title or 'without a title'}]"})
            break
    if footer := _string(attachment, "footer"):
        blocks.append({"type": "mrkdwn", "text": footer})
    if not blocks and (fallback := _string(attachment, "fallback")):
        blocks.append({"type": "mrkdwn", "text": fallback})
    return blocks


def _shared(attachment: Payload) -> str:
    """Return a message that was shared along, or that a link leads to, quoted."""
    inner = [it.get("message") for it in objects(attachment.get("message_blocks"))]
    blocks = [block for it in inner if isinstance(it, Mapping) for block in objects(it.get("blocks"))]
    blocks += objects(attachment.get("blocks"))
    text = _string(attachment, "text") or ("" if blocks else _string(attachment, "fallback"))
    said = [text, *_untold(text, blocks)]
    said += (f"[file: {escaped(name_of(file))}]" for file in objects(attachment.get("files")))
    quoted = [f"&gt; {line}" for piece in said for line in piece.splitlines() if line.strip()]
    author = _string(attachment, "author_name") or _string(attachment, "author_subname")
    return "\n".join([f"&gt; {escaped(author)}:", *quoted] if author and quoted else quoted)


def name_of(file: Payload) -> str:
    """Return what a file is called."""
    return _string(file, "name") or _string(file, "title") or _string(file, "id") or "file"


# --- blocks ---------------------------------------------------------------------------------------------------


def _blocks(blocks: list[Payload]) -> Iterator[str]:
    """Yield a text for each block, or for each part of one that stands on lines of its own."""
    for block in blocks[:MOST_BLOCKS]:
        match block.get("type"):
            case "table":
                yield _table(block)
            case "image":
                yield _image(block)
            case "section":
                parts = [block.get("text"), *objects(block.get("fields")), block.get("accessory")]
                yield from (_inline(part) for part in parts if isinstance(part, Mapping))
            case "actions" | "context_actions":
                others = (it for it in objects(block.get("elements")) if not _string(it, "action_id").startswith(OURS))
                yield " ".join(f"[{text}]" for it in others if (text := _inline(it)))
            case "context":
                yield " ".join(_inline(it) for it in objects(block.get("elements")))
            case "rich_text":
                yield "".join(_rich(block.get("elements"))).strip("\n")
            case _:
                yield _any(block)


def _inline(element: Payload, depth: int = DEPTH) -> str:
    """Return the words of one element: a text, a button, an image, a menu."""
    if not depth:
        return ""
    if element.get("type") in ("plain_text", "text"):
        return escaped(element.get("text"))
    if element.get("type") == "image":
        return _image(element)
    text = element.get("text")
    if isinstance(text, Mapping):
        return _inline(text, depth - 1)
    if isinstance(text, str):
        return text
    chosen = element.get("initial_option") or element.get("placeholder")
    return _inline(chosen, depth - 1) if isinstance(chosen, Mapping) else ""


def _image(block: Payload) -> str:
    title = block.get("title")
    words = [_inline(title) if isinstance(title, Mapping) else escaped(title), escaped(block.get("alt_text"))]
    described = ": ".join(dict.fromkeys(word for word in words if word))
    return f"[image: {described}]" if described else "[image]"


def _any(block: Payload, depth: int = DEPTH) -> str:
    """Return the words of a block of any kind, in the order in which they stand: those of kinds yet unknown, too."""
    if not depth:
        return ""
    words = []
    for name in ("title", "subtitle", "label", "text", "description", "body", "hint", "alt_text", "output", "details"):
        value = block.get(name)
        if isinstance(value, Mapping):
            words.append(_any(value, depth - 1) if "elements" in value or "blocks" in value else _inline(value))
        elif isinstance(value, str) and block.get("type") in ("markdown", "mrkdwn"):
            words.append(value)
        else:
            words.append(escaped(value))
    if block.get("type") == "rich_text":
        words.append("".join(_rich(block.get("elements"))).strip("\n"))
    else:
        for name in ("elements", "fields", "blocks", "tasks", "rows", "items"):
            words += (_any(item, depth - 1) for item in objects(block.get(name))[:MOST_BLOCKS])
    return "\n".join(word for word in words if word.strip())


def _table(block: Payload) -> str:
    """Return a table as Markdown, which Claude reads best."""
    found = block.get("rows")
    rows = (
        [[_cell(cell) for cell in row] for row in found[:MOST_BLOCKS] if isinstance(row, list)]
        if isinstance(found, list)
        else []
    )
    if not rows:
        return ""
    columns = max(map(len, rows))
    lines = ["| " + " | ".join(row + [""] * (columns - len(row))) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * columns, *lines[1:]])


def _cell(cell: object) -> str:
    if not isinstance(cell, Mapping):
        return ""
    rich = cell.get("type") == "rich_text"
    text = "".join(_rich(cell.get("elements"))) if rich else escaped(cell.get("text"))
    return " ".join(text.split()).replace("|", "\\|")


def _link(element: Payload) -> str:
    label = element.get("text")
    return f"<{element.get('url')}|{escaped(label)}>" if label else f"<{element.get('url')}>"


_WORDS: Mapping[str, Callable[[Payload], str]] = {
    "user": lambda it: f"<@{it.get('user_id')}>",
    "usergroup": lambda it: f"<!subteam^{it.get('usergroup_id')}>",
    "channel": lambda it: f"<#{it.get('channel_id')}>",
    "broadcast": lambda it: f"<!{it.get('range')}>",
    "emoji": lambda it: f":{it.get('name')}:",
    "link": _link,
    "date": lambda it: escaped(it.get("fallback")),
    "text": lambda it: escaped(it.get("text")),
    "color": lambda it: escaped(it.get("value")),
}
"""The elements of rich text that stand in a line, as Slack's markup."""


def _rich(elements: object, depth: int = DEPTH) -> Iterator[str]:
    """Yield the texts in rich text, mentions and links as tokens, a line feed after each part."""
    for element in objects(elements)[:MOST_BLOCKS] if depth else ():
        kind = element.get("type")
        if isinstance(kind, str) and kind in _WORDS:
            yield _WORDS[kind](element)
            continue
        inner = element.get("elements")
        match kind:
            case "rich_text_list":
                for number, item in enumerate(objects(inner)[:MOST_BLOCKS], 1):
                    mark = f"{number}." if element.get("style") == "ordered" else "-"
                    words = "".join(_rich(item.get("elements"), depth - 1)).strip()
                    yield f"{'  ' * _level(element)}{mark} {words}\n"
            case "rich_text_preformatted":
                yield "```\n" + "".join(_rich(inner, depth - 1)).strip("\n") + "\n```\n"
            case "rich_text_quote":
                quoted = "".join(_rich(inner, depth - 1)).strip("\n")
                yield "".join(f"&gt; {line}\n" for line in quoted.splitlines())
            case _:
                yield from _rich(inner, depth - 1)
                yield "\n"


def _level(element: Payload) -> int:
    level = element.get("indent")
    return level if isinstance(level, int) and 0 <= level <= 8 else 0
