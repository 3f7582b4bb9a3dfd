"""The way of a delta through the bot, beside a reader written by hand: CPU per delta of both, on the same streams."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import ssl
import time
from collections.abc import Callable, Coroutine
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import uvloop

from adapters.slack.rendering import MARKDOWN
from benchmarks.feeder import RATE
from benchmarks.machine import resident
from bot.app.app import claude
from bot.app.settings import Settings, read
from bot.conversation import MessageRef, Place
from bot.pacing.pacer import Pacer
from bot.ports import Content, RateLimit, Receipt, Request, Said, Write
from bot.text import Dialect
from bot.turn.attempt import AttemptEnd, attempt
from bot.turn.lease import Orders
from bot.turn.reply import Reply
from bot.turn.writer import Writer

SETTLING = 1.0
"""Seconds at either end of the compared streams that are not measured."""


def settings_of(environment: dict[str, str], data_dir: str, deltas: int, streams: int) -> Settings:
    """The settings of a bot whose answers hold that many deltas."""
    given: dict[str, Any] = {name.lower(): value for name, value in environment.items()}
    return read(
        _env_file=None, http_port=0, data_dir=data_dir, claude_max_tokens=deltas, max_concurrent_turns=streams + 8,
        **given,
    )  # fmt: skip


class Nowhere:
    """A platform that takes every write at once: what is left is the bot's own work."""

    installation = "slack:T1"

    def dialect(self, place: Place) -> Dialect:
        """Slack's."""
        return MARKDOWN

    def rate_limits(self, write: Write, place: Place) -> tuple[RateLimit, ...]:
        """Slack's, for a workspace of each stream's own."""
        return (RateLimit(f"{place.channel}:{write.value}", 50, 60.0, 10),)

    async def open(self, place: Place, title: str) -> Place:
        """Nothing to open."""
        return place

    async def post(self, place: Place, content: Content, nonce: str) -> Receipt:
        """Taken."""
        return Receipt(MessageRef(place.channel, nonce))

    async def edit(self, place: Place, ref: MessageRef, content: Content) -> Receipt:
        """Taken."""
        return Receipt(ref)

    async def delete(self, place: Place, ref: MessageRef) -> None:
        """Taken."""

    async def find(self, place: Place, nonce: str, since: float) -> MessageRef | None:
        """Nothing is found."""
        return None


async def _held() -> None:
    return None


class Meter:
    """CPU per delta while all streams run: without the beginning, which shakes hands, and without the end."""

    def __init__(self) -> None:
        self.deltas = 0

    async def read(self, settings: Settings) -> float:
        """Return us of CPU a delta, of this whole process."""
        await asyncio.sleep(SETTLING)
        cpu, deltas = time.process_time(), self.deltas
        await asyncio.sleep(settings.claude_max_tokens / RATE - 2 * SETTLING)
        return 1e6 * (time.process_time() - cpu) / (self.deltas - deltas)


class Metered:
    """A reply that counts what is written to it."""

    def __init__(self, reply: Reply, meter: Meter) -> None:
        self._reply = reply
        self._meter = meter

    @property
    def overflow(self) -> asyncio.Event:
        """The reply's."""
        return self._reply.overflow

    def write(self, text: str) -> None:
        """Count, and write."""
        self._meter.deltas += 1
        self._reply.write(text)


async def ours(settings: Settings, streams: int, meter: Meter) -> None:
    """Read so many answers as a turn does, into replies that are laid out and paced."""
    model = claude(settings)
    pacer = Pacer()

    async def one(number: int) -> None:
        writer = Writer(Nowhere(), pacer, fence=_held, since=0.0)
        reply = Reply(
            writer, Place(f"C{number}"), "n", 1, max_parts=20, on_posted=lambda _: None, on_exposed=lambda: None
        )
        editor = reply.begin()
        request = Request(messages=(Said("user", "Tell me"),), system=settings.system_prompt)
        end = await attempt(model, request, Metered(reply, meter), Orders(), editor)
        if end.how is not AttemptEnd.FINISHED:
            raise RuntimeError(f"the stream ended as {end}")
        await reply.finish()

    await asyncio.gather(*(one(number) for number in range(streams)))
    await model.close()


