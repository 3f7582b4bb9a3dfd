"""What strangers send to the two doors, and how slowly: nothing of it breaks, fills or holds anything."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiohttp import web

from adapters.slack.intake import EventsEndpoint
from adapters.slack.payloads import OddPayload, read_envelope, read_event, read_frame
from bot.app.http import Bounds, serve
from bot.log_limit import EVERY, LimitedLog
from tests.fuzz import http, socket_mode

QUICK = Bounds(beginning=0.3, connections=5)


async def test_odd_requests_do_no_harm() -> None:
    """Hundreds of odd requests, signed and not: no 5xx, no traceback, and a mention is taken in right after."""
    assert await http.fuzz(600, seed=3) == []


async def test_odd_frames_do_no_harm() -> None:
    """Hundreds of odd frames over Socket Mode: no traceback, and a mention is taken in right after."""
    assert await socket_mode.fuzz(600, seed=3) == []


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "message", "text": 5},
        {"type": "message", "channel": "<!here>"},
        {"type": "message", "subtype": "message_changed", "message": "x"},
        {"type": "message", "subtype": "message_deleted", "previous_message": [1]},
        {"type": "message", "ts": "tomorrow"},
        {"type": "message", "files": {"0": {}}},
        [],
        None,
    ],
)
def test_a_value_of_another_type_makes_a_payload_odd(payload: object) -> None:
    """Whatever is of another type than Slack says is found at the door, and the error tells where, not what."""
    with pytest.raises(OddPayload, match=r"^\w+(\.\w+)*: "):
        read_event(payload)


def test_what_is_missing_or_null_is_not_odd() -> None:
    """Slack leaves fields out and sends null for others: both are the default."""
    event = read_event(
        {"type": "message", "thread_ts": None, "bot_profile": None, "files": None, "user": "U1", "new": 1}
    )
    assert event == {"type": "message", "thread_ts": "", "files": [], "user": "U1"}
    assert read_envelope({"event": None}).event is None
    assert read_frame({"type": "hello", "payload": None}).payload == {}


def deep(levels: int) -> object:
    inner: object = {}
    for _ in range(levels):
        inner = {"message": inner}
    return inner


def test_what_is_nested_without_end_is_odd() -> None:
    """Depth breaks nothing."""
    with pytest.raises(OddPayload):
        read_event(deep(5_000))


async def served(application: web.Application, talk) -> None:
    async with serve(application, "127.0.0.1", 0, QUICK) as port:
        await talk(port)


async def test_a_request_that_is_slow_to_begin_is_ended() -> None:
    """A connection whose headers do not come, at once or after a first request, is closed within the bound."""

    async def talk(port: int) -> None:
        for beginning in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(beginning)
            if beginning.endswith(b"\r\n\r\n"):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"POST /slow HT")
            async with asyncio.timeout(5):
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await reader.readexactly(10_000)
            writer.close()

    await served(web.Application(), talk)


async def test_a_drip_does_not_stretch_the_bound() -> None:
    """One byte now and then is no sign of life: the whole of the headers counts."""

    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def drip() -> None:
            for byte in b"GET / HTTP/1.1\r\nHost: " + b"x" * 10_000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        async with asyncio.timeout(5):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        dripping.cancel()
        writer.close()

    await served(web.Application(), talk)


async def test_a_body_that_is_slow_is_refused() -> None:
    """A body that does not come in time is answered 408."""
    endpoint = EventsEndpoint("secret", body_within=0.2)
    application = web.Application()
    application.router.add_post(endpoint.PATH, endpoint.handle)

    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        async with asyncio.timeout(5):
            assert (await reader.readline()).split()[1] == b"408"
        writer.close()

    await served(application, talk)


async def test_an_answer_that_takes_long_is_not_cut_short() -> None:
    """The bound is for who asks: a handler may take longer than a request may."""

    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(3 * QUICK.beginning)
        return web.Response(text="done")

    application = web.Application()
    application.router.add_get("/", slow)

    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"done")
        writer.close()

    await served(application, talk)


async def test_there_are_only_so_many_connections() -> None:
    """A connection above the bound is closed at once; when another ends there is room again."""

    async def talk(port: int) -> None:
        open_ones = [await asyncio.open_connection("127.0.0.1", port) for _ in range(QUICK.connections)]
        for _, writer in open_ones:
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for reader, _ in open_ones:
            await reader.readuntil(b"\r\n\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        open_ones[0][1].close()
        await open_ones[0][1].wait_closed()
        async with asyncio.timeout(5):
            while True:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = await reader.read()
                writer.close()
                if answer:
                    break
        for _, writer in open_ones[1:]:
            writer.close()

    await served(web.Application(), talk)


def test_one_line_a_kind_and_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Of many warnings of a kind one is written a minute, and the next says how many were held back."""
    now = 0.0
    limited = LimitedLog(logging.getLogger("adapters.slack.test"), clock=lambda: now)
    for _ in range(1_000):
        limited.warning("one", "odd")
        limited.warning("two", "odd")
    now = EVERY
    limited.warning("one", "odd")
    assert len(caplog.records) == 3
    assert caplog.records[-1].held_back == 999
    for number in range(10_000):
        limited.warning(f"kind {number}", "odd")
    assert len(caplog.records) < 300
