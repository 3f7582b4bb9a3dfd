"""`/livez` and `/readyz`: whether the process lives, and whether it can do its work now."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web


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
