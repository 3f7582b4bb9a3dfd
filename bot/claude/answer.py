"""The bytes of a Messages stream, folded into text, usage and the reason it stopped. Pure: no I/O, no clock.

It reads server-sent events itself instead of through the SDK's models, because this is done for every delta of every
live answer. Gateways and other vendors speak this protocol, too, each a little differently. Strict is this file
only about the text, the reason to stop and the `message_stop` that makes an answer whole. Whatever else an event holds
or lacks neither ends nor breaks the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
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
_OTHER_WORDS = {
    StopReason.END_TURN: ("stop", "eos", "end", "complete", "completed", "finished", "done"),
    StopReason.MAX_TOKENS: ("length", "max_length", "max_output_tokens", "max_completion_tokens", "token_limit"),
    StopReason.TOOL_USE: ("tool_calls", "tool_call", "function_call"),
    StopReason.REFUSAL: ("content_filter", "content_filtered", "guardrail_intervened", "safety", "blocked"),
    StopReason.CONTEXT_EXCEEDED: ("context_length_exceeded", "context_window_exceeded", "model_length"),
}
"""What other vendors' models say for these reasons, which some gateways pass on: OpenAI's, Google's, Bedrock's and
Mistral's names."""
_STOPS |= {word: stop for stop, words in _OTHER_WORDS.items() for word in words}
_LONGEST_REASON = 40  # characters of a reason that nobody knows
_JSON_BEGINS = b"{"
_PLAIN_DELTA = re.compile(
    rb'event: content_block_delta\ndata: *\{ *"type": *"content_block_delta", *"index": *(?:0|[1-9][0-9]*), *"delta": *'
    rb'\{ *"type": *"text_delta", *"text": *"([^"\\\x00-\x1f]*)" *\} *\} *\n\n'
)
"""The event that nearly all are, as the API writes it and with nothing to unescape: it need not be parsed. Whatever
differs in any way is."""


