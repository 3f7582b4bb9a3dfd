"""Connections to Discord's gateway over minutes and hours, in virtual time: what never comes is missed within one."""

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

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
INTERVAL, DELAY = 41.25, 5.0
READY = {
    "session_id": "the session", "resume_gateway_url": "wss://resume.example", "guilds": [], "v": 10,
    "user": {"id": "1", "username": "bot", "discriminator": "0", "avatar": None},
    "application": {"id": "1", "flags": 0},
}  # fmt: skip

Frame = dict[str, Any]


class Socket:
    """A connection that a server of ours stands behind: what the client says goes to `answer`.

    It has what discord.py and the adapter use of aiohttp's connections. While `stuck` nothing can be sent, and while
    `rude` a goodbye is not answered.
    """

    def __init__(self, answer: Callable[[Socket, Frame], None]) -> None:
        self.answer = answer
        self.said: list[tuple[float, int]] = []
        self.stuck = self.rude = False
        self.closed = False
        self.close_code: int | None = None
        self._frames: asyncio.Queue[Frame] = asyncio.Queue()

    def say(self, op: int, data: object = None, event: str | None = None, number: int | None = None) -> None:
        self._frames.put_nowait({"op": op, "d": data, "t": event, "s": number})

    def times(self, *ops: int) -> list[float]:
        """When the client said that."""
        return [at for at, op in self.said if op in ops]

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
            if self.rude:
                await asyncio.Event().wait()
        return True


class Discord:
    """What discord.py takes for its HTTP client: each connection goes to a server that withholds what it is told to.

    Args:
        withheld: of "connection", "HELLO", "READY", "RESUMED", "ACK", and "later ACKs", which is all but a
            connection's first; without "sending" nothing of the client's gets through, and without "goodbye" its
            goodbye is not answered.
    """

    token = "t"

    def __init__(self, *withheld: str) -> None:
        self.withheld: Collection[str] = withheld
        self.sockets: list[Socket] = []
        self.asked_at: list[float] = []
        self._number = 0
        self._changed = asyncio.Event()

    async def ws_connect(self, _: str) -> Socket:
        self.asked_at.append(asyncio.get_running_loop().time())
        self._changed.set()
        if "connection" in self.withheld:
            await asyncio.Event().wait()
        socket = Socket(self._answer)
        socket.stuck, socket.rude = "sending" in self.withheld, "goodbye" in self.withheld
        self.sockets.append(socket)
        if "HELLO" not in self.withheld:
            socket.say(HELLO, {"heartbeat_interval": INTERVAL * 1000})
        return socket

    def times(self, *ops: int) -> list[float]:
        """When the client said that, over all connections."""
        return [at for socket in self.sockets for at in socket.times(*ops)]

    async def connections(self, count: int) -> None:
        """Return when so many were asked for."""
        async with asyncio.timeout(86_400):
            while len(self.asked_at) < count:
                self._changed.clear()
                await self._changed.wait()

    def _answer(self, socket: Socket, frame: Frame) -> None:
        match frame["op"]:
            case 1 if "ACK" not in self.withheld:
                if len(socket.times(HEARTBEAT)) == 1 or "later ACKs" not in self.withheld:
                    socket.say(ACK)
            case 2 if "READY" not in self.withheld:
                self._number = 1
                socket.say(DISPATCH, READY, "READY", self._number)
            case 6 if "RESUMED" not in self.withheld:
                assert (frame["d"]["session_id"], frame["d"]["seq"]) == ("the session", self._number)
                self._number += 1
                socket.say(DISPATCH, {}, "RESUMED", self._number)


@contextlib.asynccontextmanager
async def connected(discord: Discord, client: Gateway | None = None) -> AsyncIterator[Gateway]:
    """A client that stays connected to it, and ends within seconds."""
    if client is None:
        client = Gateway(aiohttp.TraceConfig(), message_content=True, identify_delay=DELAY)
        await client.__aenter__()  # as a login does
        client.http = discord  # type: ignore[assignment]
    task = asyncio.create_task(client.stay_connected())
    try:
        yield client
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
        beats = socket.times(HEARTBEAT)
        assert len(beats) == 1 + 3600 // INTERVAL
        assert {round(later - sooner, 3) for sooner, later in pairwise(beats)} == {INTERVAL}


async def test_a_heartbeat_that_discord_asks_for_is_sent_at_once() -> None:
    """However often it asks, there is one a second at most: Discord closes after 120 messages a minute."""
    discord = Discord()
    async with connected(discord):
        await asyncio.sleep(20.0)
        [socket] = discord.sockets
        socket.say(HEARTBEAT)
        await asyncio.sleep(0.1)
        assert len(socket.times(HEARTBEAT)) == 2
        for _ in range(600):
            socket.say(HEARTBEAT)
            await asyncio.sleep(0.1)
        assert 50 <= len(socket.times(HEARTBEAT)) <= 64
        assert min(later - sooner for sooner, later in pairwise(socket.times(HEARTBEAT))) >= 0.999
        assert not socket.closed


