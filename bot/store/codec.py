"""Records: the nouns as bytes and back, exactly, null bytes and lone surrogates included.

JSON in UTF-8, each record with the number of its version. A field that is missing has its default, one that is unknown
is left alone, so that the version changes only when an older program could not read the record rightly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import zip_longest
from typing import Any, Final, TypeVar

from bot.conversation import Attachment, Author, Message, MessageRef, Place, Rating, StopReason, ThreadKey, Turn, Usage
from bot.ports import Part, StoredAnswer
from bot.store.rules import MAX_TEXT

VERSION: Final = 1

_T = TypeVar("_T")
_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class UnreadableError(ValueError):
    """A record of a newer version, or none of ours."""


def to_bytes(text: str) -> bytes:
    """Encode any Python string; lone surrogates, which UTF-8 proper refuses, pass as they are."""
    return text.encode("utf-8", "surrogatepass")


def to_text(data: bytes) -> str:
    """Undo `to_bytes`."""
    return data.decode("utf-8", "surrogatepass")


def capped(message: Message) -> Message:
    """Return the message cut to what is kept of one: far above what a platform allows or a request can carry."""
    if len(message.text) <= MAX_TEXT and len(message.attachments) <= 100:
        return message
    return replace(message, text=message.text[:MAX_TEXT], attachments=message.attachments[:100])


def message_to_bytes(message: Message) -> bytes:
    """Encode a message."""
    return _pack(_message(message))


def message_from_bytes(data: bytes) -> Message:
    """Decode a message; raises UnreadableError."""
    return _unpack(data, _to_message)


def turn_to_bytes(turn: Turn) -> bytes:
    """Encode a turn."""
    return _pack(
        {
            "id": turn.id,
            "questions": [_message(question) for question in turn.questions],
            "answer": turn.answer,
            "stop": turn.stop.value,
            "background": [_message(message) for message in turn.background],
            "usage": _usage(turn.usage),
            "model": turn.model,
            "attempts": turn.attempts,
            "finished_at": turn.finished_at,
        }
    )


def turn_from_bytes(data: bytes) -> Turn:
    """Decode a turn; raises UnreadableError."""
    return _unpack(data, _to_turn)


def outcome_to_bytes(outcome: StoredAnswer) -> bytes:
    """Encode a finished answer."""
    return _pack(
        {
            "answer": outcome.answer,
            "stop": outcome.stop.value,
            "attempt": outcome.attempt,
            "usage": _usage(outcome.usage),
            "model": outcome.model,
            "detail": outcome.detail,
        }
    )


def outcome_from_bytes(data: bytes) -> StoredAnswer:
    """Decode a finished answer; raises UnreadableError."""
    return _unpack(data, _to_outcome)


def place_to_bytes(place: Place) -> bytes:
    """Encode a place."""
    return _pack(_place(place))


def place_from_bytes(data: bytes) -> Place:
    """Decode a place; raises UnreadableError."""
    return _unpack(data, _to_place)


def rating_to_bytes(rating: Rating) -> bytes:
    """Encode what somebody thinks of an answer."""
    return _pack({"good": rating.good, "words": rating.words})


def rating_from_bytes(data: bytes) -> Rating:
    """Decode what somebody thinks of an answer; raises UnreadableError."""
    return _unpack(data, lambda it: Rating(good=bool(it["good"]), words=it.get("words", "")))


def part_to_bytes(part: Part) -> bytes:
    """Encode a part."""
    return _pack({"attempt": part.attempt, "index": part.index, "channel": part.ref.channel, "id": part.ref.id})


def part_from_bytes(data: bytes) -> Part:
    """Decode a part; raises UnreadableError."""
    return _unpack(data, lambda it: Part(it["attempt"], it["index"], MessageRef(it["channel"], it["id"])))


def _pack(record: dict[str, Any]) -> bytes:
    return to_bytes(_dump({"v": VERSION, **record}))


def _unpack(data: bytes, build: Callable[[dict[str, Any]], _T]) -> _T:
    try:
        record = json.loads(to_text(data))
        version = record["v"]
        if version <= VERSION:
            return build(record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(f"not a record of ours ({type(error).__name__})") from None
    raise UnreadableError(f"a record of version {version}; this program reads up to {VERSION}")


def _given(record: dict[str, Any]) -> dict[str, Any]:
    """Leave out what has its default: history is loaded whole, so that its size counts."""
    return {name: value for name, value in record.items() if value is not None and value is not False and value != []}


def _place(place: Place) -> dict[str, Any]:
    return _given(
        {
            "channel": place.channel,
            "thread": place.thread,
            "reply_to": place.reply_to,
            "direct": place.direct,
            "root": place.root,
        }
    )


def _to_place(it: dict[str, Any]) -> Place:
    return Place(
        it.get("channel", ""), it.get("thread"), it.get("reply_to"), direct=it.get("direct", False), root=it.get("root")
    )


def _message(message: Message) -> dict[str, Any]:
    record = _given(
        {
            "name": message.author.name or None,
            "attachments": [[file.name, file.mime, file.size] for file in message.attachments],
            # Apart, since programs before this one take a file to have three fields.
            "urls": [file.url for file in message.attachments] if any(it.url for it in message.attachments) else [],
            "mid_thread": message.mid_thread,
            "external": message.external,
            "from_bot": message.from_bot,
            "looping": message.looping,
            "about": message.about or None,
            "roles": list(message.roles),
        }
    )
    return record | {
        "key": str(message.key),
        "installation": message.installation,
        "id": message.id,
        "author": message.author.id,
        "text": message.text,
        "sent_at": message.sent_at,
        "place": _place(message.place),
        "addressed": message.addressed,
    }


def _to_message(it: dict[str, Any]) -> Message:
    return Message(
        key=ThreadKey.parse(it["key"]),
        installation=it["installation"],
        id=it["id"],
        author=Author(it["author"], it.get("name", "")),
        text=it["text"],
        sent_at=it["sent_at"],
        place=_to_place(it["place"]),
        attachments=_to_attachments(it.get("attachments", ()), it.get("urls", ())),
        addressed=it.get("addressed", True),
        mid_thread=it.get("mid_thread", False),
        external=it.get("external", False),
        from_bot=it.get("from_bot", False),
        looping=it.get("looping", False),
        about=it.get("about", ""),
        roles=tuple(it.get("roles", ())),
    )


def _to_attachments(files: Iterable[list[Any]], urls: Iterable[str]) -> tuple[Attachment, ...]:
    together = zip_longest(files, urls, fillvalue=None)
    return tuple(Attachment(file[0], file[1], file[2], url or "") for file, url in together if file)


def _usage(usage: Usage) -> list[int]:
    return [usage.input, usage.output, usage.cache_write, usage.cache_read, usage.thinking]


def _to_turn(it: dict[str, Any]) -> Turn:
    return Turn(
        id=it["id"],
        questions=tuple(map(_to_message, it["questions"])),
        answer=it["answer"],
        stop=StopReason(it["stop"]),
        background=tuple(map(_to_message, it.get("background", ()))),
        usage=Usage(*it.get("usage", ())),
        model=it.get("model", ""),
        attempts=it.get("attempts", 1),
        finished_at=it.get("finished_at", 0.0),
    )


def _to_outcome(it: dict[str, Any]) -> StoredAnswer:
    return StoredAnswer(
        answer=it["answer"],
        stop=StopReason(it["stop"]),
        attempt=it["attempt"],
        usage=Usage(*it.get("usage", ())),
        model=it.get("model", ""),
        detail=it.get("detail", ""),
    )
