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
from discord.gateway import DiscordWebSocket, ReconnectWebSocket, WebSocketClosure
from discord.http import HTTPClient, Route

from adapters.discord.intake import Intake
from adapters.discord.payloads import SESSIONS, OddFrame, checked
from bot.backoff import growing
from bot.errors import SettingsError
from bot.log_limit import LimitedLog

log = logging.getLogger(__name__)

INTENT_CURE = (
    "discord.com/developers/applications, your application, Bot, Privileged Gateway Intents, switch on "
    "'Message Content Intent'; or set FOLLOW_UPS=mention, which does without it"
)

FINAL: dict[int, str] = {
    4004: "DISCORD_BOT_TOKEN is not accepted by Discord: copy the token from the Bot page of your application",
    4010: "Discord refused the connection: invalid shard (4010)",
    4011: "this bot is in too many servers for one connection (4011): Discord asks for sharding from 2,500",
    4012: "Discord refused the connection: its gateway no longer speaks this version (4012); update discord.py",
    4013: "Discord refused the connection: invalid intents (4013)",
    4014: f"DISCORD_BOT_TOKEN belongs to an application whose Message Content Intent is switched off: {INTENT_CURE}",
}
"""Close codes after which connecting again is useless (Developer Docs, "Gateway Close Event Codes")."""

RECONNECT_FIRST, RECONNECT_LONGEST = 0.2, 60.0
"""Seconds between connections that fail before they begin, beside discord.py's own; doubled each time."""


def set_api(url: str) -> None:
    """Send every REST call of this process to `url` (it ends in `/api/v10`): discord.py knows no other way."""
    Route.BASE = url.rstrip("/")


async def set_gateway(http: HTTPClient) -> None:
    """Connect every client of this process to the gateway that the API names: discord.py asks no API by itself.

    Raises discord.HTTPException, aiohttp.ClientError, OSError, KeyError or ValueError.
    """
    data = await http.request(Route("GET", "/gateway/bot"))
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(data["url"])


class CheckedWebSocket(DiscordWebSocket):
    """discord.py's connection, to which no odd frame gets through, and which no odd event ends."""

    odd = LimitedLog(log)

    async def received_message(self, msg: Any, /) -> None:
        """Check a frame and hand it on. Raises what ends the connection, as discord.py does."""
        text = self._decompressor.decompress(msg) if isinstance(msg, bytes) else msg
        if text is None:
            return  # the rest is still to come
        event = None
        try:
            frame = checked(_loads(text), self.sequence)
            event = frame.get("t")
            await super().received_message(frame)
        except (discord.ConnectionClosed, ReconnectWebSocket, WebSocketClosure, OSError):
            raise
        except OddFrame as error:
            self.odd.warning(
                str(error).partition(":")[0], "Discord sent an odd frame, it is left out", error=str(error)
            )
        except Exception as error:
            # Whatever one event does to the library that reads it, the connection lives on: others are waiting.
            if event in SESSIONS or event is None:
                raise
            self.odd.warning(event, "an event could not be read, it is left out", event=event, error=repr(error)[:200])


def _loads(text: Any) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise OddFrame("a frame that is no JSON") from None


def check_frames() -> None:
    """Let every connection of this process be a `CheckedWebSocket`: discord.py makes its own, and asks nobody."""
    vars(discord.client)["DiscordWebSocket"] = CheckedWebSocket  # there is no public way


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

    More than once where it must be: discord.py connects by `asyncio.wait_for`, which before Python 3.12 swallows a
    cancellation that comes in the moment in which the connection stands.
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
    """

    def __init__(self, trace: aiohttp.TraceConfig, *, message_content: bool, identify_delay: float) -> None:
        self._wanted = discord.Intents.none()
        self._wanted.guilds = self._wanted.guild_messages = self._wanted.dm_messages = True
        self._wanted.message_content = message_content
        check_frames()
        read_lone_surrogates()
        read_any_json()
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # nobody misses voice here
        super().__init__(
            intents=self._wanted,
            http_trace=trace,
            max_messages=None,
            guild_ready_timeout=0.0,  # nobody waits for all servers; each is looked at as it comes
            member_cache_flags=discord.MemberCacheFlags.none(),
            allowed_mentions=discord.AllowedMentions.none(),
        )
        self.intake: Intake | None = None
        self.connected = False
        self.began = asyncio.Event()
        self._identify_delay = identify_delay

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait between two IDENTIFYs."""
        if not initial:
            await asyncio.sleep(self._identify_delay)

    async def login(self, token: str) -> None:
        """Log in. Asks for the content of all messages where the application may have it, needed or not."""
        await super().login(token)
        self._wanted.message_content |= self.content_allowed

    @property
    def content_allowed(self) -> bool:
        """Whether the application's Message Content Intent is switched on."""
        flags = self.application_flags
        return flags.gateway_message_content or flags.gateway_message_content_limited

    async def stay_connected(self) -> None:
        """Be connected until cancelled. Raises SettingsError when Discord says that it is hopeless."""
        pauses = growing(RECONNECT_FIRST, RECONNECT_LONGEST)
        while True:
            try:
                await self.connect()
            except discord.PrivilegedIntentsRequired:
                raise SettingsError(FINAL[4014]) from None
            except discord.ConnectionClosed as error:
                if error.code in FINAL:
                    raise SettingsError(FINAL[error.code]) from None
                log.warning("Discord's gateway closed the connection", extra={"code": error.code})
            except Exception as error:  # noqa: BLE001 - discord.py fails in many ways when its first try finds no gateway
                log.warning("Discord's gateway cannot be reached, trying again", extra={"error": repr(error)})
            self.connected = False
            await asyncio.sleep(next(pauses))

    async def hang_up(self) -> None:
        """Close the gateway connection and hand on nothing more; calls go on. After `stay_connected` was cancelled."""
        self.connected, self.intake = False, None
        ws: DiscordWebSocket | None = self.ws
        if ws is not None and ws.open:
            await ws.close(code=1000)

    def channel_known(self, id_: int) -> object:
        """What is known of a channel, None when it may be out of date: only the gateway tells of changes."""
        return self.get_channel(id_) if self.connected else None

    @property
    def _open(self) -> bool:
        """Whether the connection that an event was heard on still stands: events are told of a little later."""
        ws: DiscordWebSocket | None = self.ws
        return ws is not None and ws.open

    # --- what discord.py calls ------------------------------------------------------------------------------

    async def on_error(self, event_method: str, /, *_: Any, **__: Any) -> None:
        """An event broke what reads it: one line, not the library's traceback for each."""
        error = sys.exc_info()[1]
        CheckedWebSocket.odd.warning(event_method, "an event could not be handled", error=repr(error)[:200])

    async def on_connect(self) -> None:
        """READY: a new session."""
        self.connected = self._open
        self.began.set()
        if self.intake:
            self.intake.session_began()

    async def on_resumed(self) -> None:
        """The old session goes on and what was missed was sent again."""
        self.connected = self._open

    async def on_disconnect(self) -> None:
        """The connection was lost; discord.py connects again."""
        self.connected = False

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
