"""Plays a script as the Messages API would send it: server-sent events, or one JSON body. Faults happen here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
import socket
import struct
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.claude.script import AnswerFault, Script
from sandbox.claude.tokens import count
from sandbox.claude.validation import STATUS

_TURN = 0.005  # s: what comes in one piece with a fault can be lost to the reader with it, so it gets a moment
_FLUSH = 0.05  # s: a reset discards what TCP has not sent yet, and that may wait 40 ms for a delayed acknowledgement

_SURROGATE = re.compile(r"[\ud800-\udfff]")

PING = b'event: ping\ndata: {"type": "ping"}\n\n'


class _Broken(Exception):
    """The fault has happened: nothing more is to be sent."""


async def close(request: web.Request, *, reset: bool) -> None:
    """Close the connection of a request once what was written has arrived; `reset` sends a TCP RST."""
    transport = request.transport
    if transport is None:
        return
    await asyncio.sleep(_FLUSH if reset else _TURN)
    if reset:
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


def stop_fields(script: Script) -> dict[str, Any]:
    """`stop_reason`, `stop_sequence` and `stop_details` as both forms of an answer hold them."""
    refused = script.stop_reason == "refusal"
    details = {"type": "refusal", "category": script.category or None, "explanation": None} if refused else None
    return {"stop_reason": script.stop_reason, "stop_sequence": None, "stop_details": details}


def output_usage(script: Script, sent: int) -> dict[str, Any]:
    """The output side of `usage` once `sent` tokens of text are out."""
    thinking = int(50 * script.thinking) if script.thinking else 0
    return {"output_tokens": sent + thinking + 1, "output_tokens_details": {"thinking_tokens": thinking}}


def error_body(type_: str, message: str, request_id: str, code: str = "") -> dict[str, Any]:
    """An error as the API words it, over HTTP and in the stream alike."""
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": type_, "message": message, **details}, "request_id": request_id}


class Player:
    """Plays one script to one request.

    Args:
        request: the HTTP request.
        script: what to answer.
        head: the `message` object without content, stop reason and output usage.
        headers: response headers.
        ping_every: seconds between pings while nothing else is sent.
    """

    def __init__(
        self,
        request: web.Request,
        script: Script,
        *,
        head: Mapping[str, Any],
        headers: Mapping[str, str],
        ping_every: float,
    ) -> None:
        self._request = request
        self._script = script
        self._head = head
        self._headers = headers
        self._ping_every = ping_every
        self._response = web.StreamResponse()
        self._due = script.fault
        self.sent = 0
        """Characters of text sent."""
        self.broken = False
        """Whether a fault ended the answer."""

    async def play(self, *, stream: bool) -> web.StreamResponse:
        """Answer, as a stream of events or in one JSON body. A connection that was broken off is already closed."""
        try:
            return await (self._stream() if stream else self._whole())
        except _Broken:
            self.broken = True
            return self._response

    # --- the JSON form ------------------------------------------------------------------------------------

    async def _whole(self) -> web.StreamResponse:
        script = self._script
        await asyncio.sleep(script.first_delay + script.thinking + script.stall)
        await asyncio.sleep(len(script.deltas()) / script.rate if script.rate else 0.0)
        text = script.whole()
        message = {
            **self._head,
            "content": [{"type": "text", "text": text, "citations": None}] if text else [],
            **stop_fields(script),
        }
        message["usage"] = {**self._head["usage"], **output_usage(script, count(text))}
        body = json.dumps(message).encode()
        fault = script.fault
        if fault is not None and fault.kind == "error":
            error = error_body(fault.type, fault.message, self._headers["request-id"], fault.code)
            return web.json_response(error, status=STATUS[fault.type], headers=dict(self._headers))
        if fault is None or fault.kind.endswith("_after_stop") or fault.kind == "unknown_events":
            self.sent = len(text)
            return web.Response(body=body, content_type="application/json", headers=dict(self._headers))
        self._response.headers.update({**self._headers, "content-type": "application/json"})
        await self._response.prepare(self._request)
        await self._response.write(body[: len(body) // 2])
        await self._break_off(fault)
        return self._response

    # --- the stream ---------------------------------------------------------------------------------------

    async def _stream(self) -> web.StreamResponse:
        script = self._script
        self._response.headers.update(
            {**self._headers, "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        )
        self._response.enable_chunked_encoding()
        await self._response.prepare(self._request)
        usage = {**self._head["usage"], **output_usage(script, 0)}
        empty: dict[str, Any] = {
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "usage": usage,
        }
        await self._event("message_start", message={**self._head, **empty})
        await self._pause(script.first_delay)
        index = await self._think()
        deltas = script.deltas()
        tokens = 0.0
        for block in _spread(deltas, script.blocks):
            await self._event("content_block_start", index=index, content_block={"type": "text", "text": ""})
            await self._write(PING)
            tokens += await self._text(block, index)
            await self._event("content_block_stop", index=index)
            index += 1
        await self._misbehave(final=True)
        usage = {**self._head["usage"], **output_usage(script, math.ceil(tokens))}
        usage.pop("cache_creation", None)
        await self._event("message_delta", delta=stop_fields(script), usage=usage)
        await self._event("message_stop")
        await self._after_stop()
        await self._response.write_eof()
        return self._response

    async def _think(self) -> int:
        script = self._script
        if not script.thinking:
            return 0
        block = {"type": "thinking", "thinking": "", "signature": ""}
        await self._event("content_block_start", index=0, content_block=block)
        steps = max(1, round(script.thinking / 0.25)) if script.show_thinking else 1
        for step in range(steps):
            await self._pause(script.thinking / steps)
            if script.show_thinking:
                thought = {"type": "thinking_delta", "thinking": f"Step {step + 1}: weigh it. "}
                await self._event("content_block_delta", index=0, delta=thought)
        signature = {"type": "signature_delta", "signature": "EqQBCkYIAhgCKkA="}
        await self._event("content_block_delta", index=0, delta=signature)
        await self._event("content_block_stop", index=0)
        return 1

    async def _text(self, deltas: tuple[str, ...], index: int) -> float:
        script = self._script
        loop = asyncio.get_running_loop()
        due = loop.time()
        tokens = 0.0
        for piece in deltas:
            await self._misbehave()
            for at, gate in script.gates.items():
                if self.sent <= at < self.sent + len(piece):
                    await self._wait(gate)
                    due = loop.time()
            if script.stall_at is not None and self.sent <= script.stall_at < self.sent + len(piece):
                await self._pause(script.stall)
                due = loop.time()
            if script.rate:
                due += 1 / script.rate
                await self._pause(due - loop.time())
            await self._event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece})
            self.sent += len(piece)
            tokens += len(piece.encode("utf-8", "replace")) / 4
        return tokens

    async def _event(self, type_: str, **data: Any) -> None:
        body = json.dumps({"type": type_, **data}, ensure_ascii=False, separators=(",", ":"))
        escaped = _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", body)  # half a character has no UTF-8
        await self._write(f"event: {type_}\ndata: {escaped}\n\n".encode())

    async def _write(self, data: bytes) -> None:
        if not self._script.split:
            await self._response.write(data)
            return
        for start in range(0, len(data), 7):
            await self._response.write(data[start : start + 7])
            await asyncio.sleep(0)

    async def _pause(self, seconds: float) -> None:
        """Wait, with pings as the API sends them."""
        while seconds > self._ping_every:
            await asyncio.sleep(self._ping_every)
            await self._write(PING)
            seconds -= self._ping_every
        if seconds > 0:
            await asyncio.sleep(seconds)

    async def _wait(self, gate: asyncio.Event) -> None:
        """Wait for the event, with pings."""
        while not gate.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._ping_every):
                    await gate.wait()
                    return
            await self._write(PING)

    # --- what goes wrong ----------------------------------------------------------------------------------

    async def _misbehave(self, *, final: bool = False) -> None:
        """Do what the script's fault says, where it is due; raises _Broken when nothing more is to be sent."""
        fault = self._due
        if fault is None or fault.kind.endswith("_after_stop") or not (final or self.sent >= fault.at):
            return
        self._due = None
        if fault.kind == "unknown_events":
            await self._event("content_block_delta", index=0, delta={"type": "hologram_delta", "hologram": [1, 2]})
            await self._event("content_block_start", index=97, content_block={"type": "hologram", "text": 7})
            await self._event("message_mood", mood={"text": "not for the answer"})
            await self._write(b': a comment\nretry: 10\n\nid: 7\ndata: {"type":"nameless"}\n\n')
        elif fault.kind == "bad_json":
            await self._write(b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n')
        elif fault.kind == "bad_event":
            await self._write(b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":["text"]}\n\n')
        elif fault.kind == "bad_utf8":
            broken = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"caf\xe9\xff"}}'
            await self._write(b"event: content_block_delta\ndata: " + broken + b"\n\n")
        elif fault.kind == "error":
            error = error_body(fault.type, fault.message, self._headers["request-id"], fault.code)
            await self._write(b"event: error\ndata: " + json.dumps(error).encode() + b"\n\n")
            await self._response.write_eof()
            raise _Broken
        else:
            if fault.kind == "cut":
                half = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"ty'
                await self._write(half)
            await self._break_off(fault)

    async def _break_off(self, fault: AnswerFault) -> None:
        if fault.kind == "silence":
            await asyncio.sleep(min(fault.seconds, 86400.0))
        elif fault.kind == "pings":
            await self._pause(min(fault.seconds, 86400.0))
        elif fault.kind == "bad_chunk" and self._request.transport is not None:
            await asyncio.sleep(_TURN)
            self._request.transport.write(b"not a chunk size\r\nneither a chunk\r\n")
            await close(self._request, reset=False)
        elif fault.kind in ("end", "cut", "bad_json", "bad_utf8", "bad_event"):
            await self._response.write_eof()
        else:
            await close(self._request, reset=fault.kind == "reset")
        if fault.kind not in ("silence", "pings"):
            raise _Broken

    async def _after_stop(self) -> None:
        fault = self._script.fault
        if fault is None or not fault.kind.endswith("_after_stop"):
            return
        if fault.kind == "linger_after_stop":
            await asyncio.sleep(min(fault.seconds, 86400.0))
        else:
            await close(self._request, reset=fault.kind == "reset_after_stop")
        raise _Broken


def _spread(deltas: tuple[str, ...], blocks: int) -> list[tuple[str, ...]]:
    size = max(1, math.ceil(len(deltas) / blocks))
    return [deltas[i : i + size] for i in range(0, len(deltas), size)]
