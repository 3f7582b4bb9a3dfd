"""What never comes over a connection to Discord's gateway, in virtual time: it is found within a minute."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Collection
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMessage, WSMsgType

from adapters.discord.gateway import Gateway

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]

HEARTBEAT, IDENTIFY, RESUME, RECONNECT, HELLO, ACK = 1, 2, 6, 7, 10, 11
INTERVAL = 41.25
READY = {
    "session_id": "the session", "resume_gateway_url": "wss://resume.example", "guilds": [], "v": 10,
    "user": {"id": "1", "username": "bot", "discriminator": "0", "avatar": None},
    "application": {"id": "1", "flags": 0},
}  # fmt: skip

Frame = dict[str, Any]


class Socket:
    """A connection that a server of ours stands behind: what the client says goes to `answer`.

    It has what discord.py and the adapter use of aiohttp's connections. While `stuck` nothing can be sent.
    """

    def __init__(self, url: str, answer: Callable[[Socket, Frame], None]) -> None:
        self.url = url
        self.answer = answer
        self.said: list[tuple[float, int]] = []
        self.stuck = False
        self.closed = False
        self.close_code: int | None = None
        self.closed_at = 0.0
        self._frames: asyncio.Queue[Frame] = asyncio.Queue()

    def say(self, op: int, data: object = None, event: str | None = None, number: int | None = None) -> None:
        self._frames.put_nowait({"op": op, "d": data, "t": event, "s": number})

    def ops(self) -> list[int]:
        """What the client said, heartbeats left out."""
        return [op for _, op in self.said if op != HEARTBEAT]

    async def receive(self, timeout: float | None = None) -> WSMessage:
        if self.closed:
            return WSMessage(WSMsgType.CLOSED, None, None)
        async with asyncio.timeout(timeout):
            return WSMessage(WSMsgType.TEXT, json.dumps(await self._frames.get()), None)

    async def send_str(self, data: str) -> None:
        if self.stuck:
            await asyncio.Event().wait()
        frame = json.loads(data)
        self.said.append((asyncio.get_running_loop().time(), frame["op"]))
        self.answer(self, frame)

    async def close(self, *, code: int = 4000) -> bool:
        if not self.closed:
            self.closed, self.close_code = True, code
            self.closed_at = asyncio.get_running_loop().time()
        return True


class Discord:
    """What discord.py takes for its HTTP client: each connection goes to a server that withholds what it is told to.

    Args:
        withheld: of "connection", "HELLO", "READY", "RESUMED", "ACK", and "later ACKs", which is all but a
            connection's first; "sending" lets nothing through from the client.
    """

    token = "t"

    def __init__(self, *withheld: str) -> None:
        self.withheld: Collection[str] = withheld
        self.sockets: list[Socket] = []
        self.asked_at: list[float] = []
        self._number = 0
        self._changed = asyncio.Event()

    async def ws_connect(self, url: str) -> Socket:
        self.asked_at.append(asyncio.get_running_loop().time())
        self._changed.set()
        if "connection" in self.withheld:
            await asyncio.Event().wait()
        socket = Socket(url, self._answer)
        socket.stuck = "sending" in self.withheld
        self.sockets.append(socket)
        if "HELLO" not in self.withheld:
            socket.say(HELLO, {"heartbeat_interval": INTERVAL * 1000})
        return socket

    async def connections(self, count: int) -> None:
        """Return when so many were asked for."""
        async with asyncio.timeout(86_400):
            while len(self.asked_at) < count:
                self._changed.clear()
                await self._changed.wait()

    def _answer(self, socket: Socket, frame: Frame) -> None:
        match frame["op"]:
            case 1 if "ACK" not in self.withheld:
                beats = sum(op == HEARTBEAT for _, op in socket.said)
                if beats == 1 or "later ACKs" not in self.withheld:
                    socket.say(ACK)
            case 2 if "READY" not in self.withheld:
                self._number = 1
                socket.say(0, READY, "READY", self._number)
            case 6 if "RESUMED" not in self.withheld:
                assert (frame["d"]["session_id"], frame["d"]["seq"]) == ("the session", self._number)
                self._number += 1
                socket.say(0, {}, "RESUMED", self._number)


@contextlib.asynccontextmanager
async def connected(discord: Discord) -> AsyncIterator[None]:
    """A client that stays connected to it, and ends within seconds."""
    client = Gateway(aiohttp.TraceConfig(), message_content=True, identify_delay=5.0)
    await client._async_setup_hook()
    client.http = discord  # type: ignore[assignment]
    task = asyncio.create_task(client.stay_connected())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=5.0)
        assert task.done()


async def test_a_connection_that_answers_stays() -> None:
    """An hour with every heartbeat answered is one connection, with one heartbeat an interval."""
    discord = Discord()
    async with connected(discord):
        await asyncio.sleep(3600)
        [socket] = discord.sockets
        beats = [at for at, op in socket.said if op == HEARTBEAT]
        assert len(beats) == 1 + 3600 // INTERVAL
        assert {round(later - sooner, 3) for sooner, later in pairwise(beats)} == {INTERVAL}


@pytest.mark.parametrize("withheld", ["connection", "HELLO", "READY", "ACK", "later ACKs", "sending"])
async def test_whatever_does_not_come_is_missed_within_a_minute(withheld: str) -> None:
    """Another connection is made, and the old one closed so that the session could go on."""
    discord = Discord(withheld)
    async with connected(discord):
        await discord.connections(2)
        assert discord.asked_at[1] - discord.asked_at[0] <= 60.0
        assert [socket.close_code for socket in discord.sockets[:1]] == [4000] * (withheld != "connection")


@pytest.mark.parametrize("withheld", ["connection", "HELLO", "RESUMED", "ACK", "sending"])
async def test_a_session_is_resumed_once_what_did_not_come_comes_again(withheld: str) -> None:
    """A connection to resume at that is deaf costs at most a minute, and no new session."""
    discord = Discord()
    async with connected(discord):
        await asyncio.sleep(60)
        discord.withheld = {withheld}
        discord.sockets[0].say(RECONNECT)
        await discord.connections(3)
        assert discord.asked_at[2] - discord.asked_at[1] <= 60.0
        discord.withheld = ()
        await asyncio.sleep(60.0)
        assert sum(socket.ops().count(IDENTIFY) for socket in discord.sockets) == 1
        assert discord.sockets[-1].ops() == [RESUME]
        assert not discord.sockets[-1].closed


async def test_nothing_is_asked_for_before_hello() -> None:
    """A connection that says nothing costs none of the day's new sessions, however long it lasts."""
    discord = Discord("HELLO")
    async with connected(discord):
        await discord.connections(150)
        assert not any(socket.said for socket in discord.sockets)
        asked, discord.withheld = discord.asked_at[-1], ()
        await discord.connections(151)
        assert discord.asked_at[-1] - asked <= 60.0


@pytest.mark.parametrize("withheld", ["", "connection", "HELLO", "READY", "ACK", "sending"])
@pytest.mark.parametrize("after", [0.0, 5.0, 15.0, 100.0])
async def test_whenever_it_is_cancelled_nothing_stays_behind(withheld: str, after: float) -> None:
    """Every connection that was made is closed, the last one for good, and no heartbeat goes on."""
    others = asyncio.all_tasks()
    discord = Discord(withheld)
    async with connected(discord):
        await asyncio.sleep(after)
    await asyncio.sleep(0)
    assert all(socket.closed for socket in discord.sockets)
    assert asyncio.all_tasks() == others
