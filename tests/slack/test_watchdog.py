"""Slack connections that go wrong without a word, with the bot's own times, in virtual time over real sockets."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import pytest
from aiohttp import web

from adapters.slack.closed import ClosedChannels
from adapters.slack.fields import Identity
from adapters.slack.intake import Intake
from adapters.slack.sockets import Sockets
from sandbox.journal import Journal
from tests.slack.memory_inbox import MemoryInbox
from tests.slack.serving import serving

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

Fate = Literal["silence", "greeting, then silence", "end", "end after a second", "refusal", "life"]

HELLO = b'{"type":"hello"}'
HELLO_OF_TEN = b'{"type":"hello","num_connections":10}'


class Wire:
    """Takes WebSockets by hand and lets them meet their fate; `tickets` is when one was asked for (s)."""

    def __init__(self) -> None:
        self.fate: Fate = "life"
        self.hello = HELLO
        self.tickets: list[float] = []
        self.used: list[bytes] = []
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()

    def hang_up(self) -> None:
        """End the connections that stand, whatever becomes of later ones."""
        for writer in self._open:
            writer.close()

    async def give(self, request: web.Request) -> web.Response:
        self.tickets.append(asyncio.get_running_loop().time())
        url = f"ws://127.0.0.1:{self.port}/link/{len(self.tickets)}"
        return web.json_response({"ok": True, "url": url})

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            self.used.append(head.split()[1])
            key = next(value for name, value in lines.items() if name.lower() == b"sec-websocket-key")
            if self.fate == "refusal":
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            proof = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
            writer.write(b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n")
            if self.fate in ("greeting, then silence", "end after a second", "life"):
                writer.write(bytes([0x81, len(self.hello)]) + self.hello)
            if self.fate == "end after a second":
                await asyncio.sleep(1.0)
                return
            while self.fate != "end" and (frame := await reader.read(1024)):
                if self.fate == "life" and frame[0] == 0x89:
                    writer.write(b"\x8a\x00")
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()


@asynccontextmanager
async def connected(wire: Wire) -> AsyncIterator[Sockets]:
    async def handle(_request: object) -> bool:
        return True

    server = await asyncio.start_server(wire.take, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    async with serving(wire.give) as api:
        sockets = Sockets(api, "xapp-1", handle)
        try:
            await sockets.start()
            yield sockets
        finally:
            await sockets.stop()
            server.close()


async def test_living_connections_are_left_alone():
    """Two connections that answer stay for an hour."""
    wire = Wire()
    async with connected(wire) as sockets:
        await asyncio.sleep(3600)
        assert sockets.connected
    assert len(wire.tickets) == 2


@pytest.mark.parametrize("fate", ["silence", "greeting, then silence"])
async def test_a_connection_on_which_nothing_comes_back_is_replaced(fate: Fate):
    """A peer that took the connection and then died without a word is given up in about fifteen seconds."""
    wire = Wire()
    wire.fate = fate
    async with connected(wire):
        await asyncio.sleep(30)
        wire.fate = "life"
        await asyncio.sleep(20)
        replaced = len(wire.tickets)
        await asyncio.sleep(600)
        assert len(wire.tickets) == replaced, "what lives again is left alone"
    assert replaced >= 6
    later = sorted(wire.tickets)[2:4]
    assert all(12 <= at - wire.tickets[0] <= 20 for at in later)


@pytest.mark.parametrize("fate", ["end", "end after a second", "refusal"])
async def test_connections_that_end_at_once_are_tried_ever_more_seldom(fate: Fate):
    """Where every connection fails, each try has a new ticket, there are a few a minute, and one that works is kept."""
    wire = Wire()
    async with connected(wire) as sockets:
        wire.fate = fate
        wire.hang_up()
        await asyncio.sleep(600)
        assert len(wire.used) == len(set(wire.used)), "a ticket is good for one connection"
        assert 40 <= len(wire.tickets) <= 90
        wire.fate = "life"
        await asyncio.sleep(31)
        assert sockets.connected


async def test_connections_that_stand_and_tell_nothing_are_replaced_within_a_minute():
    """Where Slack told of what we write before, a connection that answers pings and tells nothing is replaced."""
    wire = Wire()
    async with connected(wire) as sockets:
        sockets.heard_ourselves()
        for _ in range(40):
            sockets.wrote()
            await asyncio.sleep(1.0)
        assert len(wire.tickets) == 4
        assert all(30 <= at - wire.tickets[0] <= 60 for at in wire.tickets[2:])
        assert sockets.connected


@pytest.mark.parametrize("deaf", [False, True])
async def test_that_events_may_be_missing_is_told(deaf: bool):
    """When no connection stands, or one was deaf, that is told first, and then that events can come in again."""
    wire, told = Wire(), list[object]()
    async with connected(wire) as sockets:
        sockets.on_away = lambda: told.append("away")
        sockets.on_back = told.append
        if deaf:
            sockets.heard_ourselves()
            for _ in range(6):
                sockets.wrote()
        else:
            wire.hang_up()
        await asyncio.sleep(60)
    assert told[0] == "away"
    assert told[-1] is deaf
    assert set(told) == {"away", deaf}


async def test_it_is_found_though_nothing_more_is_written():
    """A burst of edits is enough: half a minute later the connections are replaced, and those after left alone."""
    wire = Wire()
    async with connected(wire) as sockets:
        sockets.heard_ourselves()
        for _ in range(6):
            sockets.wrote()
        await asyncio.sleep(3600)
    assert len(wire.tickets) == 4


async def test_where_an_app_has_many_connections_more_must_be_missing():
    """One of ten brings a tenth of what Slack tells: after a few edits in silence it need not be deaf."""
    wire = Wire()
    wire.hello = HELLO_OF_TEN
    async with connected(wire) as sockets:
        sockets.heard_ourselves()
        for _ in range(29):
            sockets.wrote()
        await asyncio.sleep(600)
        assert len(wire.tickets) == 2
        sockets.wrote()
        await asyncio.sleep(600)
        assert len(wire.tickets) == 4


async def test_what_slack_never_told_is_not_missed():
    """An app that is not told of its own messages, or writes now and then, keeps its connections."""
    wire = Wire()
    async with connected(wire) as sockets:
        for _ in range(300):
            sockets.wrote()
            await asyncio.sleep(1.0)
        sockets.heard_ourselves()
        for _ in range(5):
            sockets.wrote()
        await asyncio.sleep(600)
    assert len(wire.tickets) == 2


@pytest.mark.parametrize(
    ("event", "ours"),
    [
        ({"type": "message", "user": "UBOT", "bot_id": "BBOT"}, True),
        ({"type": "message", "subtype": "message_changed", "message": {"user": "UBOT"}}, True),
        ({"type": "message", "user": "U1"}, False),
        ({"type": "message", "subtype": "message_changed", "message": {"user": "U1"}}, False),
    ],
)
async def test_slack_telling_of_our_own_messages_is_noticed(event: dict[str, object], ours: bool):
    """A message of the bot's own, or an edit of one, shows that Slack tells of these; nobody else's does."""
    heard: list[bool] = []
    intake = Intake(Identity("T1", "UBOT", "BBOT"), MemoryInbox(Journal()), "all", ClosedChannels())
    intake.on_echo = lambda: heard.append(True)
    body = {"type": "event_callback", "team_id": "T1", "event": {"channel": "C1", "ts": "1.000001", **event}}
    await intake.receive(body)
    assert bool(heard) is ours
