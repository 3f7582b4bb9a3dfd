"""What lies between the SDK and the network: proxies, redirects, compression, and what a live answer holds on to."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import aiohttp
import httpx2
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.claude.client import Claude
from bot.conversation import Delta, Finished
from bot.errors import Interrupted
from sandbox.claude import ClaudeServer
from tests.claude.harness import QUESTION, listen

ANSWER = (
    b'event: message_start\ndata: {"type":"message_start","message":{"model":"m"}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"by the way"}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def answer(request: web.Request) -> web.StreamResponse:
    """Answer whatever is asked."""
    return web.Response(body=ANSWER, content_type="text/event-stream")


class Hop:
    """A server on the way: notes what it is asked, and answers as it is told."""

    def __init__(self) -> None:
        self.handler: Handler = answer
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self.server = TestServer(app)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        return await self.handler(request)

    @property
    def url(self) -> str:
        """Its address."""
        return str(self.server.make_url("")).rstrip("/")


@pytest.fixture
async def hop() -> AsyncIterator[Hop]:
    hop = Hop()
    await hop.server.start_server()
    yield hop
    await hop.server.close()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names no proxies."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


async def test_the_environment_proxy_is_asked_for_what_is_elsewhere(
    hop: Hop, make: Callable[..., Claude], environment: pytest.MonkeyPatch
) -> None:
    """A proxy is asked with its credentials, whichever variable names it."""
    claude = make(base_url="http://api.claude.invalid")
    for variable in ("http_proxy", "ALL_PROXY"):
        with environment.context() as only:
            only.setenv(variable, hop.url.replace("http://", "http://ada:pass@" if variable == "http_proxy" else ""))
            assert (await listen(claude))[0] == "by the way"
    with_credentials, without = hop.asked
    assert with_credentials.raw_path == without.raw_path == "http://api.claude.invalid/v1/messages"
    assert with_credentials.headers["Proxy-Authorization"] == aiohttp.encode_basic_auth("ada", "pass")
    assert "Proxy-Authorization" not in without.headers


async def test_what_the_environment_excepts_is_asked_directly(
    hop: Hop, make: Callable[..., Claude], environment: pytest.MonkeyPatch
) -> None:
    """A host named in `no_proxy` is not asked through the proxy, and that it is not there is said of the host."""
    environment.setenv("http_proxy", hop.url)
    environment.setenv("no_proxy", ".claude.invalid")
    _, end = await listen(make(base_url="http://api.claude.invalid"))
    assert type(end) is Interrupted
    assert "No connection to api.claude.invalid" in str(end)
    assert hop.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_what_runs_beside_us_is_asked_directly(
    host: str, hop: Hop, make: Callable[..., Claude], environment: pytest.MonkeyPatch
) -> None:
    """No proxy is asked for this machine, by whatever name."""
    environment.setenv("all_proxy", "http://127.0.0.1:9")
    claude = make(base_url=hop.url.replace("127.0.0.1", host))
    assert (await listen(claude))[0] == "by the way"


async def test_a_redirect_is_followed_with_the_same_request(hop: Hop, make: Callable[..., Claude]) -> None:
    """An address that has moved is asked where it is now, with the whole question."""

    async def moved(request: web.Request) -> web.StreamResponse:
        hop.handler = answer
        raise web.HTTPTemporaryRedirect(f"{hop.url}/elsewhere/v1/messages")

    hop.handler = moved
    _, end = await listen(make(base_url=hop.url))
    assert isinstance(end, Finished)
    assert [request.path for request in hop.asked] == ["/v1/messages", "/elsewhere/v1/messages"]
    assert hop.bodies[0] == hop.bodies[1] != b""


async def test_no_compression_is_asked_for_and_any_is_undone(hop: Hop, make: Callable[..., Claude]) -> None:
    """Who compresses holds text back, so it is not asked for; an answer or an error that is compressed is read."""
    claude = make(base_url=hop.url)

    async def compressed(request: web.Request) -> web.StreamResponse:
        response = await answer(request)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async def refused(request: web.Request) -> web.StreamResponse:
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        response = web.json_response(error, status=529)
        response.enable_compression(web.ContentCoding.deflate)
        return response

    hop.handler = compressed
    assert (await listen(claude))[0] == "by the way"
    assert hop.asked[0].headers.getall("accept-encoding") == ["identity"]
    hop.handler = refused
    assert "overloaded" in str((await listen(claude))[1])


async def test_a_live_answer_holds_nothing_of_its_request(server: ClaudeServer, claude: Claude) -> None:
    """Once an answer begins, the encoded request is let go: a long conversation is not held twice."""
    server.answer("one two", chunk=4)
    async with aclosing(claude.stream(QUESTION)) as stream:
        assert isinstance(await anext(stream), Delta)
        gc.collect()
        held = [one for one in gc.get_objects() if isinstance(one, httpx2.Request | httpx2.Response)]
        assert held == []
        assert [one for one in gc.get_objects() if isinstance(one, aiohttp.ClientRequest)] == []
