"""The other side of `capacity`, in a process of its own: the sandbox's platforms, and a Claude that costs little.

The sandbox's Claude composes and checks; this one only sends events that were encoded beforehand, over TLS, one delta
at a time and as many as the request's `max_tokens`. So it keeps pace with a bot that has a whole core for itself.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import uvloop

from benchmarks.cases import prose
from bot.store.embedded import EmbeddedServer
from sandbox.app import Sandbox

RATE = 30.0
"""Deltas a second of one stream."""
_KEY = "sk-ant-feeder-0123456789"
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nrequest-id: req_feeder\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def _event(kind: str, **data: Any) -> bytes:
    body = json.dumps({"type": kind, **data}, separators=(",", ":"))
    event = f"event: {kind}\ndata: {body}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(event), event)


_USAGE = {"input_tokens": 20, "output_tokens": 1}
_BEGIN = _event(
    "message_start",
    message={"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": _USAGE},
) + _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
_END = (
    _event("content_block_stop", index=0)
    + _event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=_USAGE)
    + _event("message_stop")
    + b"0\r\n\r\n"
)
_DELTAS = [
    _event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
    for piece in prose(4000, 1000, seed=1)
]


class Feeder(asyncio.Protocol):
    """One connection: answers every POST with a stream at `RATE`."""

    def __init__(self) -> None:
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of its own classes

    def connection_lost(self, error: Exception | None) -> None:
        """Stop feeding."""
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer once a request is whole."""
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = next(
            (
                int(line.partition(b":")[2])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            ),
            0,
        )
        if len(body) < length:
            return
        self._buffer = body[length:]
        wanted = int(json.loads(body[:length])["max_tokens"])
        self._transport.write(_HEAD + _BEGIN)
        self._due = asyncio.get_running_loop().time()
        self._feed(islice(cycle(_DELTAS), wanted))

    def _feed(self, deltas: Iterator[bytes]) -> None:
        delta = next(deltas, None)
        if delta is None:
            self._transport.write(_END)
            return
        self._transport.write(delta)
        self._due += 1.0 / RATE
        self._timer = asyncio.get_running_loop().call_at(self._due, self._feed, deltas)


def certificate(directory: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 with the `openssl` command; returns the files of certificate and key."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    extra = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *extra], check=True, capture_output=True)  # noqa: S603 - our own words
    return cert, key


async def _serve(link: Connection, cert: Path, key: Path, data_dir: Path) -> None:
    loop = asyncio.get_running_loop()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(cert, key)
    server = await loop.create_server(Feeder, "127.0.0.1", 0, ssl=tls, backlog=2048)
    async with server, EmbeddedServer(data_dir) as redis, Sandbox(claude=False, page=False) as box:
        box.slack.rates.enforced = False
        box.discord.limits.enforced = False
        address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        claude = {"ANTHROPIC_API_KEY": _KEY, "ANTHROPIC_BASE_URL": address}
        link.send({**box.environment(), **claude, "REDIS_URL": redis.url})
        orders: asyncio.Queue[int | None] = asyncio.Queue()

        def ordered() -> None:
            try:
                orders.put_nowait(link.recv())
            except EOFError:  # who measures is gone
                loop.remove_reader(link.fileno())
                orders.put_nowait(None)

        loop.add_reader(link.fileno(), ordered)
        while (questions := await orders.get()) is not None:
            await _ask(box, questions)
            box.journal.entries.clear()
        loop.remove_reader(link.fileno())


async def _ask(box: Sandbox, questions: int) -> None:
    """Ask that many, every second one on Slack (a channel each) and on Discord (a thread each), over two seconds."""
    slack, discord = box.slack, box.discord
    bot, ada = slack.workspace.bot.id, slack.workspace.user("ada").id
    for number in range(questions):
        if number % 2:
            channel = slack.workspace.add_channel(f"room-{number}", members=[bot, ada]).id
            await slack.say(channel, ada, f"<@{bot}> Tell me about #{number}")
        else:
            place, person = discord.channel("general"), discord.user("ada")
            await discord.say(place, person, f"<@{discord.bot_id}> Tell me about #{number}")
        await asyncio.sleep(2.0 / questions)


def _run(link: Connection, cert: Path, key: Path) -> None:
    with tempfile.TemporaryDirectory() as data_dir:
        uvloop.run(_serve(link, cert, key, Path(data_dir)))


@contextmanager
def feeding(cert: Path, key: Path) -> Iterator[tuple[dict[str, str], Connection]]:
    """Run the other side: its environment, and a link on which a number lets people ask so many questions."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(there, cert, key), daemon=True)
    process.start()
    try:
        yield here.recv(), here
    finally:
        here.send(None)
        process.join(10.0)
        process.kill()
        process.join()
