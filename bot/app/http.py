"""The process's one HTTP server, which no stranger can hold: connections are few, and requests have to come in time.

A request's headers must be there within seconds of its first byte, and what is answered must be taken; a connection
that is late is closed. The library knows no such bounds, nor one on connections. How long a body may be, and may take,
is for its reader to say.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web
from aiohttp.http import HttpProcessingError

from bot.errors import SettingsError
from bot.log_limit import LimitedLog

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

IDLE = 30.0
"""Seconds a connection may stay open between two requests."""

LINGERING = 1.0
"""Seconds for which the rest of a body is still taken that was refused unread, so that the refusal is heard."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the server puts up with.

    Args:
        beginning: seconds from a connection's beginning, or a further request's first byte, to the end of its headers.
        answering: seconds for which nobody need take what is answered.
        connections: how many may be open at once. For a further one, the connection that asks for nothing and has done
            so longest makes room; where all are being served, the further one is closed.
    """

    beginning: float = 10.0
    answering: float = 10.0
    connections: int = 500


class _Door:
    """Hands out connections, counts them, and knows which of them are being served."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.server: web.Server | None = None
        self.open: dict[asyncio.BaseTransport, _Connection] = {}
        self._idle: dict[_Connection, None] = {}  # the longest first

    def connection(self) -> _Connection:
        """Return the protocol of one more connection."""
        assert self.server is not None, "the runner was set up"  # noqa: S101 - a mistake of ours
        return _Connection(self, self.server())

    def admits(self) -> bool:
        """Whether there is room for one more connection, once the one that is idle longest made some."""
        if len(self.open) >= self.bounds.connections and self._idle:
            next(iter(self._idle)).end()
        return len(self.open) < self.bounds.connections

    def idle(self, connection: _Connection, *, is_so: bool) -> None:
        """Note whether a connection asks for something now."""
        self._idle.pop(connection, None)
        if is_so:
            self._idle[connection] = None

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


class _Timer:
    """Calls `then` some seconds after it was started, unless it was stopped before."""

    def __init__(self, seconds: float, then: Callable[[], None]) -> None:
        self._seconds = seconds
        self._then = then
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(self._seconds, self._then)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class _Connection(asyncio.Protocol):
    """One connection: passes everything on to aiohttp's, and ends it when the other side is late."""

    def __init__(self, door: _Door, inner: web.RequestHandler) -> None:
        self._door = door
        self._inner = inner
        self._made = False
        self._transport: asyncio.Transport | None = None
        self._late = _Timer(door.bounds.beginning, self.end)
        self._untaken = _Timer(door.bounds.answering, self.end)
        self._serving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._door.admits():
            transport.close()
            return
        self._made = True
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._door.open[transport] = self
        self._door.idle(self, is_so=True)
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
        self._leave()
        if self._made:
            self._inner.connection_lost(exc)

    # Called where the other side takes less than it is answered; see `asyncio.BaseProtocol`.

    def pause_writing(self) -> None:
        if self._transport is not None:
            self._untaken.start()
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._untaken.stop()
        self._inner.resume_writing()

    def served(self, *, begins: bool) -> None:
        """A request is whole up to its body, or was answered."""
        self._serving = begins
        self._late.stop()
        if self._transport is not None:
            self._door.idle(self, is_so=not begins)

    def end(self) -> None:
        """End the connection at once; there is room for another."""
        if (transport := self._transport) is not None:
            self._leave()
            transport.abort()

    def _wait(self) -> None:
        if not self._serving:
            self._late.start()

    def _leave(self) -> None:
        """Count no more. What still arrives, and is answered, goes nowhere."""
        self._late.stop()
        self._untaken.stop()
        self._door.idle(self, is_so=False)
        if self._transport is not None:
            del self._door.open[self._transport]
            self._transport = None


class _ServerLog(logging.LoggerAdapter[logging.Logger]):
    """What the library says of requests that failed, a traceback each: in so few lines that nobody fills the log."""

    def __init__(self) -> None:
        super().__init__(log, {})
        self._limited = LimitedLog(log)

    def exception(self, msg: object, *args: object, exc_info: Any = True, **_: Any) -> None:
        """Log one line a kind and minute; a traceback only where the fault is ours."""
        kind = type(exc_info).__name__
        if isinstance(exc_info, HttpProcessingError):
            self._limited.warning(kind, "a request that is no HTTP was refused")
        else:
            self._limited.warning(kind, "a request could not be served", exc_info=exc_info)


class PortTaken(SettingsError):
    """Another process listens where this one should."""


@asynccontextmanager
async def serve(application: web.Application, host: str, port: int, bounds: Bounds = Bounds()) -> AsyncIterator[int]:
    """Serve `application` there; yields the port, which is a free one for 0. Raises SettingsError."""
    # Nobody who writes to us compresses. What claims to be compressed is not unpacked, but refused by who reads it.
    runner = web.AppRunner(
        application,
        access_log=None,
        handle_signals=False,
        auto_decompress=False,
        keepalive_timeout=IDLE,
        lingering_time=LINGERING,
        logger=_ServerLog(),
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
