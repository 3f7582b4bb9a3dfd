"""A gateway between discord.py and the stand-in's, which changes what Discord says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp import WSMsgType, web

from sandbox.discord import DiscordServer
from sandbox.discord.compression import Encoder, encoder

Frame = dict[str, Any]
Sent = Frame | str | bytes | int
T = TypeVar("T")


class Meddler:
    """Stands before the stand-in's gateway while it is entered.

    `change` makes of each of Discord's frames those that are sent in its place: a dict is sent as JSON, text and bytes
    as they are, and a number closes the connection with that code. `said` holds what clients said, `connected_at` the
    monotonic time of each connection, `closed_with` the codes that clients closed with.
    """

    def __init__(self, server: DiscordServer, *, compressed: bool = False) -> None:
        self._server = server
        self._behind = server.gateway_url
        self._compressed = compressed
        self.address = ""
        self._clients: dict[web.WebSocketResponse, Encoder] = {}
        self._changed = asyncio.Event()
        self.change: Callable[[Frame], Iterable[Sent]] = lambda frame: [frame]
        self.said: list[Frame] = []
        self.connected_at: list[float] = []
        self.closed_with: list[int] = []
        application = web.Application()
        application.router.add_get("/gateway", self._accept)
        # Not aiohttp's TestServer: it cancels who serves a client that hangs up, before its code is passed on.
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"ws://{host}:{port}/gateway"
        self._server.move_gateway(lambda _: self.address)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close(1001)
        await self._runner.cleanup()
        self._server.move_gateway(lambda _: self._behind)

    async def until(self, condition: Callable[[], T]) -> T:
        """Wait until `condition()` is truthy and return it; looked at whenever a client connects, speaks or closes."""
        async with asyncio.timeout(5):
            while not (result := condition()):
                self._changed.clear()
                await self._changed.wait()
            return result

    def count(self, op: int) -> int:
        """How often clients said that."""
        return sum(frame.get("op") == op for frame in self.said)

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    async def send(self, frame: Sent) -> None:
        """Send a frame to whoever is connected."""
        for client, encode in tuple(self._clients.items()):
            await self._pass(client, encode, frame)

    async def close(self, code: int) -> None:
        """Close the connections."""
        await self.send(code)

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        client = web.WebSocketResponse(timeout=1.0, compress=False)
        await client.prepare(request)
        encode = self._clients[client] = encoder(request.query.get("compress") if self._compressed else None)
        self._note(self.connected_at, time.monotonic())
        async with aiohttp.ClientSession() as session, session.ws_connect(self._behind, autoclose=False) as behind:
            down = asyncio.create_task(self._down(behind, client, encode))
            goodbye = 4000
            try:
                while (message := await client.receive()).type is WSMsgType.TEXT:
                    self._note(self.said, json.loads(message.data))
                    await behind.send_str(message.data)
                if message.type is WSMsgType.CLOSE:
                    goodbye = message.data
                    self._note(self.closed_with, goodbye)
            finally:
                down.cancel()  # first: a close while another task reads may go out with 1000, which ends the session
                await asyncio.gather(down, return_exceptions=True)
                await behind.close(code=goodbye)
                del self._clients[client]
                self._changed.set()
        return client

    def _note(self, where: list[T], what: T) -> None:
        where.append(what)
        self._changed.set()

    async def _down(self, behind: aiohttp.ClientWebSocketResponse, client: web.WebSocketResponse, to: Encoder) -> None:
        async for message in behind:
            if message.type is WSMsgType.TEXT:
                for frame in self.change(json.loads(message.data)):
                    await self._pass(client, to, frame)
        await client.close(code=behind.close_code or 4000)

    async def _pass(self, client: web.WebSocketResponse, to: Encoder, frame: Sent) -> None:
        if isinstance(frame, int):
            await client.close(code=frame)
            return
        if isinstance(frame, dict):
            frame = json.dumps(frame)
        piece = to.encode(frame) if isinstance(frame, str) else frame
        await (client.send_bytes(piece) if isinstance(piece, bytes) else client.send_str(piece))
