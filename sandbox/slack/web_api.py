"""The HTTP face of the Web API: token, faults, limits and scopes, in this order, then the method itself."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.faults import Fault, Faults
from sandbox.journal import Journal
from sandbox.slack import chat, interactions, reads, scopes, streams
from sandbox.slack.backend import Answer, Backend
from sandbox.slack.call import Call, Refusal
from sandbox.slack.rates import Rates
from sandbox.slack.socket_mode import SocketMode

METHODS: Mapping[str, Callable[[Call, Backend], Answer]] = {
    "auth.test": reads.auth_test,
    "chat.postMessage": chat.post_message,
    "chat.update": chat.update,
    "chat.delete": chat.delete,
    "chat.postEphemeral": chat.post_ephemeral,
    "chat.getPermalink": chat.get_permalink,
    "chat.startStream": streams.start,
    "chat.appendStream": streams.append,
    "chat.stopStream": streams.stop,
    "assistant.threads.setStatus": chat.set_status,
    "reactions.add": chat.add_reaction,
    "conversations.history": reads.history,
    "conversations.replies": reads.replies,
    "conversations.info": reads.info,
    "conversations.list": reads.list_,
    "conversations.members": reads.members,
    "conversations.open": reads.open_,
    "users.info": reads.user_info,
    "users.list": reads.user_list,
    "users.conversations": reads.users_conversations,
    "bots.info": reads.bot_info,
    "team.info": reads.team_info,
    "views.open": interactions.open_view,
    "views.publish": reads.publish_view,
}

OPEN = "apps.connections.open"


@dataclass(slots=True)
class Tokens:
    """What the API lets in. `verdict` is what good tokens are answered with while they are no longer good."""

    bot: str
    app: str
    bot_scopes: tuple[str, ...]
    app_scopes: tuple[str, ...]
    verdict: str | None = None


class WebApi:
    """Answers the calls. `latency` is in seconds: half of it before the call has its effect, half after."""

    def __init__(
        self, back: Backend, journal: Journal, faults: Faults, rates: Rates, tokens: Tokens, sockets: SocketMode
    ) -> None:
        self.latency = 0.0
        self._back = back
        self._journal = journal
        self._faults = faults
        self._rates = rates
        self._tokens = tokens
        self._sockets = sockets

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one call, or misbehave as ordered."""
        method = request.match_info["method"]
        try:
            arguments = await _arguments(request)
        except Refusal as refusal:
            return self._refused(method, refusal)
        token = str(arguments.pop("token", "")) or request.headers.get("Authorization", "").removeprefix("Bearer ")
        self._journal.add("slack", "call", method=method, arguments=arguments)
        if self.latency:
            await asyncio.sleep(self.latency / 2)
        fault = self._faults.take(method, arguments)
        if fault is not None:
            self._journal.add("slack", "fault", method=method, fault=fault.kind, channel=arguments.get("channel"))
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind in ("status", "error"):
            return self._misbehave(method, fault)
        if fault is not None and fault.kind == "reset":
            return _cut(request)
        answer = self._answer(Call(method, arguments), token, f"ws://{request.host}")
        if fault is not None and fault.kind == "lost":
            return _cut(request)
        if self.latency:
            await asyncio.sleep(self.latency / 2)
        if request.transport is None or request.transport.is_closing():
            self._journal.add("slack", "unheard", method=method)
        return answer

    def _answer(self, call: Call, token: str, address: str) -> web.Response:
        try:
            granted = self._authorize(call.method, token)
            wait = self._rates.admit(call.method, call.text("channel") or "")
            if wait:
                self._journal.add(
                    "slack", "refused", method=call.method, channel=call.text("channel"), code="ratelimited", wait=wait
                )
                return self._respond(call.method, {"error": "ratelimited"}, status=429, retry_after=wait)
            channel = self._back.find_channel(call.text("channel") or call.text("channel_id") or "")
            scopes.check(call.method, channel, granted, call.text("types") or "")
            if call.method == OPEN:
                return self._respond(call.method, {"ok": True, "url": self._sockets.ticket(address)})
            return self._respond(call.method, {"ok": True, **METHODS[call.method](call, self._back)})
        except Refusal as refusal:
            return self._refused(call.method, refusal)

    def _authorize(self, method: str, token: str) -> tuple[str, ...]:
        if method not in METHODS and method != OPEN:
            raise Refusal("unknown_method", req_method=method)
        if not token:
            raise Refusal("not_authed")
        if token not in (self._tokens.bot, self._tokens.app):
            raise Refusal("invalid_auth")
        if self._tokens.verdict is not None:
            raise Refusal(self._tokens.verdict)
        if (token == self._tokens.app) is not (method == OPEN):
            raise Refusal("not_allowed_token_type")
        return self._tokens.app_scopes if method == OPEN else self._tokens.bot_scopes

    def _refused(self, method: str, refusal: Refusal) -> web.Response:
        return self._respond(method, {"error": refusal.code, **refusal.more})

    def _misbehave(self, method: str, fault: Fault) -> web.Response:
        if fault.kind == "error":
            code = str(fault.code or "internal_error")
            more = {"needed": ",".join(scopes.needed(method, None)), "provided": ",".join(self._tokens.bot_scopes)}
            return self._respond(method, {"error": code, **(more if code == "missing_scope" else {})})
        if fault.status == 429:
            wait = max(1, round(fault.retry_after))
            return self._respond(method, {"error": "ratelimited"}, status=429, retry_after=wait)
        if fault.status in (502, 503, 504):
            self._journal.add("slack", "answer", method=method, status=fault.status, ok=False, error="")
            page = "<!DOCTYPE html><html><body>upstream connect error</body></html>"
            return web.Response(status=fault.status, text=page, content_type="text/html")
        return self._respond(method, {"error": "internal_error"}, status=fault.status)

    def _respond(self, method: str, body: Answer, *, status: int = 200, retry_after: int | None = None) -> web.Response:
        body = {"ok": False, **body}
        self._journal.add(
            "slack", "answer", method=method, status=status, ok=body["ok"], error=body.get("error"), ts=body.get("ts")
        )
        headers = {"x-slack-req-id": uuid.uuid4().hex}
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        if body["ok"]:
            granted = self._tokens.app_scopes if method == OPEN else self._tokens.bot_scopes
            headers["x-oauth-scopes"] = ",".join(granted)
            headers["x-accepted-oauth-scopes"] = ",".join(scopes.needed(method, None))
        return web.json_response(body, status=status, headers=headers)


async def _arguments(request: web.Request) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.read() or b"{}")
        except ValueError:
            raise Refusal("invalid_json") from None
        if not isinstance(body, dict):
            raise Refusal("json_not_object")
        return arguments | body
    return arguments | {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
