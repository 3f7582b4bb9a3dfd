"""Socket Mode: tickets, connections, envelopes and their acknowledgements, and all the ways a socket can go bad."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.slack.call import Refusal
from sandbox.slack.delivery import Outcome

MOST_CONNECTIONS = 10
_HOST = "applink-sandbox-1"


@dataclass(eq=False, slots=True)
class Connection:
    """One open WebSocket.

    `transport` is what must be cut to drop it; a silent one answers and sends nothing; a deaf one answers pings, and
    what it should bring is lost.
    """

    number: int
    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    silent: bool = False
    deaf: bool = False
    retiring: bool = False
    pinger: asyncio.Task[None] | None = None


@dataclass(slots=True)
class SocketMode:
    """The WebSocket side of one app.

    Args:
        refusing: the error code `apps.connections.open` answers with, such as `internal_error`; empty when all is well.
        ticket_seconds: how long a URL handed out by `apps.connections.open` may be used, once.
        ping_interval: seconds between the server's pings.
        approximate_seconds: what `hello` says about how long a connection lives.
    """

    app_id: str
    journal: Journal
    faults: Faults
    ticket_seconds: float = 30.0
    ping_interval: float = 10.0
    approximate_seconds: int = 18_000
    refusing: str = ""
    name: str = "socket"
    connections: list[Connection] = field(default_factory=list)
    _tickets: dict[str, float] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _turn: itertools.count[int] = field(default_factory=itertools.count)
    _waiting: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def ticket(self, base: str) -> str:
        """A WebSocket URL under `base` (`ws://host:port`) that can be used once; refuses while `refusing` says why."""
        if self.refusing:
            raise Refusal(self.refusing)
        ticket = secrets.token_hex(16)
        self._tickets[ticket] = time.monotonic() + self.ticket_seconds
        return f"{base}/link/?ticket={ticket}&app_id={self.app_id}"

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends; a ticket that is unknown, used or too old is answered 404."""
        fault = self.faults.take("socket.connect", dict(request.query))
        if fault is not None:
            self.journal.add("slack", "fault", method="socket.connect", fault=fault.kind)
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "status":
                return web.Response(status=fault.status)
            elif request.transport is not None:
                request.transport.abort()
                return web.Response(status=500)
        if self._tickets.pop(request.query.get("ticket", ""), 0.0) < time.monotonic():
            self.journal.add("slack", "refused", method="socket.connect", code="ticket")
            return web.Response(status=404, text="this ticket was used or is unknown")
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        connection = Connection(next(self._numbers), socket, request.transport)
        if len(self.open) >= MOST_CONNECTIONS:
            await self._send(connection, self._goodbye("too_many_websockets"))
            await socket.close()
            return socket
        self.connections.append(connection)
        self.journal.add("slack", "connected", connection=connection.number, open=len(self.open))
        try:
            await self._hello(connection)
            connection.pinger = self._spawn(self._ping(connection))
            await self._receive(connection)
        finally:
            self.connections.remove(connection)
            if connection.pinger is not None:
                connection.pinger.cancel()
            self.journal.add("slack", "disconnected", connection=connection.number, code=socket.close_code)
        return socket

    async def _hello(self, connection: Connection) -> None:
        debug = {"host": _HOST, "build_number": 1, "approximate_connection_time": self.approximate_seconds}
        info = {"app_id": self.app_id}
        hello = {"type": "hello", "num_connections": len(self.open), "debug_info": debug, "connection_info": info}
        await self._send(connection, hello)
        self._arrived.set()

    async def _ping(self, connection: Connection) -> None:
        while not connection.socket.closed:
            await asyncio.sleep(self.ping_interval)
            if not connection.silent:
                with contextlib.suppress(ConnectionError):
                    await connection.socket.ping(f"Ping from {_HOST}".encode())

    async def _receive(self, connection: Connection) -> None:
        async for frame in connection.socket:
            if connection.silent:
                continue
            if frame.type is WSMsgType.PING:
                with contextlib.suppress(ConnectionError):
                    await connection.socket.pong(frame.data)
            elif frame.type is WSMsgType.TEXT:
                self._acknowledge(frame.data)

    def _acknowledge(self, text: str) -> None:
        with contextlib.suppress(ValueError):
            answer = json.loads(text)
            waiting = self._waiting.get(answer.get("envelope_id", "")) if isinstance(answer, dict) else None
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    @property
    def open(self) -> list[Connection]:
        """The connections an event may go to, oldest first."""
        return [c for c in self.connections if not c.retiring and not c.socket.closed]

    async def deliver(self, body: dict[str, Any], attempt: int, reason: str, patience: float) -> Outcome:
        """Send an event to one of the open connections, each in turn, and wait `patience` seconds for the answer."""
        envelope = {"payload": body, "type": "events_api", "accepts_response_payload": False}
        return await self._deliver({**envelope, "retry_attempt": attempt, "retry_reason": reason}, patience)

    async def interact(self, body: dict[str, Any], patience: float) -> Outcome:
        """Send what somebody pressed, once, and wait `patience` seconds for the answer."""
        envelope = {"payload": body, "type": "interactive", "accepts_response_payload": False}
        return await self._deliver(envelope, patience)

    async def _deliver(self, envelope: dict[str, Any], patience: float) -> Outcome:
        deadline = asyncio.timeout(patience)
        identity = str(uuid.uuid4())
        envelope = {"envelope_id": identity, **envelope}
        self._waiting[identity] = asyncio.get_running_loop().create_future()
        try:
            async with deadline:
                while not (connections := self.open):
                    self._arrived.clear()
                    await self._arrived.wait()
                connection = connections[next(self._turn) % len(connections)]
                if not connection.deaf:
                    await self._send(connection, envelope)
                await self._waiting[identity]
        except TimeoutError:
            return Outcome(acked=False, reason="timeout")
        finally:
            del self._waiting[identity]
        return Outcome(acked=True)

    async def _send(self, connection: Connection, message: dict[str, Any]) -> None:
        if connection.silent:
            return
        with contextlib.suppress(ConnectionError):
            await connection.socket.send_str(json.dumps(message))

    @staticmethod
    def _goodbye(reason: str) -> dict[str, Any]:
        return {"type": "disconnect", "reason": reason, "debug_info": {"host": _HOST}}

    def _chosen(self, number: int | None) -> list[Connection]:
        return [c for c in self.connections if number is None or c.number == number]

    async def warn(self, number: int | None = None) -> None:
        """Tell one connection (all, without a number) that it will be closed soon."""
        for connection in self._chosen(number):
            await self._send(connection, self._goodbye("warning"))

    async def refresh(self, number: int | None = None, *, grace: float = 1.0) -> None:
        """Ask one connection (or all) to come back anew; it gets no more events and is closed after `grace` s."""
        for connection in self._chosen(number):
            connection.retiring = True
            await self._send(connection, self._goodbye("refresh_requested"))
            self._spawn(self._close(connection, grace))

    async def _close(self, connection: Connection, grace: float) -> None:
        await asyncio.sleep(grace)
        await connection.socket.close()

    def drop(self, number: int | None = None) -> None:
        """Cut the TCP connection of one connection (or all) without a closing frame."""
        for connection in self._chosen(number):
            connection.retiring = True
            if connection.transport is not None:
                connection.transport.abort()

    def silence(self, number: int | None = None) -> None:
        """Make one connection (or all) dead but open: nothing is sent, no ping answered, no acknowledgement heard."""
        for connection in self._chosen(number):
            connection.silent = True

    def deafen(self, number: int | None = None) -> None:
        """Bring no more events over one connection (or all that stand now), which lives on otherwise."""
        for connection in self._chosen(number):
            connection.deaf = True

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Cut every connection and end every task."""
        self.drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
