"""The REST API's front: finds the call, misbehaves on order, checks token and rate limits, words the answer.

What a call does is in `messages`, `channels`, `guilds` and `interactions`, whose `calls()` are the table of paths.
Faults and the journal know a call by its name, method first, so that `PATCH *` and `* message` are patterns:

    GET, POST, PATCH, DELETE message · GET messages · PUT, DELETE reaction · POST typing
    GET, PATCH channel · POST thread · GET active threads · GET archived threads · POST dm
    GET thread members · PUT, DELETE thread member
    GET me · GET my guilds · GET user · GET application · GET, PUT commands · GET gateway · GET gateway bot
    GET guild · GET channels · GET roles · GET members · GET member
    POST interaction callback · POST followup · GET, PATCH, DELETE original · unknown

The gateway's are `GATEWAY connect` (faults), `GATEWAY IDENTIFY` and `GATEWAY RESUME` (journal).
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import hdrs, web

from sandbox.faults import Fault, Faults
from sandbox.journal import Journal

from .errors import ApiError
from .ratelimits import RateLimits, Refusal, refusal_body, refusal_headers
from .world import Clock, Upload

PREFIX = "/api/v10"
"""Where the API lives; `url` ends in it."""

LARGEST_REQUEST = 25 * 1024 * 1024
"""A request's largest size, bytes."""


