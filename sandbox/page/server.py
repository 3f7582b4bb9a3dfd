"""The page's web server: its files, the calls of `Api` and the stream of changes, on loopback only."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from aiohttp import web

from sandbox.claude import ClaudeServer
from sandbox.journal import Journal
from sandbox.page.api import Api
from sandbox.page.changes import Changes
from sandbox.page.guard import CONTENT_POLICY, guard, is_loopback
from sandbox.page.stages import Stage
from sandbox.service import Service

FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/scroll.js": ("scroll.js", "text/javascript"),
}
"""The page's files and their types, by path."""


class PageServer(Service):
    """A page on which a person plays the channels of the stages given.

    Besides the page at `/` and the calls of `Api`, `GET /api/changes` streams server-sent events: each is a message
    as `GET /api/{platform}/messages` shows it (`kind: "message"`) or a `kind: "status"`; the event's id is the
    entry's number in the journal.

    Args:
        claude: where faults for "claude" go; None without one.
        host: an address of this machine's loopback; the page lets anyone act as anyone. Raises ValueError for others.
        port: 0 for any free one.
    """

    def __init__(
        self,
        journal: Journal,
        stages: Sequence[Stage],
        claude: ClaudeServer | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if not is_loopback(host):
            raise ValueError(f"the page lets anyone act as anyone: it listens on loopback only, not on {host}")
        self._api = Api(journal, stages, claude)
        self._changes = Changes(journal, self._api.change)
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        return f"http://{self._host}:{self._port}/"

    async def start(self) -> None:
        """Listen."""
        app = web.Application(middlewares=[guard], client_max_size=8 << 20)
        for path in FILES:
            app.router.add_get(path, self._file)
        app.router.add_get("/api/changes", self._changes.stream)
        app.router.add_routes(self._api.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End the streams and stop listening."""
        self._changes.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _file(self, request: web.Request) -> web.Response:
        name, kind = FILES[request.path]
        headers = {
            "Content-Security-Policy": CONTENT_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        text = resources.files("sandbox.page").joinpath(name).read_text("utf-8")
        return web.Response(text=text, content_type=kind, headers=headers)
