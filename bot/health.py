"""`/livez` and `/readyz`: whether the process lives, and whether it can do its work now."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

Check = Callable[[], str]
"""Returns what is wrong, empty when all is well. Looks at state that is kept anyway; asks nobody."""


class Health:
    """What the process says of itself over HTTP."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self.stopping = False

    def routes(self) -> list[web.RouteDef]:
        """The routes for the process's one HTTP server."""
        return [web.get("/livez", self._livez), web.get("/readyz", self._readyz)]

    def problems(self) -> dict[str, str]:
        """What is wrong now, by name; empty when the process is ready."""
        found = {name: problem for name, check in self._checks.items() if (problem := check())}
        return {"process": "shutting down", **found} if self.stopping else found

    async def _livez(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _readyz(self, _: web.Request) -> web.Response:
        problems = self.problems()
        return web.json_response(
            {"status": "not ready" if problems else "ready", "problems": problems}, status=503 if problems else 200
        )