@dataclass(slots=True)
class Call:
    """One request: ids of the path, the query, the JSON body and the files."""

    name: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: dict[str, Any]
    files: list[Upload] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A call the stand-in knows: what it does returns the HTTP status and the JSON answer (None: no content)."""

    name: str
    method: str
    template: str
    act: Callable[[Call], tuple[int, Any]]
    counts: bool = True
    """Whether the limit of the whole bot counts it."""
    public: bool = False
    """Whether it needs no token."""


class Rest:
    """Serves the endpoints.

    Args:
        journal: where calls, answers, refusals and faults are noted.
        clock: the time limits are counted by.
        faults: misbehaviour on order.
        limits: the rate limits.
        token: gives the bot's token now.
    """

    def __init__(
        self, journal: Journal, clock: Clock, faults: Faults, limits: RateLimits, token: Callable[[], str]
    ) -> None:
        self.journal = journal
        self.clock = clock
        self.faults = faults
        self.limits = limits
        self.token = token
        self.latency = 0.0
        self.invalid = 0

    def routes(self, endpoints: Iterable[Endpoint]) -> list[web.RouteDef]:
        """The routes of an aiohttp application, the one for unknown calls last."""
        known = [web.route(each.method, PREFIX + each.template, self._handler(each)) for each in endpoints]
        unknown = Endpoint("unknown", "*", "/{rest}", _unknown, public=True)
        return [*known, web.route("*", "/{rest:.*}", self._handler(unknown))]

    def _handler(self, endpoint: Endpoint) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._serve(request, endpoint)

        return handle

    async def _serve(self, request: web.Request, endpoint: Endpoint) -> web.StreamResponse:
        call = Call(endpoint.name, dict(request.match_info), dict(request.query), {})
        unreadable: ApiError | None = None
        try:
            await read_body(request, call)
        except ApiError as error:
            unreadable = error
        self.journal.add(
            "discord", "call", call=call.name, method=request.method, path=request.path, **call.path, **_told(call.body)
        )
        fault = self.faults.take(call.name, {**call.path, **call.query, **call.body})
        if fault is not None:
            self.journal.add("discord", "fault", call=call.name, fault=fault.kind, **call.path)
        await asyncio.sleep(self.latency / 2 + (fault.seconds if fault and fault.kind == "delay" else 0.0))
        if fault is not None and fault.kind == "reset":
            return cut(request, hard=True)
        if fault is not None and fault.kind in ("status", "error"):
            response = self._misbehave(call, fault)
        else:
            response = self._answer(request, endpoint, call, unreadable)
        await asyncio.sleep(self.latency / 2)
        if request.transport is None or request.transport.is_closing():
            self.journal.add("discord", "unheard", call=call.name)
        return cut(request, hard=False) if fault is not None and fault.kind == "lost" else response

    def _answer(
        self, request: web.Request, endpoint: Endpoint, call: Call, unreadable: ApiError | None
    ) -> web.StreamResponse:
        if not endpoint.public and request.headers.get(hdrs.AUTHORIZATION) != f"Bot {self.token()}":
            return self._reply(call, 401, ApiError(0, status=401, message="401: Unauthorized").body())
        now = self.clock.now()
        refusal = self.limits.admit_any(now) if endpoint.counts else None
        if refusal is not None:
            return self._refuse(call, refusal, {})
        refusal, headers = self.limits.admit(call.name, call.path.get("channel", ""), now)
        if refusal is not None:
            return self._refuse(call, refusal, headers)
        try:
            if unreadable is not None:
                raise unreadable
            status, answer = endpoint.act(call)
        except ApiError as error:
            if error.retry_after is not None:
                headers |= refusal_headers(Refusal(error.retry_after))
                self._note_refusal(call, Refusal(error.retry_after), error.code)
            status, answer = error.status, error.body()
        return self._reply(call, status, answer, headers)

    def _refuse(self, call: Call, refusal: Refusal, headers: dict[str, str]) -> web.StreamResponse:
        self._note_refusal(call, refusal, 0)
        return self._reply(call, 429, refusal_body(refusal), headers | refusal_headers(refusal))

    def _note_refusal(self, call: Call, refusal: Refusal, code: int) -> None:
        self.journal.add(
            "discord",
            "refused",
            call=call.name,
            scope=refusal.scope,
            retry_after=refusal.retry_after,
            code=code,
            **call.path,
        )

    def _misbehave(self, call: Call, fault: Fault) -> web.StreamResponse:
        if fault.kind == "error":
            error = ApiError(int(fault.code))
            if error.status == 429:
                error.retry_after = fault.retry_after
                return self._reply(call, 429, error.body(), refusal_headers(Refusal(fault.retry_after)))
            return self._reply(call, error.status, error.body())
        if fault.status == 429:
            refusal = Refusal(fault.retry_after)
            return self._reply(call, 429, refusal_body(refusal), refusal_headers(refusal))
        if fault.status in (502, 503, 504):
            self._note_answer(call, fault.status, 0)
            return web.Response(
                status=fault.status, text=f"<html><h1>{fault.status} Server Error</h1></html>", content_type="text/html"
            )
        message = f"{fault.status}: {'Internal Server Error' if fault.status == 500 else 'Error'}"
        return self._reply(call, fault.status, {"message": message, "code": 0})

    def _reply(
        self, call: Call, status: int, answer: Any, headers: Mapping[str, str] | None = None
    ) -> web.StreamResponse:
        code = answer.get("code", 0) if isinstance(answer, dict) and status >= 400 else 0
        self._note_answer(call, status, code)
        sent = {"Via": "1.1 google", **(headers or {})}
        if answer is None:
            return web.Response(status=status, headers=sent)
        return web.Response(
            status=status, headers=sent, body=json.dumps(answer).encode(), content_type="application/json"
        )

    def _note_answer(self, call: Call, status: int, code: int) -> None:
        self.invalid += status in (401, 403, 429)
        self.journal.add(
            "discord", "answer", call=call.name, status=status, code=code, invalid=self.invalid, **call.path
        )


async def read_body(request: web.Request, call: Call) -> None:
    """Read JSON, or a form of `payload_json` and `files[n]`, into `call`; raises ApiError (50109, 40005)."""
    try:
        if request.content_type == "multipart/form-data":
            await _read_form(request, call)
        elif request.can_read_body and (text := await request.text()):
            call.body = _parse(text)
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(40005) from None
    except UnicodeDecodeError:
        raise ApiError(50109) from None


async def _read_form(request: web.Request, call: Call) -> None:
    form = await request.post()
    for name, value in form.items():
        if isinstance(value, web.FileField):
            call.files.append(Upload(value.filename, value.file.read(), value.content_type))
        elif name == "payload_json" and isinstance(value, str):
            call.body = _parse(value)


def _parse(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
        json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ApiError(50109) from None
    return body if isinstance(body, dict) else {"items": body}


def _told(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the journal keeps of a body: everything but the long texts."""
    return {"body": {name: value for name, value in body.items() if name not in ("content", "embeds", "components")}}


def cut(request: web.Request, *, hard: bool) -> web.StreamResponse:
    """Break the TCP connection: with a reset when `hard` (ECONNRESET), else with an early end."""
    transport = request.transport
    if transport is not None:
        if hard and (sock := transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


def _unknown(_: Call) -> tuple[int, Any]:
    raise ApiError(0, status=404, message="404: Not Found")
