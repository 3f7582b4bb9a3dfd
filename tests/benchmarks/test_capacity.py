"""The arithmetic of the capacity benchmark, and its readers on a stream of a moment."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import cast

import pytest

from benchmarks.capacity import Load, markdown, memory_per_stream, rendering
from benchmarks.delta import Meter, by_hand, ours, settings_of
from benchmarks.feeder import Feeder
from bot.text import Dialect

LOAD = Load(
    streams=50,
    deltas_per_s=1500.0,
    wanted_per_s=1500.0,
    loop_lag_p50_ms=1.0,
    loop_lag_p99_ms=49.0,
    cpu_share=0.2,
    cpu_us_per_delta=100.0,
    edits_per_s=20.0,
    rss_idle_kb=100_000,
    rss_live_kb=110_000,
    machine_load=1.0,
)


def test_a_load_is_carried_when_neither_the_loop_nor_the_deltas_are_late() -> None:
    """Either being late means that the process carries no more."""
    assert LOAD.sustained
    assert not replace(LOAD, loop_lag_p99_ms=50.0).sustained
    assert not replace(LOAD, deltas_per_s=1400.0).sustained


def test_memory_is_the_slope() -> None:
    """What is paid once, however many streams there are, is not a stream's."""
    heavy = replace(LOAD, streams=150, rss_idle_kb=101_000, rss_live_kb=121_000)
    assert memory_per_stream([LOAD, heavy]) == pytest.approx((20_000 - 10_000) / 100)
    assert memory_per_stream([LOAD]) == pytest.approx(200.0)


def test_rendering_shows_as_often_as_it_says() -> None:
    """The text is laid out once for so many deltas, and once at the end."""
    shown = 0

    def count(text: str) -> str:
        nonlocal shown
        shown += 1
        return text

    assert rendering(Dialect("test", 10_000, len, count), "word " * 100, deltas=100, every=10) >= 0.0
    assert shown == 11


def test_markdown_is_as_long_as_asked() -> None:
    """The texts that are laid out have exactly the length that the table says."""
    assert len(markdown(5000)) == 5000


@pytest.mark.parametrize("reader", ["ours", "by hand"])
async def test_readers_read_every_delta(reader: str) -> None:
    """Both readers read the feeder's stream to its end and count what it holds."""
    server = await asyncio.get_running_loop().create_server(Feeder, "127.0.0.1", 0)
    async with server, asyncio.timeout(20):
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        environment = {"ANTHROPIC_API_KEY": "sk-ant-feeder-0123456789", "ANTHROPIC_BASE_URL": address}
        settings = settings_of(environment, ".", deltas=6, streams=2)
        meter = Meter()
        if reader == "ours":
            await ours(settings, 2, meter)
        else:
            await by_hand(settings, 2, meter, json.loads)
    assert meter.deltas == 12


async def test_the_feeder_waits_for_a_whole_request() -> None:
    """A request that comes in pieces is answered once, when it is whole."""

    class Wire:
        def __init__(self) -> None:
            self.written: list[bytes] = []

        def write(self, data: bytes) -> None:
            self.written.append(data)

    wire = Wire()
    feeder = Feeder()
    feeder.connection_made(cast("asyncio.Transport", wire))
    body = b'{"max_tokens": 1}'
    request = b"POST /v1/messages HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    feeder.data_received(request[:30])
    feeder.data_received(request[30:-2])
    assert wire.written == []
    feeder.data_received(request[-2:])
    assert wire.written[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(wire.written) == 2
    feeder.connection_lost(None)
