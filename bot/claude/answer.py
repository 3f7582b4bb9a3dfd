"""The bytes of a Messages stream, folded into text, usage and the reason it stopped. Pure: no I/O, no clock.

It reads server-sent events itself instead of through the SDK's models, because this is done for every delta of every
live answer. It is strict about what makes an answer whole (`message_stop`) and lenient about what it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.claude.errors import ApiFailure
from bot.conversation import StopReason, Usage
from bot.text import Pieces, whole_characters

LONGEST_EVENT = 8 * 1024 * 1024
"""Bytes of one event beyond which the stream is taken for something else."""

_PROGRESS = frozenset(
    {"message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"}
)
_STOPS = {
    stop.value: stop
    for stop in (
        StopReason.END_TURN,
        StopReason.MAX_TOKENS,
        StopReason.STOP_SEQUENCE,
        StopReason.TOOL_USE,
        StopReason.PAUSE_TURN,
        StopReason.REFUSAL,
        StopReason.CONTEXT_EXCEEDED,
    )
}
_PLAIN_DELTA = re.compile(
    rb'event: content_block_delta\ndata: *\{ *"type": *"content_block_delta", *"index": *(?:0|[1-9][0-9]*), *"delta": *'
    rb'\{ *"type": *"text_delta", *"text": *"([^"\\\x00-\x1f]*)" *\} *\} *\n\n'
)
"""The event that nearly all are, as the API writes it and with nothing to unescape: it need not be parsed. Whatever
differs in any way is."""


class EventDecoder:
    """Server-sent events out of bytes that are cut anywhere; only their JSON data is given on."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._held_back = b""

    @property
    def between_events(self) -> bool:
        """Whether nothing is left of what was fed."""
        return not self._buffer and not self._held_back

    def feed(self, chunk: bytes) -> Iterator[Any]:
        """Yield the data of every event that `chunk` completes.

        Raises ValueError for data that is not JSON or not UTF-8, and for an event over `LONGEST_EVENT`.
        """
        if self._held_back or b"\r" in chunk:
            chunk = self._one_kind_of_line_end(chunk)
        unread = max(0, len(self._buffer) - 1)  # the first of the two line feeds may have come before
        self._buffer += chunk
        blocks: list[bytes] = []
        if self._buffer.find(b"\n\n", unread) >= 0:
            *blocks, rest = bytes(self._buffer).split(b"\n\n")
            self._buffer = bytearray(rest)
        if len(self._buffer) > LONGEST_EVENT:
            raise ValueError("an event without an end")
        for block in blocks:
            data = _data(block)
            if data:
                yield json.loads(data.decode())

    def _one_kind_of_line_end(self, chunk: bytes) -> bytes:
        chunk = self._held_back + chunk
        self._held_back = b"\r" if chunk.endswith(b"\r") else b""  # its "\n" may be in the next chunk
        return chunk[: len(chunk) - len(self._held_back)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(block: bytes) -> bytes:
    """The joined `data:` lines of an event."""
    start = block.find(b"\ndata:") + 1
    if start and block.find(b"\n", start) < 0 and not block.startswith(b"data:"):
        return block[start + 5 :]  # the only form the API uses: an event line, then one data line
    lines = [line[5:] for line in block.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(line.removeprefix(b" ") for line in lines)


class AnswerReader:
    """Folds a stream; `feed` it bytes until `whole` or `failure` is set."""

    def __init__(self) -> None:
        self._decoder = EventDecoder()
        self._text = Pieces()
        self._usage: dict[str, Any] = {}
        self._stop_reason: str | None = None
        self._category = ""
        self.model = ""
        """What the answer says its model is; empty until it does."""
        self.whole = False
        """Whether `message_stop` was seen."""
        self.failure: Exception | ApiFailure | None = None
        """What made the rest unreadable, or the error that the API sent in the stream."""
        self.events = 0
        """Events of the answer so far; pings and what nobody knows do not count."""

    def feed(self, chunk: bytes) -> str:
        """Take the bytes that arrived and return the text in them. Never raises: see `failure`."""
        texts: list[str] = []
        try:
            plain = _PLAIN_DELTA.fullmatch(chunk)
            if plain and self._decoder.between_events:
                text = plain[1].decode()
                self.events += 1
                self._text.append(text)
                return text
            for event in self._decoder.feed(chunk):
                text = self._take(event)
                if text:
                    texts.append(text)
                if self.whole or self.failure is not None:
                    break
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self.failure = error
        if not texts:
            return ""
        text = whole_characters("".join(texts))
        self._text.append(text)
        return text

    def end(self) -> None:
        """Know that no more bytes will come: without `message_stop` that is a failure."""
        if not self.whole and self.failure is None:
            self.failure = EOFError()

    def message(self, message: Any) -> None:
        """Take a whole message as the standard call answers it; `failure` is set when it is not one."""
        try:
            self._head(message)
            texts = [block["text"] for block in message["content"] if block["type"] == "text"]
            self._text.append(whole_characters("".join(texts)))
            self._stopped(message)
            self.whole = True
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self.failure = error

    def _take(self, event: dict[str, Any]) -> str:
        kind = event["type"]
        if kind == "content_block_delta":
            self.events += 1
            delta = event["delta"]
            return str(delta["text"]) if delta["type"] == "text_delta" else ""
        if kind in _PROGRESS:
            self.events += 1
            if kind == "content_block_start":
                block = event["content_block"]
                return str(block.get("text", "")) if block["type"] == "text" else ""
            if kind == "message_start":
                self._head(event["message"])
            elif kind == "message_delta":
                self._stopped(event["delta"])
                self._count(event.get("usage"))
        elif kind == "message_stop":
            self.whole = True
        elif kind == "error":
            self.failure = failure_of(event, 200)
        return ""

    def _head(self, message: Mapping[str, Any]) -> None:
        self.model = str(message.get("model") or "")
        self._count(message.get("usage"))

    def _stopped(self, delta: Mapping[str, Any]) -> None:
        reason = delta.get("stop_reason")
        self._stop_reason = None if reason is None else str(reason)
        self._category = str((delta.get("stop_details") or {}).get("category") or "")

    def _count(self, usage: Mapping[str, Any] | None) -> None:
        """Counts are cumulative, and a later event leaves out what did not change."""
        self._usage.update((name, value) for name, value in (usage or {}).items() if value is not None)

    @property
    def text(self) -> str:
        """All the text so far."""
        return str(self._text)

    @property
    def stop(self) -> StopReason:
        """Why Claude stopped; a reason nobody knows counts as the end of the turn."""
        return _STOPS.get(self._stop_reason or "", StopReason.END_TURN)

    @property
    def detail(self) -> str:
        """A refusal's category, or a stop reason that nobody knows; empty mostly."""
        if self._stop_reason is not None and self._stop_reason not in _STOPS:
            return self._stop_reason
        return self._category

    @property
    def usage(self) -> Usage:
        """Tokens as counted so far."""
        details = self._usage.get("output_tokens_details")
        return Usage(
            input=_tokens(self._usage, "input_tokens"),
            output=_tokens(self._usage, "output_tokens"),
            cache_write=_tokens(self._usage, "cache_creation_input_tokens"),
            cache_read=_tokens(self._usage, "cache_read_input_tokens"),
            thinking=_tokens(details if isinstance(details, dict) else {}, "thinking_tokens"),
        )


def failure_of(body: Any, status: int, headers: Mapping[str, str] | None = None) -> ApiFailure:
    """The failure that a parsed error body tells of; one without type and message when it is not the API's."""
    body = body if isinstance(body, dict) else {}
    error = body.get("error")
    error = error if isinstance(error, dict) else {}
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    known = headers or {}
    id_ = known.get("request-id") or body.get("request_id")
    return ApiFailure(
        status=status,
        type=str(error.get("type") or ""),
        message=str(error.get("message") or ""),
        code=str(code or ""),
        headers=known,
        request_id=str(id_) if id_ else None,
    )


def _tokens(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) else 0
