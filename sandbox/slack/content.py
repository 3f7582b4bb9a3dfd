"""What a message may hold: lengths, blocks, metadata. Refuses as Slack does and says what a reader sees. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.slack.call import Call, Refusal, invalid
from sandbox.slack.pings import linked_names, live_tokens

_OPAQUE = {"call", "card", "carousel", "data_table", "divider", "file", "image", "input"}
_OPAQUE |= {"plan", "rich_text", "table", "task_card", "video"}


@dataclass(slots=True)
class Rules:
    """What this workspace takes; every number may be changed while it runs.

    Args:
        update_text: characters of `text` in chat.update; more is `msg_too_long` (Slack's documentation).
        update_bytes: count those in UTF-8 bytes, as one report found.
        post_text: characters of `text` in chat.postMessage; more is cut, with `ok: true` (documentation).
        markdown: characters of one markdown block or of `markdown_text`; 0 refuses markdown blocks altogether.
        markdown_code: what a longer block is refused with.
        total: characters of all blocks; more is `msg_blocks_too_long` (measured: slackapi/bolt-js#2509).
        blocks: how many blocks; section, header: characters in one (documentation).
        edit_window: seconds after which a message can no longer be edited; None for ever.
        stream_text: characters of one streamed message (measured by others: 11,977 shown, then `msg_too_long`).
        stream_seconds: how long a streamed message lives.
        status_seconds: how long a status stays without a message.
        page: messages of one page of a history or a thread; 15 where Slack cuts an app down (documentation).
    """

    update_text: int = 4_000
    update_bytes: bool = False
    post_text: int = 40_000
    markdown: int = 12_000
    markdown_code: str = "invalid_blocks"
    total: int = 13_200
    blocks: int = 50
    section: int = 3_000
    header: int = 150
    edit_window: float | None = None
    stream_text: int = 11_977
    stream_seconds: float = 300.0
    status_seconds: float = 120.0
    page: int = 999


@dataclass(slots=True)
class Content:
    """What a call wants a message to hold; None where it says nothing.

    `seen` is the text a reader sees of it, `pings` the tokens in all of it that would call somebody.
    """

    text: str | None
    blocks: list[dict[str, Any]] | None
    attachments: list[dict[str, Any]] | None
    metadata: dict[str, Any] | None
    seen: str
    pings: list[str]
    warnings: list[str] = field(default_factory=list)

    @property
    def markdown(self) -> bool:
        """Whether it is standard Markdown."""
        return any(block.get("type") == "markdown" for block in self.blocks or ())


def read_content(call: Call, rules: Rules, names: Iterable[str], *, update: bool = False) -> Content:
    """Read text, blocks, attachments and metadata of a call that posts or (`update`) changes a message.

    Raises Refusal with `no_text`, `msg_too_long`, `msg_blocks_too_long`, `invalid_blocks`,
    `markdown_text_conflict`, `invalid_attachments` or `invalid_metadata_format`.
    """
    text = call.text("text")
    markdown = call.text("markdown_text")
    blocks = _read_blocks(call, rules)
    attachments = call.structure("attachments", code="invalid_attachments")
    if attachments is not None and not isinstance(attachments, list):
        raise Refusal("invalid_attachments")
    if markdown is not None:
        if text is not None or blocks is not None:
            raise Refusal("markdown_text_conflict")
        if len(markdown) > rules.markdown:
            raise Refusal("msg_too_long")
    if not (text or markdown or blocks or attachments):
        raise Refusal("no_text")
    warnings = []
    if text is not None and update:
        if len(text.encode("utf-8", "surrogatepass") if rules.update_bytes else text) > rules.update_text:
            raise Refusal("msg_too_long")
    elif text is not None and len(text) > rules.post_text:
        text, warnings = text[: rules.post_text], ["message_truncated"]
    seen = "\n".join(seen_in(blocks)) if blocks else markdown or text or ""
    pings = live_tokens("\n".join(part for part in (text, markdown, *seen_in(blocks, literal=False)) if part))
    # chat.update falls back to parse=client, chat.postMessage to none
    if (call.text("parse") or ("client" if update else "none")) != "none" or call.flag("link_names"):
        pings += linked_names(text or "", names)
    if markdown is not None:
        text, blocks = markdown, [{"type": "markdown", "text": markdown}]
    return Content(text, blocks, attachments, read_metadata(call), seen, list(dict.fromkeys(pings)), warnings)


def read_metadata(call: Call) -> dict[str, Any] | None:
    """The `metadata` of a call; an empty object takes earlier metadata away. Raises `invalid_metadata_format`."""
    metadata = call.structure("metadata", code="invalid_metadata_format")
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        raise Refusal("invalid_metadata_format")
    if metadata and not isinstance(metadata.get("event_payload"), dict):
        raise Refusal("invalid_metadata_format")
    if metadata and not (isinstance(metadata.get("event_type"), str) and metadata["event_type"]):
        raise Refusal("invalid_metadata_format")
    return metadata


def _read_blocks(call: Call, rules: Rules) -> list[dict[str, Any]] | None:
    blocks = call.structure("blocks", code="invalid_blocks_format")
    if blocks is None:
        return None
    if not isinstance(blocks, list):
        raise Refusal("invalid_blocks_format")
    if len(blocks) > rules.blocks:
        raise invalid(f"no more than {rules.blocks} items allowed [json-pointer:/blocks]", code="invalid_blocks")
    for at, block in enumerate(blocks):
        _check_block(block, f"/blocks/{at}", rules)
    _check_unique(blocks)
    if sum(len(text) for text in seen_in(blocks)) > rules.total:
        raise Refusal("msg_blocks_too_long")
    return blocks


def _check_block(block: Any, at: str, rules: Rules) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "markdown":
        if rules.markdown <= 0:
            raise invalid(f"unsupported type: markdown [json-pointer:{at}/type]", code="invalid_blocks")
        _check_text(block.get("text"), f"{at}/text", rules.markdown, rules.markdown_code)
    elif kind == "section":
        if "text" not in block and "fields" not in block:
            raise invalid(f"missing required field: text [json-pointer:{at}]", code="invalid_blocks")
        if "text" in block:
            _check_text(_inner(block["text"]), f"{at}/text/text", rules.section)
    elif kind == "header":
        _check_text(_inner(block.get("text")), f"{at}/text/text", rules.header)
    elif kind == "context":
        elements = block.get("elements")
        if not isinstance(elements, list) or not 1 <= len(elements) <= 10:
            raise invalid(f"must have 1 to 10 elements [json-pointer:{at}/elements]", code="invalid_blocks")
    elif kind in ("actions", "context_actions"):
        _check_elements(block.get("elements"), at, 25 if kind == "actions" else 5)
    elif kind not in _OPAQUE:
        raise invalid(f"unsupported type: {kind} [json-pointer:{at}/type]", code="invalid_blocks")


def _check_elements(elements: Any, at: str, most: int) -> None:
    """Buttons: their number, labels, ids and values (Slack's reference of the block elements)."""
    if not isinstance(elements, list) or not 1 <= len(elements) <= most:
        raise invalid(f"must have 1 to {most} elements [json-pointer:{at}/elements]", code="invalid_blocks")
    for number, element in enumerate(elements):
        here = f"{at}/elements/{number}"
        if not isinstance(element, dict) or element.get("type") not in ("button", "feedback_buttons", "icon_button"):
            raise invalid(f"unsupported type [json-pointer:{here}/type]", code="invalid_blocks")
        _check_text(element.get("action_id"), f"{here}/action_id", 255)
        feedback = element["type"] == "feedback_buttons"
        for button in [element.get("positive_button"), element.get("negative_button")] if feedback else [element]:
            label = button.get("text") if isinstance(button, dict) else None
            if not isinstance(button, dict) or not isinstance(label, dict) or label.get("type") != "plain_text":
                raise invalid(f"missing required field: text [json-pointer:{here}]", code="invalid_blocks")
            _check_text(label.get("text"), f"{here}/text", 75)
            _check_text(button.get("value", "-"), f"{here}/value", 2_000)


def _check_unique(blocks: list[dict[str, Any]]) -> None:
    """Two elements of a message with one action id are refused (openclaw#46686)."""
    ids = [element["action_id"] for element in _elements(blocks)]
    if len(ids) != len(set(ids)):
        raise invalid("action_id already exists [json-pointer:/blocks]", code="invalid_blocks")


def labels_in(blocks: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """The buttons of a message by their labels: action id and value."""
    found = {}
    for element in _elements(blocks):
        feedback = element["type"] == "feedback_buttons"
        for button in [element["positive_button"], element["negative_button"]] if feedback else [element]:
            found[button["text"]["text"]] = (element["action_id"], button.get("value", ""))
    return found


def _elements(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    below = [block for block in blocks if block.get("type") in ("actions", "context_actions")]
    return [element for block in below for element in block["elements"]]


def _check_text(text: Any, at: str, most: int, code: str = "invalid_blocks") -> None:
    if not isinstance(text, str) or not text:
        raise invalid(f"must be more than 0 characters [json-pointer:{at}]", code="invalid_blocks")
    if len(text) > most:
        raise invalid(f"must be less than {most + 1} characters [json-pointer:{at}]", code=code)


def _inner(text: Any) -> Any:
    return text.get("text") if isinstance(text, dict) else None


def seen_in(value: Any, *, literal: bool = True) -> Iterator[str]:
    """Every text in blocks that a reader sees, in order; mentions in rich text in their token form.

    Without `literal`, only text in which Slack looks for tokens: no plain text, no text runs of rich text.
    """
    if isinstance(value, list):
        for item in value:
            yield from seen_in(item, literal=literal)
    elif isinstance(value, dict):
        kind = value.get("type")
        if kind in ("actions", "context_actions"):
            return  # buttons: what they say is no part of the text
        if isinstance(value.get("text"), str):
            if literal or kind not in {"plain_text", "text", "link"}:
                yield value["text"]
        elif kind == "user":
            yield f"<@{value.get('user_id')}>"
        elif kind == "usergroup":
            yield f"<!subteam^{value.get('usergroup_id')}>"
        elif kind == "broadcast":
            yield f"<!{value.get('range')}>"
        else:
            for name in ("text", "fields", "elements", "rows"):
                yield from seen_in(value.get(name), literal=literal)


def given_back(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks as Slack hands them out later: markdown is translated to rich text and its block ids are lost."""
    translated = []
    for at, block in enumerate(blocks):
        if block["type"] != "markdown":
            translated.append({"block_id": f"blk{at}", **block})
            continue
        for part in re.split(r"(?ms)^(```.*?^```[^\n]*$|```.*)", block["text"]):
            if part.startswith("```"):
                code = part.partition("\n")[2].removesuffix("```").removesuffix("\n")
                translated.append(_rich("rich_text_preformatted", code, len(translated)))
            elif part.strip():
                translated.append(_rich("rich_text_section", part.strip("\n"), len(translated)))
    return translated


def _rich(kind: str, text: str, at: int) -> dict[str, Any]:
    elements = [{"type": "text", "text": text}]
    return {"type": "rich_text", "block_id": f"blk{at}", "elements": [{"type": kind, "elements": elements}]}


def escaped(text: str) -> str:
    """Text as Slack hands it out: `&`, `<` and `>` that begin or end no token are entities."""
    text = re.sub(r"&(?!amp;|lt;|gt;)", "&amp;", text)
    tokens = re.split(r"(<(?:[@#!]|[a-z]++:)[^<>]*+>)", text)
    return "".join(t if at % 2 else t.replace("<", "&lt;").replace(">", "&gt;") for at, t in enumerate(tokens))