_OURS = _PROGRESS | {"message_stop", "error"}


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
        """Yield the data of every event that `chunk` completes; without a type of its own, it has its event's name.

        What others add is left out: `[DONE]`, `keep-alive`, their own events. Raises ValueError for data that cannot be
        read and belongs to an answer or may do so, and for an event over `LONGEST_EVENT`.
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
            if not data:
                continue
            try:
                event = json.loads(data.decode())
            except ValueError:
                name = _name(block)
                if name in _OURS or (not name and data.lstrip().startswith(_JSON_BEGINS)):
                    raise
                continue
            if isinstance(event, dict):
                if not isinstance(event.get("type"), str) and (name := _name(block) or "error" * ("error" in event)):
                    event["type"] = name
                yield event

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


def _name(block: bytes) -> str:
    """The name of an event, as its `event:` line has it; empty without one."""
    name = re.search(rb"^event: ?([^\n]*)", block, re.MULTILINE)
    return name[1].decode("utf-8", "replace").strip() if name else ""


class AnswerReader:
    """Folds a stream; `feed` it bytes until `whole` or `failure` is set."""

    def __init__(self) -> None:
        self._decoder = EventDecoder()
        self._whole_json: bytearray | None = None
        self._text = Pieces()
        self._interposed = self._parted = False
        self._return = self._half = ""
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
            if plain and not (self._parted or self._return or self._half) and self._decoder.between_events:
                text = plain[1].decode()
                self.events += 1
                self._text.append(text)
                return text
            if self._is_json(chunk):
                return ""
            for event in self._decoder.feed(chunk):
                if text := self._take(event):
                    texts.append(self._gap(texts) + text)
                if self.whole or self.failure is not None:
                    break
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self.failure = error
        if not texts and not (self.whole and (self._return or self._half)):
            return ""
        text = self._with_line_feeds(whole_characters(self._joined(texts)))
        self._text.append(text)
        return text

    def _joined(self, texts: list[str]) -> str:
        """Return pieces of text as one; the first half of a surrogate pair at its end waits for the second."""
        text = self._half + "".join(texts)
        half = "\ud800" <= text[-1:] <= "\udbff" and not self.whole
        self._half = text[-1] if half else ""
        return text[:-1] if half else text

    def _with_line_feeds(self, text: str) -> str:
        """Return text whose lines end in a line feed alone; a carriage return at its end waits for what follows."""
        if "\r" not in text and not self._return:
            return text
        text = self._return + text
        self._return = "\r" if text.endswith("\r") and not self.whole else ""
        return text[: len(text) - len(self._return)].replace("\r\n", "\n")

    def _is_json(self, chunk: bytes) -> bool:
        """Whether the answer is one JSON object and no stream, as some gateways answer; then the chunk is kept."""
        if self._whole_json is None and not self.events and self._decoder.between_events:
            if not chunk.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_JSON_BEGINS):
                return False
            self._whole_json = bytearray()
        if self._whole_json is None:
            return False
        self._whole_json += chunk
        self.events += 1
        if len(self._whole_json) > LONGEST_EVENT:
            raise ValueError("an answer without an end")
        return True

    def end(self) -> str:
        """Know that no more bytes will come, and return the text that is known only now.

        Without `message_stop`, or a whole message in its place, that is a failure.
        """
        if self._whole_json is not None and self.failure is None:
            try:
                self.message(json.loads(self._whole_json))
            except ValueError:
                self.failure = EOFError()
            return self.text if self.whole else ""
        text = ""
        if not self.whole and self.failure is None:
            if not self._decoder.between_events:
                text = self.feed(b"\n\n")  # the last event may lack the empty line behind it
            if not self.whole:
                self.failure = EOFError()
        return text

    def message(self, message: Any) -> None:
        """Take a whole message as the standard call answers it; `failure` is set when it is not one."""
        if isinstance(message, dict) and (message.get("type") == "error" or "content" not in message):
            self.failure = failure_of(message, 200)
            return
        try:
            self._head(message)
            for block in message["content"]:
                if text := self._begin_block(block):
                    self._text.append(whole_characters(self._gap([]) + text.replace("\r\n", "\n")))
            self._stopped(message)
            self.whole = True
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self.failure = error

    def _take(self, event: dict[str, Any]) -> str:
        """Take an event and return the text in it. Raises ValueError for a text that is none."""
        kind = event.get("type")
        if kind == "content_block_delta":
            self.events += 1
            delta = event.get("delta") or {}
            return _text(delta) if delta.get("type") == "text_delta" else ""
        if kind in _PROGRESS:
            self.events += 1
            if kind == "content_block_start":
                return self._begin_block(event.get("content_block"))
            if kind == "message_start":
                self._head(event.get("message"))
            elif kind == "message_delta":
                self._stopped(event.get("delta"))
                self._count(event.get("usage"))
        elif kind == "message_stop":
            self.whole = True
        elif kind == "error":
            self.failure = failure_of(event, 200)
        return ""

    def _begin_block(self, block: object) -> str:
        """Note what kind of block begins, and return the text it begins with."""
        block = _mapping(block)
        if block.get("type") != "text":
            self._interposed = True
            return ""
        self._parted, self._interposed = self._interposed, False
        return _text(block)

    def _gap(self, texts: Sequence[str]) -> str:
        """Return what parts text from the text before thinking or a tool: a blank line; mostly nothing."""
        before = texts[-1] if texts else self._text.tail
        parted, self._parted = self._parted, False
        if not parted or not before:
            return ""
        return "\n\n"[min(2, len(before) - len(before.rstrip("\n"))) :]

    def _head(self, message: object) -> None:
        message = _mapping(message)
        self.model = str(message.get("model") or self.model)
        self._count(message.get("usage"))

    def _stopped(self, delta: object) -> None:
        """Note why the answer stops. A later event that does not say leaves what an earlier one said."""
        delta = _mapping(delta)
        if isinstance(reason := delta.get("stop_reason"), str) and reason:
            self._stop_reason = reason
        if isinstance(category := _mapping(delta.get("stop_details")).get("category"), str) and category:
            self._category = category

    def _count(self, usage: object) -> None:
        """Counts are cumulative, so the larger one holds: a later event may leave out or zero what did not change."""
        for name, value in _mapping(usage).items():
            if isinstance(value, dict):
                known = _mapping(self._usage.get(name))
                self._usage[name] = {**known, **{key: value[key] for key in value if value[key] is not None}}
            elif isinstance(value, int) and not isinstance(value, bool):
                self._usage[name] = max(value, _tokens(self._usage, name))

    @property
    def text(self) -> str:
        """All the text so far."""
        return str(self._text)

    @property
    def stop(self) -> StopReason:
        """Why Claude stopped; a reason nobody knows counts as the end of the turn, see `detail`."""
        return _STOPS.get(_word(self._stop_reason), StopReason.END_TURN)

    @property
    def detail(self) -> str:
        """A refusal's category, or a stop reason that nobody knows; empty mostly."""
        word = _word(self._stop_reason)
        return self._category if not word or word in _STOPS else word[:_LONGEST_REASON]

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
        message=str(error.get("message") or (status >= 400 and body.get("message")) or ""),
        code=str(code or ""),
        headers=known,
        request_id=str(id_) if id_ else None,
    )


def _mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def _text(holder: Mapping[str, Any]) -> str:
    """Return a block's or delta's text; nothing where there is null or none. Raises ValueError where it is no text."""
    text = holder.get("text")
    if text is None:
        return ""
    if not isinstance(text, str):
        raise ValueError("a text that is none")  # noqa: TRY004 - the answer cannot be read, which is told by one error
    return text


def _word(reason: str | None) -> str:
    """Return a reason to stop as it would be written here: `MAX_TOKENS` and `max tokens` are `max_tokens`."""
    return re.sub(r"\W+", "_", (reason or "").lower()).strip("_")


def _tokens(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) else 0
