"""One call of the Web API: answers that are none, and what never happens behind the caller's back."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiohttp import web

from bot import errors
from tests.slack.serving import TOKEN, serving

ODD = {
    "plain text": web.Response(text="hello"),
    "a page": web.Response(text="<html>", content_type="text/html"),
    "broken JSON": web.Response(text='{"ok": tr', content_type="application/json"),
    "a list": web.Response(text="[1]", content_type="application/json"),
    "a number": web.Response(text="7", content_type="application/json"),
    "null": web.Response(text="null", content_type="application/json"),
    "an empty object": web.Response(text="{}", content_type="application/json"),
    "no body": web.Response(),
    "no UTF-8": web.Response(body=b'{"ok": "\xff"}', content_type="application/json"),
    "an error that is no text": web.Response(text='{"ok": false, "error": 7}', content_type="application/json"),
}


@pytest.mark.parametrize("name", ODD)
async def test_odd_answers(name: str) -> None:
    """An answer that is not Slack's says nothing about what became of the call."""
    body, kind = ODD[name].body, ODD[name].headers.get("Content-Type", "")

    async def respond(_: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": kind})

    async with serving(respond) as api:
        with pytest.raises(errors.OutcomeUnknown):
            await api.call("chat.postMessage", {"channel": "C1", "text": "x"})


@pytest.mark.parametrize("told", ["", "soon", "-3", "nan", "inf", "1e400"])
async def test_odd_retry_after(told: str) -> None:
    """A Retry-After that is no time still makes a rest."""

    async def respond(_: web.Request) -> web.Response:
        return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": told})

    async with serving(respond) as api:
        with pytest.raises(errors.RateLimited) as raised:
            await api.call("chat.update", {"channel": "C1", "ts": "1.1", "text": "x"})
    assert raised.value.retry_after is not None
    assert 0 < raised.value.retry_after < 60


@pytest.mark.parametrize(
    ("method", "meant"), [("auth.test", errors.PlatformError), ("chat.update", errors.MessageFrozen)]
)
async def test_something_else_answers(method: str, meant: type[errors.PlatformError]) -> None:
    """A 404 from a wrong address is final; a message that stands already is gone on beside."""

    async def respond(_: web.Request) -> web.Response:
        return web.Response(status=404, text="not here")

    async with serving(respond) as api:
        with pytest.raises(errors.PlatformError, match="404") as raised:
            await api.call(method)
    assert type(raised.value) is meant


async def test_one_call_is_one_request() -> None:
    """A dropped connection is not tried again behind the caller's back, and one connection serves many calls."""
    requests, connections = [], set()

    async def respond(request: web.Request) -> web.Response:
        requests.append(request.match_info["method"])
        assert request.transport is not None
        connections.add(request.transport.get_extra_info("peername"))
        if request.match_info["method"] == "chat.postMessage":
            request.transport.abort()
        return web.json_response({"ok": True})

    async with serving(respond) as api:
        for _ in range(3):
            await api.call("chat.update", {"channel": "C1", "ts": "1.1", "text": "x"})
        assert len(connections) == 1
        with pytest.raises(errors.OutcomeUnknown):
            await api.call("chat.postMessage", {"channel": "C1", "text": "x"})
    assert requests.count("chat.postMessage") == 1


async def test_how_arguments_travel() -> None:
    """Structures go as JSON, reads as a query, tokens in the header and nowhere else."""
    seen = []

    async def respond(request: web.Request) -> web.Response:
        body = await request.text()
        seen.append((request.method, dict(request.query), request.content_type, request.headers["Authorization"], body))
        return web.json_response({"ok": True})

    async with serving(respond) as api:
        await api.call("chat.update", {"channel": "C1", "blocks": [{"type": "x"}], "text": None})
        await api.call("conversations.replies", {"channel": "C1", "include_all_metadata": True, "cursor": None})
        await api.call("chat.delete", {"channel": "C1", "ts": "1.1"})
        await api.call("apps.connections.open", token="xapp-other")
    bearer = f"Bearer {TOKEN}"
    assert seen[0] == ("POST", {}, "application/json", bearer, '{"channel": "C1", "blocks": [{"type": "x"}]}')
    assert seen[1][:2] == ("GET", {"channel": "C1", "include_all_metadata": "1"})
    assert seen[2][:2] == ("POST", {"channel": "C1", "ts": "1.1"})
    assert seen[3][:2] == ("POST", {})
    assert seen[3][3] == "Bearer xapp-other"


async def test_no_secret_in_errors_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong, the token stands in no error and in no log line, at any level."""
    caplog.set_level(logging.DEBUG)

    async def respond(request: web.Request) -> web.Response:
        if request.match_info["method"] == "chat.update":
            assert request.transport is not None
            request.transport.abort()
        if request.match_info["method"] == "auth.test":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        return web.json_response({"ok": True, "url": "wss://127.0.0.1/link?ticket=secret"})

    told = []
    async with serving(respond) as api:
        await api.call("apps.connections.open", token="xapp-also-secret")
        for method in ("auth.test", "chat.update"):
            with pytest.raises(errors.PlatformError) as raised:
                await api.call(method)
            told += [str(raised.value), repr(raised.value), repr(raised.value.__cause__)]
    assert "secret" not in "".join([*told, caplog.text])


async def test_a_call_is_not_cut_off_by_another() -> None:
    """Many calls at once share the pool, and each gets its own answer."""

    async def respond(request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "ts": request.query["ts"]})

    async with serving(respond) as api:
        answers = await asyncio.gather(*(api.call("chat.delete", {"channel": "C", "ts": str(n)}) for n in range(150)))
    assert [answer.text("ts") for answer in answers] == [str(n) for n in range(150)]
