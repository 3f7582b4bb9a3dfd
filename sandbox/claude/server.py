"""The stand-in for the Claude API on loopback: Messages, token counting and Models over HTTP, with scripted answers.

It checks requests as the API does, so that what is wrong with them shows, and notes each one, with its whole body and
how it ended, in the journal. Errors are worded as the API words them; the wording is ours where it is not documented.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from sandbox.claude.answers import default_script
from sandbox.claude.models import MODELS, CatalogueModel
from sandbox.claude.script import CATALOGUE, AnswerFault, Asked, Script
from sandbox.claude.tokens import PromptCache, prompt_tokens
from sandbox.claude.validation import MAX_BODY, ApiError, check
from sandbox.claude.wire import Player, close, error_body
from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.limits import Limiter
from sandbox.service import Service

Handler = Callable[[Asked], Script | None]

_OUTPUT_TOKENS_LIMIT = 400_000  # what the rate limit headers say a minute; not enforced


@dataclasses.dataclass(slots=True)
class _Call:
    number: int
    id: str
    body: Any = None
    player: Player | None = None
    broken: bool = False


_CALL = web.RequestKey("call", _Call)


class ClaudeServer(Service):
    """A Claude API of one's own.

    Args:
        journal: where requests ("call"), their ends ("answer") and misbehaviour ("fault") are noted.
        host: the address to listen on.
        port: the port; 0 for a free one.
        api_key: the only key it takes.
        rate: deltas a second of answers nobody scripted; 0 for as fast as they go.
        first_delay: seconds before the first text of such answers.
        seed: of such answers.
        ping_every: seconds between pings while nothing else is sent.
        requests_per_minute: what is above is refused with 429; None for no limit.
        tls: serve HTTPS with it.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str = "sk-ant-sandbox-0123456789",
        rate: float = 0.0,
        first_delay: float = 0.0,
        seed: int = 0,
        ping_every: float = 10.0,
        requests_per_minute: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.journal = journal
        self.api_key = api_key
        self.faults = Faults()
        """Misbehaviour by call (`POST /v1/messages`, `GET /v1/models*`): status, error, reset, lost and delay."""
        self.models: dict[str, CatalogueModel] = {}
        for model in MODELS:
            self.add_model(model)
        self.connections: set[tuple[str, int]] = set()
        """The client ends, host and port, of every connection that carried a request."""
        self._host, self._port = host, port
        self._rate, self._first_delay, self._seed = rate, first_delay, seed
        self._ping_every = ping_every
        self._limit = requests_per_minute
        self._limiter = Limiter(requests_per_minute or 4000, 60.0, "bucket")
        self._tls = tls
        self._scripts: deque[Script] = deque()
        self._handler: Handler | None = None
        self._seen: set[str] = set()
        self._cache = PromptCache()
        self._count = 0
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None

    # --- life ---------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """What ANTHROPIC_BASE_URL is set to."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=MAX_BODY, middlewares=[self._around])
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/messages/count_tokens", self._count_tokens)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_get("/v1/models/{id}", self._one_model)
        app.router.add_route("*", "/{rest:.*}", self._nowhere)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        assert self._runner is not None, "start() comes first"  # noqa: S101 - a misuse by the programmer
        self._site = web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls, reuse_address=True)
        await self._site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Refuse new connections meanwhile; those that are open stay."""
        if self._site is not None:
            await self._site.stop()
        try:
            yield
        finally:
            await self._listen()

    # --- what to answer -----------------------------------------------------------------------------------

    def answer(self, text: str = "", *, times: int = 1, **script: Any) -> Script:
        """Answer the next `times` requests with `text`; the other arguments are those of `Script`."""
        made = Script(text=text, **script)
        self._scripts.extend([made] * times)
        return made

    def fault(self, fault: str | AnswerFault, *, text: str = "", times: int = 1, **changes: Any) -> AnswerFault:
        """Let the next `times` requests go wrong.

        Args:
            fault: a name of `CATALOGUE`, or a fault.
            text: what Claude would have said; a few sentences when empty.
            times: how many requests it hits.
            changes: fields of the fault (`at`, `seconds`, `message`, ...) or of the script (`chunk`, `rate`, ...).
        """
        made = CATALOGUE[fault] if isinstance(fault, str) else fault
        names = {field.name for field in dataclasses.fields(AnswerFault)}
        made = dataclasses.replace(made, **{name: value for name, value in changes.items() if name in names})
        others = {name: value for name, value in changes.items() if name not in names}
        text = text or "One moment: this answer is about to go wrong, and you are here to see it. " * 3
        self.answer(text, times=times, fault=made, **others)
        return made

    def handle(self, handler: Handler | None) -> None:
        """Ask `handler` for the script of every request that no `answer` or `fault` waits for; None: as usual."""
        self._handler = handler

    def add_model(self, model: CatalogueModel) -> None:
        """Know one more model, or know it differently."""
        for name in (model.id, *model.aliases):
            self.models[name] = model

    def asked(self) -> list[dict[str, Any]]:
        """The bodies of the requests for answers so far, refused ones included, oldest first."""
        calls = self.journal.of("claude", "call", call="POST /v1/messages")
        return [entry["body"] for entry in calls]

    def _next_script(self, asked: Asked) -> Script:
        if self._scripts:
            return self._scripts.popleft()
        script = self._handler(asked) if self._handler else None
        if script is not None:
            return script
        made = default_script(asked, self._seed, self._seen)
        return dataclasses.replace(made, rate=self._rate, first_delay=self._first_delay)

    # --- every request ------------------------------------------------------------------------------------

    @web.middleware
    async def _around(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        self._count += 1
        digest = hashlib.sha256(f"{self._seed}:{self._count}".encode()).hexdigest()
        call = request[_CALL] = _Call(self._count, f"req_{digest[:24]}")
        name = f"{request.method} {request.path}"
        if request.transport is not None:
            self.connections.add(request.transport.get_extra_info("peername")[:2])
        call.body, unreadable = await self._read(request)
        self.journal.add("claude", "call", call=name, number=call.number, request_id=call.id, body=call.body)
        try:
            self._authenticate(request)
            if unreadable is not None:
                raise unreadable
            response = await self._with_faults(request, name, handler)
        except ApiError as error:
            response = self._refuse(request, error)
        except (asyncio.CancelledError, ConnectionError):
            self._note(request, outcome="left")
            raise
        if call.broken or (call.player is not None and call.player.broken):
            self._note(request, outcome="broken")
        else:
            self._note(request, outcome="whole" if response.status == 200 else "refused", status=response.status)
        return response

    def _note(self, request: web.Request, **data: Any) -> None:
        call = request[_CALL]
        sent = call.player.sent if call.player else 0
        self.journal.add("claude", "answer", number=call.number, request_id=call.id, characters=sent, **data)

    async def _read(self, request: web.Request) -> tuple[Any, ApiError | None]:
        if request.method != "POST":
            return None, None
        try:
            raw = await request.read()
            return json.loads(raw), None
        except web.HTTPRequestEntityTooLarge:
            return None, ApiError("request_too_large", "Request exceeds the maximum allowed number of bytes.")
        except ValueError as error:
            return None, ApiError("invalid_request_error", f"The request body is not valid JSON: {error}")

    def _authenticate(self, request: web.Request) -> None:
        key = request.headers.get("x-api-key")
        bearer = request.headers.get("authorization", "")
        if not key and not bearer:
            raise ApiError("authentication_error", "x-api-key header is required")
        if self.api_key not in (key, bearer.removeprefix("Bearer ")):
            raise ApiError("authentication_error", "invalid x-api-key")
        if "anthropic-version" not in request.headers:
            raise ApiError("invalid_request_error", "anthropic-version: header is required")

    async def _with_faults(
        self, request: web.Request, name: str, handler: Callable[[web.Request], Any]
    ) -> web.StreamResponse:
        call = request[_CALL]
        fault = self.faults.take(name, call.body if isinstance(call.body, Mapping) else None)
        if fault is not None:
            self.journal.add("claude", "fault", fault=fault.kind, call=name, number=call.number)
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "error":
                raise ApiError(str(fault.code or "api_error"), "An error on order")
            elif fault.kind == "status":
                headers = {"retry-after": f"{fault.retry_after:g}"} if fault.status == 429 else {}
                return self._error(request, fault.status, _type_of(fault.status), "A status on order", headers)
            else:
                if fault.kind == "lost":
                    await handler(request)
                return await self._hang_up(request, reset=fault.kind == "reset")
        response: web.StreamResponse = await handler(request)
        return response

    def _refuse(self, request: web.Request, error: ApiError) -> web.Response:
        return self._error(request, error.status, error.type, error.message, error.headers)

    def _error(
        self, request: web.Request, status: int, type_: str, message: str, headers: Mapping[str, str], code: str = ""
    ) -> web.Response:
        body = error_body(type_, message, request[_CALL].id, code)
        return web.json_response(body, status=status, headers={**self._headers(request), **headers})

    def _headers(self, request: web.Request) -> dict[str, str]:
        remaining, reset = self._limiter.state(time.time())
        resets = (datetime.now(UTC) + timedelta(seconds=reset)).strftime("%Y-%m-%dT%H:%M:%SZ")
        headers = {"request-id": request[_CALL].id, "anthropic-organization-id": "00000000-0000-4000-8000-000000000000"}
        limits = {"requests": (self._limiter.calls, remaining)}
        for kind in ("tokens", "input-tokens", "output-tokens"):
            limits[kind] = (_OUTPUT_TOKENS_LIMIT, _OUTPUT_TOKENS_LIMIT)
        for kind, (limit, left) in limits.items():
            headers[f"anthropic-ratelimit-{kind}-limit"] = str(limit)
            headers[f"anthropic-ratelimit-{kind}-remaining"] = str(left)
            headers[f"anthropic-ratelimit-{kind}-reset"] = resets
        return headers

    # --- the calls ----------------------------------------------------------------------------------------

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        call = request[_CALL]
        body = call.body
        model = check(body, self.models)
        tokens = prompt_tokens(body)
        if tokens > model.max_input_tokens:
            raise ApiError(
                "invalid_request_error", f"prompt is too long: {tokens} tokens > {model.max_input_tokens} maximum"
            )
        wait = self._limiter.admit(time.time())
        if wait and self._limit is not None:
            headers = {"retry-after": str(int(wait) + 1)}
            raise ApiError("rate_limit_error", "This request would exceed your rate limit.", headers)
        script = self._next_script(Asked(call.number, body))
        fault = script.fault
        if fault is not None:
            self.journal.add("claude", "fault", fault=fault.kind, number=call.number, at=fault.at)
            early = await self._before_headers(request, fault)
            if early is not None:
                return early
        head = {
            "id": "msg_" + call.id[4:],
            "type": "message",
            "role": "assistant",
            "model": script.model or body["model"],
            "container": None,
            "usage": {
                **self._cache.usage(body, time.time()),
                "server_tool_use": None,
                "service_tier": "standard",
                "inference_geo": "global",
            },
        }
        player = Player(request, script, head=head, headers=self._headers(request), ping_every=self._ping_every)
        call.player = player
        return await player.play(stream=bool(body.get("stream")))

    async def _before_headers(self, request: web.Request, fault: AnswerFault) -> web.StreamResponse | None:
        """Do what goes wrong before the stream; None when the stream is to follow."""
        headers = {**self._headers(request), **fault.headers}
        if fault.kind == "status" and fault.body is None:
            return self._error(request, fault.status, fault.type, fault.message, fault.headers, fault.code)
        if fault.kind in ("status", "body"):
            headers["content-type"] = fault.content_type
            status = fault.status if fault.kind == "status" else 200
            return web.Response(body=fault.body, status=status, headers=headers)
        if fault.kind == "slow_headers":
            await asyncio.sleep(min(fault.seconds, 86400.0))
        elif fault.kind in ("no_answer", "reset_early"):
            return await self._hang_up(request, reset=fault.kind == "reset_early")
        return None

    async def _hang_up(self, request: web.Request, *, reset: bool) -> web.Response:
        """Close the connection; the response returned for form's sake finds it closed."""
        request[_CALL].broken = True
        await close(request, reset=reset)
        return web.Response()

    async def _count_tokens(self, request: web.Request) -> web.StreamResponse:
        check(request[_CALL].body, self.models, counting=True)
        return web.json_response({"input_tokens": prompt_tokens(request[_CALL].body)}, headers=self._headers(request))

    async def _list_models(self, request: web.Request) -> web.StreamResponse:
        known = list({model.id: model for model in self.models.values()}.values())
        known.sort(key=lambda model: model.created_at, reverse=True)
        ids = [model.id for model in known]
        limit = int(request.query.get("limit", "20"))
        after, before = request.query.get("after_id"), request.query.get("before_id")
        if after in ids:
            known = known[ids.index(after) + 1 :]
        if before in ids:
            known = known[: ids.index(before)][-limit:]
        page = known[:limit]
        listed = {
            "data": [model.info() for model in page],
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
            "has_more": len(known) > limit,
        }
        return web.json_response(listed, headers=self._headers(request))

    async def _one_model(self, request: web.Request) -> web.StreamResponse:
        model = self.models.get(request.match_info["id"])
        if model is None:
            raise ApiError("not_found_error", f"model: {request.match_info['id']}")
        return web.json_response(model.info(), headers=self._headers(request))

    async def _nowhere(self, request: web.Request) -> web.StreamResponse:
        raise ApiError("not_found_error", "Not Found")


def _type_of(status: int) -> str:
    from_status = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error"}
    from_status |= {404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error"}
    return from_status.get(status, "api_error" if status >= 500 else "invalid_request_error")
