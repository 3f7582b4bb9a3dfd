"""What a request to write a message may hold: lengths, counts and shapes, refused with 50035 as Discord does. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .errors import ApiError, form_error

CONTENT_LIMIT = 2_000
"""Code points of `content`."""
EMBED_LIMITS = {"title": 256, "description": 4_096}
"""Code points of an embed's fields."""
EMBEDS_TOTAL = 6_000
"""Code points of all embeds of a message together."""
NONCE_LIMIT = 25
COMPONENTS_LIMIT = 40
"""Components of a message with IS_COMPONENTS_V2, nested ones included."""
COMPONENTS_TEXT_LIMIT = 4_000
"""Code points of all their texts together."""
ATTACHMENT_BYTES = 10 * 1024 * 1024
"""A file's largest size without a boost, which interactions are told."""
IS_COMPONENTS_V2 = 1 << 15
"""Message flag: components instead of content and embeds."""

Json = dict[str, Any]


SHAPES: dict[str, tuple[type, str]] = {
    "allowed_mentions": (dict, "DICT_TYPE_CONVERT"),
    "attachments": (list, "LIST_TYPE_CONVERT"),
    "components": (list, "LIST_TYPE_CONVERT"),
    "embeds": (list, "LIST_TYPE_CONVERT"),
    "flags": (int, "NUMBER_TYPE_COERCE"),
    "message_reference": (dict, "MODEL_TYPE_CONVERT"),
}
"""What the fields of a message must be where they are given, and the code of a 50035 when they are not."""


def shapes(body: Mapping[str, Any]) -> None:
    """Refuse fields of the wrong type, lists of objects that hold something else included."""
    for field, (kind, code) in SHAPES.items():
        value = body.get(field)
        if value is None:
            continue
        if not isinstance(value, kind):
            raise form_error(field, code, f"Value is not a {kind.__name__}.")
        if isinstance(value, list) and not all(isinstance(each, dict) for each in value):
            raise form_error(f"{field}.0", "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")


def too_long(field: str, limit: int) -> ApiError:
    """A 50035 for a text over its limit."""
    return form_error(field, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")


def content(body: Mapping[str, Any]) -> str:
    """The content, trimmed of white space at both ends as Discord does; empty when there is none."""
    text = body.get("content")
    if text is None:
        return ""
    if not isinstance(text, (str, int, float)):
        raise form_error("content", "BASE_TYPE_STRING", "Value must be a string.")
    if len(str(text)) > CONTENT_LIMIT:
        raise too_long("content", CONTENT_LIMIT)
    return str(text).strip()


def embeds(body: Mapping[str, Any]) -> list[Json]:
    """The embeds."""
    found = body.get("embeds") or []
    if len(found) > 10:
        raise too_long("embeds", 10)
    total = 0
    for index, embed in enumerate(found):
        for name, limit in EMBED_LIMITS.items():
            size = len(embed.get(name) or "")
            total += size
            if size > limit:
                raise too_long(f"embeds.{index}.{name}", limit)
        for each in embed.get("fields") or []:
            total += len(each.get("name", "")) + len(each.get("value", ""))
    if total > EMBEDS_TOTAL:
        raise form_error("embeds", "MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {EMBEDS_TOTAL}")
    return [{"type": "rich", **embed} for embed in found]


def components(body: Mapping[str, Any], flags: int) -> list[Json]:
    """The components; with IS_COMPONENTS_V2 they stand instead of content and embeds."""
    found: list[Json] = body.get("components") or []
    _check_buttons(found)
    if not flags & IS_COMPONENTS_V2:
        return found
    for name in ("content", "embeds"):
        if body.get(name):
            raise form_error(
                name,
                "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2",
            )
    every = list(_nested(found))
    if len(every) > COMPONENTS_LIMIT:
        raise form_error("components", "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", f"Max {COMPONENTS_LIMIT} components.")
    if sum(len(each.get("content") or "") for each in every) > COMPONENTS_TEXT_LIMIT:
        raise form_error(
            "components",
            "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
            f"Displayable text size exceeds maximum size of {COMPONENTS_TEXT_LIMIT}",
        )
    return found


def _check_buttons(found: Sequence[Json]) -> None:
    """Rows of at most five buttons, with labels of at most 80 characters and ids of their own, at most 100 long."""
    ids = []
    for row in found:
        inside = row.get("components") or [] if row.get("type") == 1 else []
        if len(inside) > 5:
            raise form_error("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
        for each in (part for part in inside if part.get("type") == 2 and part.get("style") != 5):
            if not 1 <= len(each.get("custom_id") or "") <= 100 or len(each.get("label") or "") > 80:
                raise form_error("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
            ids.append(each["custom_id"])
    if len(ids) != len(set(ids)):
        raise form_error("components", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")


def _nested(found: Sequence[Json]) -> Iterator[Json]:
    for each in found:
        yield each
        yield from _nested(each.get("components") or [])
        if isinstance(each.get("accessory"), dict):
            yield each["accessory"]


def nonce(body: Mapping[str, Any]) -> str | int | None:
    """The nonce; an integer or at most 25 characters."""
    found = body.get("nonce")
    if found is not None and not isinstance(found, (str, int)):
        raise form_error("nonce", "BASE_TYPE_STRING", "Value must be a string.")
    if len(str(found or "")) > NONCE_LIMIT:
        raise too_long("nonce", NONCE_LIMIT)
    return found


def thread_name(body: Mapping[str, Any]) -> str:
    """A thread's name, 1 to 100 characters."""
    name = str(body.get("name") or "").strip()
    if not 1 <= len(name) <= 100:
        raise form_error("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    return name


def archive_minutes(body: Mapping[str, Any]) -> int:
    """After how many minutes without a message a thread is archived."""
    minutes = body.get("auto_archive_duration") or 1440
    if minutes not in (60, 1440, 4320, 10080):
        raise form_error("auto_archive_duration", "BASE_TYPE_CHOICES", "Value must be one of (60, 1440, 4320, 10080).")
    return int(minutes)