ABSENT = ["connection", "HELLO", "READY", "ACK", "later ACKs", "sending"]


@pytest.mark.parametrize("withheld", [*([absent] for absent in ABSENT), *([absent, "goodbye"] for absent in ABSENT)])
async def test_whatever_does_not_come_is_missed_within_a_minute(withheld: list[str]) -> None:
    """Another connection is made, and the old one closed so that the session could go on."""
    discord = Discord(*withheld)
    async with connected(discord):
        await discord.connections(2)
        assert discord.asked_at[1] - discord.asked_at[0] <= 60.0
        assert [socket.close_code for socket in discord.sockets[:1]] == [4000] * ("connection" not in withheld)


@pytest.mark.parametrize("op", [HEARTBEAT, DISPATCH])
async def test_talk_is_no_answer(op: int) -> None:
    """A connection that says two thousand things a second, and answers no heartbeat, is known for deaf all the same."""
    discord = Discord("later ACKs")
    async with connected(discord):
        await asyncio.sleep(50.5)
        for _ in range(4_000):
            discord.sockets[0].say(op, {"channel_id": "1"}, "TYPING_START" if op == DISPATCH else None)
            await asyncio.sleep(0.0005)
        assert len(discord.asked_at) == 2


async def test_an_answer_is_none_to_what_is_sent_later() -> None:
    """One that comes twice does not make a connection count as heard for longer."""
    discord = Discord("later ACKs")
    async with connected(discord):
        await asyncio.sleep(40.0)
        discord.sockets[0].say(ACK)
        await discord.connections(2)
        assert discord.asked_at[1] - discord.asked_at[0] <= 60.0


@pytest.mark.parametrize("withheld", ["connection", "HELLO", "RESUMED", "ACK", "sending"])
async def test_a_session_is_resumed_once_what_did_not_come_comes_again(withheld: str) -> None:
    """A connection to resume at that is deaf costs at most a minute, and no new session."""
    discord = Discord()
    async with connected(discord) as client:
        await asyncio.sleep(60.0)
        discord.withheld = {withheld}
        discord.sockets[0].say(RECONNECT)
        await discord.connections(3)
        assert discord.asked_at[2] - discord.asked_at[1] <= 60.0
        discord.withheld = ()
        await asyncio.sleep(60.0)
        assert client.connected
        assert len(discord.times(IDENTIFY)) == 1
        assert len(discord.sockets[-1].times(RESUME)) == 1


@pytest.mark.parametrize("withheld", ["connection", "HELLO"])
async def test_a_session_outlives_an_outage(withheld: str) -> None:
    """While nobody answers it is not given up: Discord decides whether it can still be resumed."""
    discord = Discord()
    async with connected(discord) as client:
        await asyncio.sleep(60.0)
        discord.withheld = {withheld}
        discord.sockets[0].say(RECONNECT)
        await discord.connections(12)
        discord.withheld = ()
        await asyncio.sleep(60.0)
        assert client.connected
        assert len(discord.times(IDENTIFY)) == 1


async def test_nothing_is_asked_for_before_hello() -> None:
    """A connection that says nothing costs none of the day's new sessions, however long it lasts."""
    discord = Discord("HELLO")
    async with connected(discord):
        await discord.connections(150)
        assert not any(socket.said for socket in discord.sockets)
        asked, discord.withheld = discord.asked_at[-1], ()
        await discord.connections(151)
        assert discord.asked_at[-1] - asked <= 60.0


async def test_new_sessions_are_five_seconds_apart() -> None:
    """However soon one is lost: Discord takes one IDENTIFY in five seconds."""
    discord = Discord()
    async with connected(discord):
        for connection in range(1, 6):
            await discord.connections(connection)
            await asyncio.sleep(0.1)
            discord.sockets[-1].say(INVALID, data=False)
        times = discord.times(IDENTIFY)
        assert len(times) == 5
        assert min(later - sooner for sooner, later in pairwise(times)) >= DELAY - 0.001


async def test_who_comes_back_begins_a_new_session() -> None:
    """Hanging up ends the session, also one that was resumed: to resume it again would be in vain."""
    discord = Discord()
    async with connected(discord) as client:
        await asyncio.sleep(60.0)
        discord.sockets[0].say(RECONNECT)
        await asyncio.sleep(60.0)
    async with connected(discord, client):
        await asyncio.sleep(60.0)
        assert client.connected
    assert [socket.close_code for socket in discord.sockets] == [4000, 1000, 1000]
    assert [(len(it.times(IDENTIFY)), len(it.times(RESUME))) for it in discord.sockets] == [(1, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize("withheld", ["", "connection", "HELLO", "READY", "ACK", "sending", "goodbye"])
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
