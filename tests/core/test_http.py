"""The HTTP server against strangers who are slow, many, or speak no HTTP; on both event loops, over real sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop
from aiohttp import web

from bot.app.http import Bounds, serve

QUICK = Bounds(beginning=0.3, answering=0.3, connections=5)
WITHIN = 10.0
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ENDED = (ConnectionError, asyncio.IncompleteReadError)

Run = Callable[[Coroutine[Any, Any, None]], None]
Talk = Callable[[int], Awaitable[None]]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs the program's loop, and Python's own."""
    return request.param


def serving(run: Run, talk: Talk, handler: Callable[[web.Request], Awaitable[web.Response]] | None = None) -> None:
    """Talk to a server whose bounds are short."""

    async def whole() -> None:
        application = web.Application()
        if handler is not None:
            application.router.add_route("*", "/", handler)
        async with serve(application, "127.0.0.1", 0, QUICK) as port, asyncio.timeout(WITHIN):
            await talk(port)

    run(whole())


async def connect(port: int, beginning: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(beginning)
    return reader, writer


async def ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until the server ends the connection."""
    with pytest.raises(ENDED):
        await reader.readexactly(100_000)
    writer.close()


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", GET])
def test_a_request_that_is_slow_to_begin_is_ended(run: Run, beginning: bytes) -> None:
    """A connection whose headers do not come, at once or after a first request, is ended within the bound."""

    async def talk(port: int) -> None:
        reader, writer = await connect(port, beginning)
        if beginning == GET:
            await reader.readuntil(b"Not Found")
            writer.write(b"POST /slow HT")
        await ends(reader, writer)

    serving(run, talk)


def test_a_drip_does_not_stretch_the_bound(run: Run) -> None:
    """One byte now and then is no sign of life: the whole of the headers counts."""

    async def talk(port: int) -> None:
        reader, writer = await connect(port)

        async def drip() -> None:
            for byte in b"GET / HTTP/1.1\r\nHost: " + b"x" * 10_000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        await ends(reader, writer)
        dripping.cancel()

    serving(run, talk)


def test_who_takes_no_answers_is_ended(run: Run) -> None:
    """A connection on which nothing is read of what is answered is ended, though nothing more is sent on it."""
    ended = asyncio.Event()

    async def large(request: web.Request) -> web.Response:
        request.task.add_done_callback(lambda _: ended.set())  # it serves the connection, not this request alone
        return web.Response(body=bytes(32 << 20))

    async def talk(port: int) -> None:
        with socket.socket() as bare:
            bare.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(bare, ("127.0.0.1", port))
            await loop.sock_sendall(bare, GET)
            await ended.wait()

    serving(run, talk, large)


def test_stopping_does_not_wait_for_a_body_that_nobody_reads(run: Run) -> None:
    """Who was refused and goes on sending, or sends no more, does not hold up the end of the process."""

    async def refusing(_: web.Request) -> web.Response:
        return web.Response(status=401)

    with socket.socket() as bare:
        bare.setblocking(False)

        async def talk(port: int) -> None:
            loop = asyncio.get_running_loop()
            await loop.sock_connect(bare, ("127.0.0.1", port))
            await loop.sock_sendall(bare, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
            assert b"401" in await loop.sock_recv(bare, 100)

        began = time.monotonic()
        serving(run, talk, refusing)
        assert time.monotonic() - began < 5.0


def test_an_answer_that_takes_long_is_not_cut_short(run: Run) -> None:
    """The bound is for who asks: a handler may take longer than a request may."""

    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(3 * QUICK.beginning)
        return web.Response(text="done")

    async def talk(port: int) -> None:
        reader, writer = await connect(port, GET.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        assert (await reader.read()).endswith(b"done")
        writer.close()

    serving(run, talk, slow)


def test_idle_connections_make_room(run: Run) -> None:
    """Somebody who keeps every connection open keeps nobody out: the one that is idle longest makes room."""

    async def quick(_: web.Request) -> web.Response:
        return web.Response(text="done")

    async def talk(port: int) -> None:
        kept = [await connect(port, GET) for _ in range(QUICK.connections)]
        for reader, _ in kept:
            await reader.readuntil(b"done")
        reader, writer = await connect(port, GET)
        await reader.readuntil(b"done")
        assert await kept[0][0].read() == b""
        for _, other in (*kept, (reader, writer)):
            other.close()

    serving(run, talk, quick)


def test_there_are_only_so_many_connections(run: Run) -> None:
    """Where all are being served, a further connection is closed at once; when one is done there is room again."""
    gate = asyncio.Event()

    async def held(_: web.Request) -> web.Response:
        await gate.wait()
        return web.Response(text="done")

    async def talk(port: int) -> None:
        served = [await connect(port, GET) for _ in range(QUICK.connections)]
        await asyncio.sleep(0.1)
        reader, writer = await connect(port)
        assert await reader.read() == b""
        writer.close()
        gate.set()
        for reader, _ in served:
            await reader.readuntil(b"done")
        reader, writer = await connect(port, GET)
        await reader.readuntil(b"done")
        for _, other in (*served, (reader, writer)):
            other.close()

    serving(run, talk, held)


@pytest.mark.parametrize(
    "request_", [b"\x16\x03\x01\x02\x00\x01", b"GET / XTTP/9\r\n\r\n", GET[:-2] + b"No colon\r\n\r\n"]
)
def test_what_is_no_http_fills_no_log(run: Run, caplog: pytest.LogCaptureFixture, request_: bytes) -> None:
    """Whatever bytes come, they are refused as the other side's fault, with at most one line and no traceback."""

    async def talk(port: int) -> None:
        for _ in range(20):
            reader, writer = await connect(port, request_)
            assert (await reader.read()).startswith(b"HTTP/1.")
            writer.close()

    serving(run, talk)
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) <= 1
    assert not any(record.exc_info for record in lines)


def test_a_fault_of_ours_is_told_with_its_traceback(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """A handler that fails answers 500 each time, and the log has the traceback once a minute."""

    async def failing(_: web.Request) -> web.Response:
        raise KeyError("a mistake")

    async def talk(port: int) -> None:
        for _ in range(5):
            reader, writer = await connect(port, GET)
            assert (await reader.readline()).split()[1] == b"500"
            writer.close()

    serving(run, talk, failing)
    [line] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.exc_info
    assert "a mistake" in str(line.exc_info[1])
