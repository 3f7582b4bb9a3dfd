"""What an answer of the stand-in is made of: text, pace, why it stops, what goes wrong with it. Values only."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.claude.validation import text_of

Kind = Literal[
    "status",
    "no_answer",
    "reset_early",
    "slow_headers",
    "body",
    "error",
    "end",
    "cut",
    "drop",
    "reset",
    "silence",
    "pings",
    "bad_json",
    "bad_utf8",
    "bad_event",
    "bad_chunk",
    "unknown_events",
    "drop_after_stop",
    "reset_after_stop",
    "linger_after_stop",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFault:
    """One way in which an answer goes wrong.

    Args:
        kind: before the headers: "status" answers with HTTP `status`, "no_answer" closes and "reset_early" resets the
            connection, "slow_headers" waits `seconds` and goes on; in place of the stream: "body" answers 200 with
            `body`; after `at` characters of text: "error" sends an SSE error event of `type`, "end" ends the response
            cleanly, "cut" does so inside a `data:` line, "drop" closes the connection without ending the response,
            "reset" resets it, "silence" sends nothing more for `seconds`, "pings" only pings, "bad_json", "bad_utf8"
            and "bad_event" (JSON of the wrong shape) send one such event and go on, "bad_chunk" breaks the HTTP
            framing, "unknown_events" sends events and blocks nobody knows and goes on; after `message_stop`:
            "drop_after_stop", "reset_after_stop", and "linger_after_stop", which leaves the response open.
        at: characters of text sent before it happens; more than there are means just before the text's block ends.
        status: HTTP status of "status".
        type: `error.type` of "status" and "error".
        message: `error.message` of both.
        code: `error.details.error_code` of both; empty for none.
        headers: sent along with "status".
        body: a body in place of the JSON error or of the stream.
        content_type: what `body` is called.
        seconds: how long "slow_headers", "silence" and "pings" last.
    """

    kind: Kind
    at: int = 0
    status: int = 500
    type: str = "api_error"
    message: str = "Internal server error"
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "text/html; charset=utf-8"
    seconds: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One answer.

    Args:
        text: what Claude says.
        pieces: the deltas, exactly; they replace `text`.
        chunk: characters a delta, where `pieces` does not say; 0 for one delta.
        rate: deltas a second; 0 for as fast as they go.
        first_delay: seconds from the headers to the first content, with pings.
        thinking: seconds of thinking before the text.
        show_thinking: whether thinking is sent as deltas; otherwise there is only its signature, as by default.
        stall_at: characters of text after which the stream pauses, with pings; None for never.
        stall: seconds of that pause.
        gates: at how many characters of text the stream waits, with pings, until which event is set.
        blocks: over how many text blocks the text is spread.
        split: whether events are written a few bytes at a time, cut inside multi-byte characters.
        stop_reason: as the API names it.
        category: of a refusal; empty for none.
        fault: what goes wrong; None for nothing.
        model: what the answer calls its model; empty for the one asked.
    """

    text: str = ""
    pieces: tuple[str, ...] = ()
    chunk: int = 4
    rate: float = 0.0
    first_delay: float = 0.0
    thinking: float = 0.0
    show_thinking: bool = False
    stall_at: int | None = None
    stall: float = 0.0
    gates: Mapping[int, asyncio.Event] = field(default_factory=dict)
    blocks: int = 1
    split: bool = False
    stop_reason: str = "end_turn"
    category: str = ""
    fault: AnswerFault | None = None
    model: str = ""

    def deltas(self) -> tuple[str, ...]:
        """The pieces of text, in order."""
        if self.pieces or not self.text:
            return self.pieces
        step = self.chunk or len(self.text)
        return tuple(self.text[i : i + step] for i in range(0, len(self.text), step))

    def whole(self) -> str:
        """All of the text."""
        return "".join(self.pieces) or self.text


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it arrived: which one it was (from 1), and its body."""

    number: int
    body: Mapping[str, Any]

    @property
    def question(self) -> str:
        """The text of the last message."""
        messages = self.body.get("messages") or [{}]
        return text_of(messages[-1].get("content", ""))


def _status(status: int, type_: str, message: str, *, code: str = "", **headers: str) -> AnswerFault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return AnswerFault(kind="status", status=status, type=type_, message=message, code=code, headers=named)


CATALOGUE: dict[str, AnswerFault] = {
    # before the stream
    "bad_request": _status(400, "invalid_request_error", "messages.0: something the API does not take"),
    "too_long": _status(400, "invalid_request_error", "prompt is too long: 1204031 tokens > 1000000 maximum"),
    "bad_key": _status(401, "authentication_error", "invalid x-api-key"),
    "no_credit": _status(402, "billing_error", "Your credit balance is too low to access the Claude API."),
    "forbidden": _status(
        403, "permission_error", "Your API key does not have permission to use the specified resource."
    ),
    "unknown_model": _status(404, "not_found_error", "model: claude-nonesuch"),
    "too_large": _status(413, "request_too_large", "Request exceeds the maximum allowed number of bytes."),
    "rate_limited": _status(429, "rate_limit_error", "Number of requests has exceeded your limit.", retry_after="1"),
    "rate_limited_for_hours": _status(429, "rate_limit_error", "Slow down.", retry_after="86400"),
    "spend_limit": _status(
        429,
        "rate_limit_error",
        "You have reached your specified API usage limits.",
        code="enforced_spend_limit_reached",
    ),
    "server_error": _status(500, "api_error", "Internal server error"),
    "server_error_final": _status(500, "api_error", "Internal server error", x_should_retry="false"),
    "conflict_retry": _status(409, "conflict_error", "Try again.", x_should_retry="true"),
    "unavailable": _status(503, "api_error", "Service unavailable"),
    "gateway_timeout": _status(504, "timeout_error", "Request timed out"),
    "overloaded": _status(529, "overloaded_error", "Overloaded"),
    "bad_gateway_html": AnswerFault(kind="status", status=502, body=b"<html><h1>502 Bad Gateway</h1></html>"),
    "no_answer": AnswerFault(kind="no_answer"),
    "reset_early": AnswerFault(kind="reset_early"),
    "slow_headers": AnswerFault(kind="slow_headers"),
    # in place of the stream
    "empty_200": AnswerFault(kind="body", body=b"", content_type="text/event-stream; charset=utf-8"),
    "html_200": AnswerFault(kind="body", body=b"<html><h1>Welcome to the proxy</h1></html>"),
    # in the stream
    "overloaded_event": AnswerFault(kind="error", type="overloaded_error", message="Overloaded"),
    "api_error_event": AnswerFault(kind="error", type="api_error", message="Internal server error"),
    "rate_limit_event": AnswerFault(kind="error", type="rate_limit_error", message="Slow down."),
    "invalid_request_event": AnswerFault(kind="error", type="invalid_request_error", message="messages: not like this"),
    "end": AnswerFault(kind="end"),
    "cut": AnswerFault(kind="cut"),
    "drop": AnswerFault(kind="drop"),
    "reset": AnswerFault(kind="reset"),
    "silence": AnswerFault(kind="silence"),
    "pings": AnswerFault(kind="pings"),
    "bad_json": AnswerFault(kind="bad_json"),
    "bad_utf8": AnswerFault(kind="bad_utf8"),
    "bad_event": AnswerFault(kind="bad_event"),
    "bad_chunk": AnswerFault(kind="bad_chunk"),
    "unknown_events": AnswerFault(kind="unknown_events"),
    # after the end
    "drop_after_stop": AnswerFault(kind="drop_after_stop"),
    "reset_after_stop": AnswerFault(kind="reset_after_stop"),
    "linger_after_stop": AnswerFault(kind="linger_after_stop"),
}
"""The faults by name. Those in the stream come before any text unless `at` is given."""
