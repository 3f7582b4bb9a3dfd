"""Calls over a wire that breaks in ways no API would: discord.py's own HTTP side against a bare socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from adapters.discord.calls import Calls
from adapters.discord.gateway import Gateway, set_api
from bot.errors import OutcomeUnknown

OWN = {"id": "1", "username": "bot", "discriminator": "0", "avatar": None, "name": "bot", "description": "", "flags": 0}
OWN |= {"icon": None, "bot_public": True, "bot_require_code_grant": False, "verify_key": "", "owner": {**OWN}}


@asynccontextmanager
async def client(answer: bytes | None, calls: Calls) -> AsyncIterator[Gateway]:
    """A client logged in to a server that answers a POST with these bytes and hangs up; None: never."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if request.startswith(b"GET"):
            body = json.dumps(OWN).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        elif answer is not None:
            writer.write(answer)
        else:
            await reader.read()
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    set_api(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    ready = Gateway(calls.trace, message_content=True, identify_delay=0.0)
    try:
        await ready.login("token")
        yield ready
    finally:
        await calls.close()
        await ready.close()
        server.close()
        await server.wait_closed()


async def test_a_success_whose_body_is_lost_is_a_success() -> None:
    """The status says that it was done; only what the body would have told is missing."""
    calls = Calls()
    async with client(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{half", calls) as ready:
        answer = await calls.request(ready.http, "POST", "/channels/{channel_id}/messages", json={}, channel_id="1")
    assert answer.ok
    assert answer.data == {}


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 500 Oh\r\nContent-Length: 100\r\n\r\n{half", b"nonsense\r\n\r\n"])
async def test_half_an_answer_is_none(answer: bytes) -> None:
    """A connection that ends without a whole refusal leaves the outcome unknown."""
    calls = Calls()
    async with client(answer, calls) as ready:
        with pytest.raises(OutcomeUnknown):
            await calls.request(ready.http, "POST", "/channels/{channel_id}/messages", json={}, channel_id="1")


async def test_a_server_that_says_nothing_is_not_waited_for_long() -> None:
    """After the time-out the outcome is unknown, and closing waits for nothing more."""
    calls = Calls(aiohttp.ClientTimeout(total=0.1))
    async with client(None, calls) as ready, asyncio.timeout(2):
        with pytest.raises(OutcomeUnknown):
            await calls.request(ready.http, "POST", "/channels/{channel_id}/messages", json={}, channel_id="1")
