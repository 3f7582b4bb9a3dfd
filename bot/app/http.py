"""The process's one HTTP server, which no stranger can hold: connections are few, and requests have to come in time.

A request's headers must be there within seconds of its first byte; a connection that is late is closed. The library
knows no such bound, nor one on connections. How long a body may be, and may take, is for its reader to say.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from bot.errors import SettingsError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

IDLE = 30.0
"""Seconds a connection may stay open between two requests."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the server puts up with.

    Args:
        beginning: seconds from a connection's beginning, or a further request's first byte, to the end of its headers.
        connections: how many may be open at once; a further one is closed as soon as it is there.
    """

    beginning: float = 10.0
    connections: int = 500


class _Door:
    """Hands out connections, counts them, and knows which of them are being served."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.server: web.Server | None = None
        self.open: dict[asyncio.BaseTransport, _Connection] = {}

    def connection(self) -> _Connection:
        """Return the protocol of one more connection."""
        assert self.server is not None, "the runner was set up"  # noqa: S101 - a mistake of ours
        return _Connection(self, self.server())

    @web.middleware
    async def serving(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Leave a connection alone while its request is handled: from here on its handler says how long that takes."""
        connection = self.open.get(request.transport) if request.transport is not None else None
        if connection is None:
            return await handler(request)
        connection.served(begins=True)
        try:
            return await handler(request)
        finally:
            connection.served(begins=False)


class _Connection(asyncio.Protocol):
    """One connection: passes everything on to aiohttp's, and ends it when the beginning of a request is late."""

    def __init__(self, door: _Door, inner: web.RequestHandler) -> None:
        self._door = door
        self._inner = inner
        self._transport: asyncio.BaseTransport | None = None
        self._late: asyncio.TimerHandle | None = None
        self._serving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._door.open) >= self._door.bounds.connections:
            transport.close()
            return
        self._transport = transport
        self._door.open[transport] = self
        self._inner.connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        self._wait()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        if self._transport is not None:
            self._inner.eof_received()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self._transport is not None:
            del self._door.open[self._transport]
            self._transport = None
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def served(self, *, begins: bool) -> None:
        """A request is whole up to its body, or was answered."""
        self._serving = begins
        self._stop_waiting()

    def _wait(self) -> None:
        if self._late is None and not self._serving:
            self._late = asyncio.get_running_loop().call_later(self._door.bounds.beginning, self._end)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self) -> None:
        if isinstance(self._transport, asyncio.Transport):
            self._transport.abort()


class PortTaken(SettingsError):
    """Another process listens where this one should."""


@asynccontextmanager
async def serve(application: web.Application, host: str, port: int, bounds: Bounds = Bounds()) -> AsyncIterator[int]:
    """Serve `application` there; yields the port, which is a free one for 0. Raises SettingsError."""
    # Nobody who writes to us compresses. What claims to be compressed is not unpacked, but refused by who reads it.
    runner = web.AppRunner(
        application, access_log=None, handle_signals=False, auto_decompress=False, keepalive_timeout=IDLE
    )
    door = _Door(bounds)
    application.middlewares.append(door.serving)
    await runner.setup()
    door.server = runner.server
    try:
        server = await _listening(door, host, port)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
    finally:
        await runner.cleanup()


async def _listening(door: _Door, host: str, port: int) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(door.connection, host, port)
    except OSError as error:
        raise _cannot_listen(host, port, error) from None


def _cannot_listen(host: str, port: int, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(f"HTTP_PORT: {host}:{port} is in use; choose a free port, or 0 for any.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return SettingsError(
            f"HTTP_PORT: this user may not listen on port {port}; choose one above 1023, or 0 for any."
        )
    reason = os.strerror(error.errno) if error.errno is not None and error.errno > 0 else error.strerror
    return SettingsError(f"HTTP_HOST: cannot listen on {host} ({reason}); 0.0.0.0 means every address of this machine.")
