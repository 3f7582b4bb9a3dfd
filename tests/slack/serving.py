"""A Web API that answers whatever a test wants, for what no Slack and no faithful stand-in of it would say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from adapters.slack.calls import Api

TOKEN = "xoxb-very-secret-token"

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(respond: Respond) -> AsyncIterator[Api]:
    app = web.Application()
    app.router.add_route("*", "/api/{method}", respond)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api = Api(TOKEN, f"http://127.0.0.1:{runner.addresses[0][1]}/api/")
    try:
        yield api
    finally:
        await api.close()
        await runner.cleanup()
