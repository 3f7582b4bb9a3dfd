"""The connection to Discord: the client with the events the bot needs, where it connects, and when that is hopeless."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Collection
from typing import Any

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket
from discord.http import HTTPClient, Route

from adapters.discord.actions import Actions
from adapters.discord.check import FINAL
from adapters.discord.intake import Intake
from adapters.discord.odd import tell_left_out, told
from adapters.discord.pages import leave_odd_messages_out
from adapters.discord.reconnect import Reconnect, Session
from adapters.discord.websocket import CheckedWebSocket
from bot.errors import SettingsError
from bot.log_limit import LimitedLog

log = logging.getLogger(__name__)

CONNECTED_WITHIN = 20.0
"""Seconds for a connection to stand."""


def set_api(url: str) -> None:
    """Send every REST call of this process to `url` (it ends in `/api/v10`): discord.py knows no other way."""
    Route.BASE = url.rstrip("/")


async def set_gateway(http: HTTPClient) -> None:
    """Connect every client of this process to the gateway that the API names: discord.py asks no API by itself.

    Raises discord.HTTPException, aiohttp.ClientError, OSError, KeyError or ValueError.
    """
    data = await http.request(Route("GET", "/gateway/bot"))
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(data["url"])


def read_lone_surrogates() -> None:
    """Let discord.py of this process read what only Python's own JSON reads, and what was read already.

    Where orjson is installed discord.py prefers it, and a message with half a character in it ends the connection.
    """

    def from_json(text: Any) -> Any:
        return text if isinstance(text, dict) else json.loads(text)

    vars(discord.utils)["_from_json"] = from_json  # there is no public way


def read_any_json() -> None:
    """Let discord.py of this process read JSON whose type has parameters, as many a proxy sends it (`; charset=utf-8`).

    discord.py takes such an answer for a text, and then nothing of it can be used, not even the login's.
    """

    async def json_or_text(response: aiohttp.ClientResponse) -> object:
        text = await response.text(encoding="utf-8")
        return json.loads(text) if response.content_type == "application/json" else text

    vars(discord.http)["json_or_text"] = json_or_text  # there is no public way


async def end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel the tasks, and return when all have ended.

    More than once where it must be: redis-py sends by `asyncio.wait_for`, which before Python 3.12 swallows a
    cancellation that comes in the moment in which it has sent.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=1.0)


class Gateway(discord.Client):
    """discord.py's client. Its handlers pass on at once: only so do the tasks that discord.py makes keep their order.

    Args:
        trace: sees every HTTP answer.
        message_content: whether messages in threads that do not name the bot are needed.
        identify_delay: seconds before another IDENTIFY after a lost session; Discord allows one per 5 s.
        proxy: what REST calls and the gateway are reached through; None: directly.
    """

    def __init__(
        self,
        trace: aiohttp.TraceConfig,
        *,
        message_content: bool,
        identify_delay: float,
        proxy: str | None = None,
    ) -> None:
        self._wanted = discord.Intents.none()
        self._wanted.guilds = self._wanted.guild_messages = self._wanted.dm_messages = True
        self._wanted.message_content = message_content
        read_lone_surrogates()
        read_any_json()
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # nobody misses voice here
        super().__init__(
            intents=self._wanted,
            http_trace=trace,
            proxy=proxy,
            max_messages=None,
            guild_ready_timeout=0.0,  # nobody waits for all servers; each is looked at as it comes
            member_cache_flags=discord.MemberCacheFlags.none(),
            allowed_mentions=discord.AllowedMentions.none(),
        )
        self.intake: Intake | None = None
        self.actions: Actions | None = None
        self.began = asyncio.Event()
        self._socket: CheckedWebSocket | None = None
        self._reconnect = Reconnect(lambda: asyncio.get_running_loop().time(), identify_delay)
        self._trouble = LimitedLog(log)
        leave_odd_messages_out(self.http, self._can_be_read, tell_left_out)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Count it, and wait no more: that was done before connecting, where nobody waits for an answer."""
        self._reconnect.identifies()

    async def login(self, token: str) -> None:
        """Log in. Asks for the content of all messages where the application may have it, needed or not."""
        await super().login(token)
        self._wanted.message_content |= self.content_allowed

    @property
    def content_allowed(self) -> bool:
        """Whether the application's Message Content Intent is switched on."""
        flags = self.application_flags
        return flags.gateway_message_content or flags.gateway_message_content_limited

    def _can_be_read(self, channel_id: int, message: Any) -> bool:
        """Whether discord.py can read a message that it is sent."""
        try:
            self._connection.create_message(channel=self.get_partial_messageable(channel_id), data=message)
        except Exception:  # noqa: BLE001 - what a shape that nobody foresaw does to the library, nobody foresees either
            return False
        return True

    @property
    def connected(self) -> bool:
        """Whether there is a session, and events arrive."""
        return self._socket is not None and self._socket.hears

    async def stay_connected(self) -> None:
        """Be connected until cancelled, then hang up, which ends the session.

        Raises SettingsError when Discord says that it is hopeless. In place of discord.py's own `connect`, which
        reconnects without a pause, resumes for ever where it cannot, and begins a new session after every error that it
        does not know.
        """
        try:
            while True:
                await asyncio.sleep(self._reconnect.pause())
                await self._connect_once()
        finally:
            self._reconnect.over(None, began=True)

    async def _connect_once(self) -> None:
        """Have one connection, and note how it ended. Raises SettingsError."""
        before, resume = self._reconnect.session, True
        try:
            await self._listen(before)
        except ReconnectWebSocket as asked:
            resume = asked.resume
        except discord.ConnectionClosed as error:
            if error.code in FINAL:
                raise SettingsError(FINAL[error.code]) from None
            self._trouble.warning("closed", "Discord's gateway closed the connection", code=error.code)
        except Exception as error:  # noqa: BLE001 - a connection fails in many ways
            why = str(error)[:200] or type(error).__name__
            self._trouble.warning("lost", f"the connection to Discord was lost: {why}; trying again")
        socket = self._socket
        session = socket.session if socket is not None and socket.greeted else before
        self._reconnect.over(
            session if resume else None,
            began=socket is not None and socket.established,
            greeted=socket is not None and socket.greeted,
        )

    async def _listen(self, old: Session | None) -> None:
        """Hear one connection to its end, and close it. Raises what ended it."""
        self._socket = None
        async with asyncio.timeout(CONNECTED_WITHIN):
            socket = await CheckedWebSocket.from_client(
                self,
                initial=True,
                gateway=self._reconnect.gateway,
                session=old.id if old else None,
                sequence=old.sequence if old else None,
                resume=old is not None,
            )
        self.ws = self._socket = socket
        code = 1000
        try:
            while True:
                await socket.hear()
        except Exception:
            code = 4000  # the session may be resumed
            raise
        finally:
            await socket.close(code)

    def channel_known(self, id_: int) -> object:
        """What is known of a channel, None when it may be out of date: only the gateway tells of changes."""
        return self.get_channel(id_) if self.connected else None

    # --- what discord.py calls ------------------------------------------------------------------------------

    async def on_error(self, event_method: str, /, *_: Any, **__: Any) -> None:
        """An event broke what reads it: one line, not the library's traceback for each."""
        if error := sys.exc_info()[1]:
            self._trouble.warning(event_method, "an event could not be handled", **told(error))

    async def on_connect(self) -> None:
        """READY: a new session."""
        self.began.set()
        if self.intake:
            self.intake.session_began()

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """A server was sent after READY, or is back."""
        if self.intake:
            self.intake.guild_available(guild)

    on_guild_join = on_guild_available

    async def on_ready(self) -> None:
        """The time for servers to come right after READY is over; of some that came discord.py has not told."""
        if self.intake:
            self.intake.guilds_ready()

    async def on_message(self, message: discord.Message) -> None:
        """A message was written."""
        if self.intake:
            self.intake.message(message)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Somebody pressed a button, or sent a form."""
        if self.actions:
            self.actions.take(interaction)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """A message changed."""
        if self.intake:
            self.intake.edited(payload.message)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """A message was deleted."""
        if self.intake:
            self.intake.deleted(payload.channel_id, payload.guild_id, {payload.message_id})

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Messages were deleted together."""
        if self.intake:
            self.intake.deleted(payload.channel_id, payload.guild_id, payload.message_ids)
