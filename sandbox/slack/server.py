"""The stand-in put together: one workspace behind one port, and what a test or a person at the page may do to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web

from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.service import Service
from sandbox.slack.backend import Backend
from sandbox.slack.content import Rules
from sandbox.slack.delivery import Dispatcher
from sandbox.slack.http_events import HttpPush
from sandbox.slack.interactions import Interactions
from sandbox.slack.ledger import Ledger, Told
from sandbox.slack.people import People
from sandbox.slack.rates import Rates
from sandbox.slack.scopes import APP_SCOPES, BOT_SCOPES
from sandbox.slack.socket_mode import SocketMode
from sandbox.slack.web_api import Tokens, WebApi
from sandbox.slack.world import Workspace


class SlackServer(Service):
    """Slack on loopback: `async with SlackServer(journal) as slack`, then point a client at `slack.url`.

    Events go over Socket Mode until `push_to` names an address for the HTTP push. Lengths are in `rules`, scopes
    and tokens in `tokens`, limits in `rates`, sockets in `sockets`, subscriptions and redelivery in `events`,
    misbehaviour in `faults` (calls by their method, a WebSocket by `socket.connect`), people, channels and
    messages in `workspace`; all may be changed while it runs.

    Beside the usual kinds the journal gets "unacked", "connected" and "disconnected" (events and sockets), "status",
    "streamed" (what only the recipient of a stream sees), "reaction" and "view". A message's `Shown.extra` has
    `pings` (the live mentions of all its versions), `metadata`, and `marked` once readers see "(edited)".

    Args:
        port: 0 for any free one.
        scopes: what the bot token may do.
        ack_timeout: seconds the bot has to acknowledge an event.
        retry_delays: seconds before each redelivery.
        latency: seconds every call takes.
        ping_interval: seconds between the pings of a WebSocket.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        bot_token: str = "xoxb-1000000000-2000000000-sandboxSandboxSandbox",  # noqa: S107 -- opens nothing but this
        app_token: str = "xapp-1-A0SANDBOX-3000000000-sandboxsandboxsandbox",  # noqa: S107 -- likewise
        signing_secret: str = "5a4db0c55a4db0c55a4db0c55a4db0c5",  # noqa: S107 -- likewise
        scopes: Sequence[str] = BOT_SCOPES,
        workspace: Workspace | None = None,
        rules: Rules | None = None,
        rates: Rates | None = None,
        ack_timeout: float = 3.0,
        retry_delays: Sequence[float] = (0.0, 60.0, 300.0),
        latency: float = 0.0,
        ping_interval: float = 10.0,
    ) -> None:
        self.bot_token = bot_token
        self.app_token = app_token
        self.signing_secret = signing_secret
        self.journal = journal
        self.faults = Faults()
        self.rules = rules or Rules()
        self.rates = rates or Rates()
        self.workspace = workspace or Workspace()
        self.tokens = Tokens(bot_token, app_token, tuple(scopes), APP_SCOPES)
        self.sockets = SocketMode(self.workspace.app_id, journal, self.faults, ping_interval=ping_interval)
        self.events = Dispatcher(
            self.workspace, journal, self.sockets, ack_timeout=ack_timeout, retry_delays=retry_delays
        )
        ledger = Ledger(self.workspace, journal, self.events.publish)
        self._back = Backend(self.workspace, self.rules, ledger, journal)
        self._people = People(self._back, self.events)
        self.interactions = Interactions(self._back, self.events)
        self._api = WebApi(self._back, journal, self.faults, self.rates, self.tokens, self.sockets)
        self._api.latency = latency
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None
        self._push: HttpPush | None = None

    @property
    def url(self) -> str:
        """The Web API's base address: what `SLACK_API_URL` or `AsyncWebClient(base_url=)` takes."""
        return f"http://{self._host}:{self._port}/api/"

    @property
    def latency(self) -> float:
        """Seconds every call of the Web API takes: half of them before its effect and half after."""
        return self._api.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._api.latency = seconds

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=8 << 20)
        app.router.add_route("*", "/api/{method}", self._api.handle)
        app.router.add_get("/link/", self.sockets.accept)
        app.router.add_get("/files-pri/{id}/{name}", self._download)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        self._port = self._runner.addresses[0][1]
        self.workspace.files_url = f"http://{self._host}:{self._port}"

    async def _download(self, request: web.Request) -> web.Response:
        """A file for who has the bot's token; for anybody else the login page, with status 200."""
        if request.headers.get("Authorization") != f"Bearer {self.bot_token}":
            return web.Response(text="<html>Sign in to Slack</html>", content_type="text/html")
        if (content := self.workspace.uploads.get(request.match_info["id"])) is None:
            raise web.HTTPNotFound
        return web.Response(body=content, content_type="text/plain")

    async def stop(self) -> None:
        """Stop listening, cut every connection, give up all events on their way."""
        await self.events.close()
        await self.sockets.close()
        if self._push is not None:
            await self._push.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def push_to(self, url: str, *, verify: bool = True) -> HttpPush:
        """Send events over HTTP to `url` from now on, after the `url_verification` handshake.

        Returns the push, whose `send` takes a wrong secret or an old timestamp. Raises ValueError when the
        address does not answer the challenge.
        """
        push = HttpPush(url, self.signing_secret)
        try:
            if verify:
                await push.verify()
        except BaseException:
            await push.close()
            raise
        if self._push is not None:
            await self._push.close()
        self._push = self.events.transport = push
        return push

    def direct(self, *users: str) -> str:
        """The id of the direct message of the bot with one person, or with several."""
        return self._people.direct(*users)

    async def say(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        thread: str | None = None,
        files: Iterable[Mapping[str, Any]] | None = None,
        attachments: Iterable[Mapping[str, Any]] | None = None,
        broadcast: bool = False,
        subtype: str | None = None,
        tell: Iterable[Told] = ("message", "app_mention"),
    ) -> str:
        """Post as a person and return the ts; see `People.say`."""
        return self._people.say(
            channel,
            user,
            text,
            thread=thread,
            files=files,
            attachments=attachments,
            broadcast=broadcast,
            subtype=subtype,
            tell=tell,
        )

    async def edit(self, channel: str, ts: str, text: str) -> str:
        """Change a person's message; returns the ts of the change."""
        return self._people.edit(channel, ts, text)

    async def unfurl(self, channel: str, ts: str) -> str:
        """Let Slack add a link preview: a change without changed text."""
        return self._people.unfurl(channel, ts)

    async def delete(self, channel: str, ts: str) -> None:
        """Delete any message as a person; a root with replies leaves a tombstone."""
        self._people.delete(channel, ts)

    async def stop_stream(self, channel: str, user: str, ts: str) -> str:
        """Press the stop button of a streamed message."""
        return self._people.stop_stream(channel, user, ts)

    async def send_event(self, event: Mapping[str, Any]) -> str:
        """Send any other event to the bot and return its event id."""
        return self.events.send(dict(event))

    async def redeliver(self, event_id: str) -> None:
        """Deliver an event once more under its old id."""
        self.events.redeliver(event_id)
