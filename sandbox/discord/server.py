"""The Discord stand-in: one bot, one guild, REST and gateway on one loopback port. Only wires the parts together."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Callable, Collection

from aiohttp import web

from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.limits import Counting
from sandbox.service import Service

from .actions import Actions
from .channels import Channels
from .gateway import HEARTBEAT_SECONDS, Gateway, Op
from .guilds import Guilds
from .interactions import Interactions, buttons_of
from .messages import Messages
from .people import People
from .ratelimits import RateLimits
from .rest import LARGEST_REQUEST, PREFIX, Rest, cut
from .sessions import Sessions
from .world import Clock, World

PEOPLE = (("ada", "Ada", None), ("ben", "Ben", "Benny"), ("chi", "Chi", None))
"""Who is in the guild from the start: username, display name, nickname in the guild."""

CHANNELS = ("general", "random")
"""The guild's text channels from the start."""


class DiscordServer(People, Service):
    """A Discord of one's own, for any client library that can be pointed at it.

    Args:
        journal: where everything is noted. Messages are kept under their channel's id; those of a thread, which is a
            channel of its own, have it as `thread`, too. `Shown.extra` holds `pings` (whom every version so far would
            have pinged: `everyone`, `here`, `role:ID`, `user:ID`, `reply:ID`), `embeds_suppressed`, `nonce`,
            `reply_to` and `attachments`.
        host: the address to listen on.
        port: the port; 0 for a free one.
        counting: how rate limits are counted; see `sandbox.limits`.
        enforce_limits: False lifts all rate limits.
        privileged_intents: those that are switched on for the application (`message_content`, `guild_members`,
            `guild_presences`); a client that asks for another is closed with 4014.
        heartbeat: seconds between heartbeats that clients are asked for.
        shards: what `GET /gateway/bot` advises.
        guild_name: the guild's name.
        bot_name: the bot's username.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        counting: Counting = "anchored",
        enforce_limits: bool = True,
        privileged_intents: Collection[str] = ("message_content",),
        heartbeat: float = HEARTBEAT_SECONDS,
        shards: int = 1,
        guild_name: str = "Sandbox",
        bot_name: str = "assistant",
    ) -> None:
        self.journal = journal
        self.faults = Faults()
        self.limits = RateLimits(counting=counting, enforced=enforce_limits)
        self._clock = Clock()
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self.world = World(self._clock, guild_name=guild_name, bot_name=bot_name)
        self.bot_token = self._new_token()
        for username, name, nick in PEOPLE:
            self.world.add_user(username, name, nick)
        for channel in CHANNELS:
            self.world.add_channel(channel)
        self._gateway = Gateway(
            self.world, journal, token=self._token, privileged=set(privileged_intents), heartbeat=heartbeat
        )
        self.actions = Actions(self.world, journal, self._gateway, files_url="")
        sees_content = "message_content" in privileged_intents
        self._messages = Messages(self.world, self.actions, self.limits, sees_content=sees_content)
        self._channels = Channels(self.world, self.actions, self.limits)
        self._guilds = Guilds(self.world, self._gateway)
        self._guilds.shards = shards
        self.interactions = Interactions(self.world, self.actions, journal)
        self._rest = Rest(journal, self._clock, self.faults, self.limits, self._token)

    # --- addresses and names ----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The REST base, which ends in `/api/v10`."""
        return f"{self._base}{PREFIX}"

    @property
    def gateway_url(self) -> str:
        """The gateway's WebSocket address."""
        return self._gateway.url

    @property
    def sessions(self) -> Sessions:
        """The gateway's sessions, for frames that no Discord would send."""
        return self._gateway.sessions

    @property
    def _base(self) -> str:
        return f"http://{self._host}:{self._port}"

    @property
    def guild_id(self) -> str:
        """The guild's id."""
        return self.world.guild_id

    @property
    def application_id(self) -> str:
        """The application's id."""
        return self.world.application_id

    @property
    def connections(self) -> int:
        """How many clients are connected to the gateway."""
        return len(self._gateway.connections)

    def move_gateway(self, move: Callable[[str], str]) -> None:
        """Tell clients another address of the gateway: what `move` makes of its own."""
        self._gateway.url = move(self._gateway.url)

    @property
    def bot_id(self) -> str:
        """The bot's user id."""
        return self.world.bot_id

    # --- life -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=LARGEST_REQUEST)
        app.router.add_get("/gateway", self._accept)
        app.router.add_get("/attachments/{channel}/{id}/{name}", self._download)
        parts = (self._messages, self._channels, self._guilds, self.interactions)
        app.router.add_routes(self._rest.routes(call for part in parts for call in part.calls()))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = int(self._runner.addresses[0][1])
        self._gateway.url = f"ws://{self._host}:{self._port}/gateway"
        self.actions.files_url = self._base

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        for site in tuple(self._runner.sites if self._runner else ()):
            await site.stop()  # first: a client that came back at once would be let in and never answered
        await self._gateway.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.take("GATEWAY connect")
        if fault is not None:
            self.journal.add("discord", "fault", call="GATEWAY connect", fault=fault.kind)
            if fault.kind == "status":
                return web.Response(status=fault.status)
            if fault.kind != "delay":
                return cut(request, hard=fault.kind == "reset")
            await asyncio.sleep(fault.seconds)
        return await self._gateway.accept(request)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        upload = self.world.uploads.get(request.match_info["id"])
        if upload is None:
            raise web.HTTPNotFound
        return web.Response(body=upload.content, headers={"Content-Type": upload.content_type})

    # --- interactions -----------------------------------------------------------------------------------

    async def press(self, channel: str, message: str, user: str, custom_id: str) -> str:
        """Press a button of one of the bot's messages; returns the interaction's id."""
        return self.interactions.press(self.world.channels[channel].messages[message], user, custom_id)

    def buttons(self, channel: str, message: str) -> dict[str, str]:
        """The buttons of a message: custom ids by labels, in order."""
        return buttons_of(self.world.channels[channel].messages[message])

    async def submit(self, user: str, words: str) -> str:
        """Send the form that is shown to a person; raises KeyError when none is."""
        return self.interactions.submit(user, words)

    async def run_command(self, channel: str, user: str, name: str, **options: str) -> str:
        """Run a slash command the bot has registered; returns the interaction's id."""
        return self.interactions.command(channel, user, self._guilds.command(name), options)

    # --- trouble ----------------------------------------------------------------------------------------

    async def drop_sockets(self, code: int | None = None) -> None:
        """Close every gateway connection with `code`; None breaks them without a word. Sessions can be resumed."""
        await self._gateway.drop(code)

    async def invalidate_sessions(self, *, resumable: bool = False) -> None:
        """Declare every session invalid (op 9). Unless `resumable` they end, and what they missed is lost."""
        for session in self._gateway.sessions:
            if not resumable:
                self._gateway.sessions.end(session)
        for connection in tuple(self._gateway.connections):
            connection.say(Op.INVALID_SESSION, data=resumable)

    async def request_reconnect(self) -> None:
        """Ask every client to reconnect and resume (op 7)."""
        for connection in tuple(self._gateway.connections):
            connection.say(Op.RECONNECT)

    async def silence_heartbeats(self) -> None:
        """Turn today's connections into dead ones: they stay open and say nothing more, not even to heartbeats."""
        for connection in self._gateway.connections:
            connection.silent = True

    def revoke_token(self) -> str:
        """Give the bot a new token and return it: the old one is refused from now on. Sessions go on."""
        self.bot_token = self._new_token()
        return self.bot_token

    def advance(self, seconds: float) -> None:
        """Put the clock forward: messages age, windows end, nonces are forgotten. Or back, and ids with it."""
        self.world.advance(seconds)

    @property
    def latency(self) -> float:
        """Seconds every REST call takes, half of it before its effect and half after."""
        return self._rest.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._rest.latency = seconds

    @property
    def active_thread_limit(self) -> int:
        """Threads that may be active at once; opening one more is 160006."""
        return self._channels.active_threads

    @active_thread_limit.setter
    def active_thread_limit(self, threads: int) -> None:
        self._channels.active_threads = threads

    @property
    def invalid_requests(self) -> int:
        """Answers with 401, 403 or 429 so far: 10,000 within 10 minutes lead to a ban on the real Discord."""
        return self._rest.invalid

    def _token(self) -> str:
        return self.bot_token

    def _new_token(self) -> str:
        owner = base64.urlsafe_b64encode(self.world.bot_id.encode()).decode().rstrip("=")
        return f"{owner}.{secrets.token_urlsafe(4)}.{secrets.token_urlsafe(28)}"
