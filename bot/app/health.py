"""The process's one HTTP server, and `/livez` and `/readyz`: whether it lives, and whether it can do its work now."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from bot.errors import SettingsError


class Health:
    """What the process says of itself over HTTP.

    Args:
        look: returns what is wrong by what it is wrong with, an empty text for what is well. Reads state that is kept
            anyway, and asks nobody.
    """

    def __init__(self, look: Callable[[], Mapping[str, str]]) -> None:
        self._look = look
        self.stopping = False

    def routes(self) -> list[web.RouteDef]:
        """The routes for the process's one HTTP server."""
        return [web.get("/livez", self._livez), web.get("/readyz", self._readyz)]

    def problems(self) -> dict[str, str]:
        """What is wrong now, by name; empty when the process is ready."""
        found = {name: problem for name, problem in self._look().items() if problem}
        return {"process": "shutting down", **found} if self.stopping else found

    async def _livez(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _readyz(self, _: web.Request) -> web.Response:
        problems = self.problems()
        return web.json_response(
            {"status": "not ready" if problems else "ready", "problems": problems}, status=503 if problems else 200
        )


class PortTaken(SettingsError):
    """Another process listens where this one should."""


@asynccontextmanager
async def serve(application: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve `application` there; yields the port, which is a free one for 0. Raises SettingsError."""
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise _cannot_listen(host, port, error) from None
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _cannot_listen(host: str, port: int, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(f"HTTP_PORT: {host}:{port} is in use; choose a free port, or 0 for any.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return SettingsError(
            f"HTTP_PORT: this user may not listen on port {port}; choose one above 1023, or 0 for any."
        )
    reason = os.strerror(error.errno) if error.errno is not None and error.errno > 0 else error.strerror
    return SettingsError(f"HTTP_HOST: cannot listen on {host} ({reason}); 0.0.0.0 means every address of this machine.")