async def by_hand(settings: Settings, streams: int, meter: Meter, loads: Callable[[bytes], Any]) -> None:
    """Read so many answers as simply as can be."""
    key = settings.anthropic_api_key
    headers = {"x-api-key": key.get_secret_value() if key else "", "anthropic-version": "2023-06-01"}
    body = {
        "model": "m",
        "max_tokens": settings.claude_max_tokens,
        "stream": True,
        "messages": [{"role": "user", "content": "Tell me"}],
    }

    async def one(session: aiohttp.ClientSession) -> None:
        texts: list[str] = []
        rest = b""
        async with session.post(f"{settings.anthropic_base_url}/v1/messages", json=body, headers=headers) as response:
            async for chunk in response.content.iter_any():
                *events, rest = (rest + chunk).split(b"\n\n")
                for event in events:
                    data = loads(event[event.index(b"data: ") + 6 :])
                    if data["type"] == "content_block_delta":
                        meter.deltas += 1
                        texts.append(data["delta"]["text"])
        if len(texts) != settings.claude_max_tokens:
            raise RuntimeError(f"{len(texts)} deltas were read")

    connector = aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context())
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(one(session) for _ in range(streams)))


LIGHT, HEAVY = 50, 200
"""Streams between which the memory of one is taken."""
HELD = 12.0
"""Seconds into the streams at which it is taken."""


def _hold(link: Connection, environment: dict[str, str], reader: str, streams: int) -> None:
    async def hold() -> None:
        settings, meter = settings_of(environment, ".", round(4 * HELD * RATE), streams), Meter()
        gc.collect()
        before = resident()
        reading = ours(settings, streams, meter) if reader == "ours" else by_hand(settings, streams, meter, json.loads)
        task = asyncio.create_task(reading)
        await asyncio.sleep(HELD)
        gc.collect()
        link.send(resident() - before)
        task.cancel()
        os._exit(0)

    uvloop.run(hold())


def held(environment: dict[str, str], reader: str) -> float:
    """KB that a stream takes in its reader: the slope between few and many, each in a fresh process."""
    taken = {}
    for streams in (LIGHT, HEAVY):
        here, there = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=_hold, args=(there, environment, reader, streams))
        process.start()
        try:
            if not here.poll(90.0):
                raise TimeoutError(f"no figures for {streams} streams")
            taken[streams] = here.recv()
        finally:
            process.kill()
            process.join()
    return float(taken[HEAVY] - taken[LIGHT]) / (HEAVY - LIGHT)


def compare(environment: dict[str, str], streams: int, deltas: int, rounds: int) -> dict[str, list[float]]:
    """CPU per delta (us) of ours and of the readers by hand, in turns, so that all meet the same machine."""
    readers: dict[str, Callable[[Settings, Meter], Coroutine[Any, Any, None]]] = {
        "ours": lambda settings, meter: ours(settings, streams, meter),
        "by hand, json": lambda settings, meter: by_hand(settings, streams, meter, json.loads),
    }
    try:
        orjson = import_module("orjson")
        readers["by hand, orjson"] = lambda settings, meter: by_hand(settings, streams, meter, orjson.loads)
    except ImportError:
        pass
    settings = settings_of(environment, ".", deltas, streams)
    results: dict[str, list[float]] = {name: [] for name in readers}

    async def all_rounds() -> None:
        for _ in range(rounds):
            for name, reader in readers.items():
                meter = Meter()
                _, used = await asyncio.gather(reader(settings, meter), meter.read(settings))
                results[name].append(used)

    uvloop.run(all_rounds())
    return results
