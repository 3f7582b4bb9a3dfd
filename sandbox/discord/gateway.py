"""The gateway: Discord's WebSocket protocol, version 10, for the sessions of one bot. Ignores presence and voice."""

from __future__ import annotations

import asyncio
import enum
import json
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from sandbox.journal import Journal
from sandbox.limits import Limiter

from . import payloads
from .compression import Encoder, encoder
from .sessions import PRIVILEGED, Intent, Session, Sessions
from .world import Channel, World

Json = dict[str, Any]

HEARTBEAT_SECONDS = 41.25
"""What Discord asks for in HELLO."""

ACK_DELAY = 0.05
"""Seconds to the answer of a heartbeat, as over a network: discord.py notes when it sent one from another thread, and
takes itself for a whole interval late when the answer is there first."""

CLIENT_MESSAGES = (120, 60.0)
"""Messages a client may send and the window, seconds; more close the connection with 4008."""


class Op(enum.IntEnum):
    """Gateway opcodes."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE = 3
    VOICE_STATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


class Close(enum.IntEnum):
    """Gateway close codes."""

    GOING_AWAY = 1001
    UNKNOWN_OPCODE = 4001
    DECODE_ERROR = 4002
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    INVALID_SEQ = 4007
    RATE_LIMITED = 4008
    SESSION_TIMED_OUT = 4009
    INVALID_SHARD = 4010
    INVALID_VERSION = 4012
    INVALID_INTENTS = 4013
    DISALLOWED_INTENTS = 4014


class Gateway:
    """Accepts connections and sends events.

    Args:
        world: what the events are about.
        journal: where calls ("GATEWAY IDENTIFY", "GATEWAY RESUME") and events are noted.
        token: gives the bot's token now.
        privileged: the names of the privileged intents that are switched on; see `sessions.PRIVILEGED`.
        heartbeat: seconds between heartbeats the clients are asked for.
    """

    def __init__(
        self, world: World, journal: Journal, *, token: Callable[[], str], privileged: set[str], heartbeat: float
    ) -> None:
        self.url = ""
        self.world = world
        self.journal = journal
        self.sessions = Sessions(world)
        self.token = token
        self.privileged = privileged
        self.heartbeat = heartbeat
        self.identifies_left = 1000
        self.connections: set[Connection] = set()

    def allowed_intents(self) -> Intent:
        """The intents a client may ask for."""
        granted = Intent((1 << 32) - 1)
        for name, (intent, _) in PRIVILEGED.items():
            if name not in self.privileged:
                granted &= ~intent
        return granted

    def application_flags(self) -> int:
        """The application's flags, which tell the privileged intents that are switched on."""
        return sum(flag for name, (_, flag) in PRIVILEGED.items() if name in self.privileged)

    def dispatch(self, event: str, intent: Intent, channel: Channel | None, render: Callable[[Session], Json]) -> None:
        """Send an event to every session that hears it. It is kept for those without a connection."""
        for session in self.sessions.hearing(intent, channel):
            self.send_to(session, event, render(session))

    def send_to(self, session: Session, event: str, data: Json) -> None:
        """Send one event to one session and note it."""
        connected = session.link is not None
        seq = session.push(event, data, json.dumps)
        self.journal.add(
            "discord",
            "event",
            type=event,
            session=session.id,
            seq=seq,
            connected=connected,
            id=data.get("id"),
            channel=data.get("channel_id"),
        )

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """Serve one WebSocket connection until it closes."""
        socket = web.WebSocketResponse(autoping=True, compress=False, timeout=2.0)
        await socket.prepare(request)
        connection = Connection(self, request, socket, encoder(request.query.get("compress")))
        if request.query.get("v", "10") not in ("9", "10"):
            await socket.close(code=Close.INVALID_VERSION)
            return socket
        self.connections.add(connection)
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)
        return socket

    async def close(self) -> None:
        """Close every connection."""
        await self.drop(Close.GOING_AWAY)

    async def drop(self, code: int | None) -> None:
        """Close every connection with `code`; None breaks the TCP connections without a word."""
        await asyncio.gather(*(connection.shut(code) for connection in tuple(self.connections)))


class Connection:
    """One WebSocket connection."""

    def __init__(self, gateway: Gateway, request: web.Request, socket: web.WebSocketResponse, encode: Encoder) -> None:
        self._gateway = gateway
        self._request = request
        self._socket = socket
        self._encoder = encode
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._messages = Limiter(*CLIENT_MESSAGES)
        self.session: Session | None = None
        self.silent = False

    def send(self, text: str) -> None:
        """Send one gateway message, in order."""
        self._waiting.put_nowait(text)

    def say(self, op: Op, data: Any = None) -> None:
        """Send a message that is no event."""
        self.send(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    async def shut(self, code: int | None) -> None:
        """Close with `code`, or break the TCP connection when None."""
        name = self.session and self.session.id
        self._leave()
        self._gateway.journal.add("discord", "event", type="CLOSE", code=code, session=name)
        if code is not None:
            await self._socket.close(code=code)
        elif self._request.transport is not None:
            self._request.transport.abort()

    async def run(self) -> None:
        """Greet, read until the connection closes, and keep the session where it may be resumed."""
        writer = asyncio.create_task(self._write(), name="discord gateway writer")
        self.say(Op.HELLO, {"heartbeat_interval": int(self._gateway.heartbeat * 1000), "_trace": ["sandbox"]})
        try:
            await self._read()
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            ended = self._leave()
            if ended is not None and self._socket.close_code in (1000, 1001):
                self._gateway.sessions.end(ended)

    async def _read(self) -> None:
        while not self._socket.closed:
            try:
                async with asyncio.timeout(self._gateway.heartbeat * 2):
                    message = await self._socket.receive()
            except TimeoutError:
                await self.shut(Close.SESSION_TIMED_OUT)
                return
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            refused = self._heed(message.data)
            if refused is not None:
                await self.shut(refused)
                return

    async def _write(self) -> None:
        while True:
            text = await self._waiting.get()
            if self.silent:
                continue
            piece = self._encoder.encode(text)
            try:
                await (self._socket.send_str(piece) if isinstance(piece, str) else self._socket.send_bytes(piece))
            except ConnectionError:
                return

    def _leave(self) -> Session | None:
        """Take the connection off its session, which waits for a RESUME from now on."""
        session = self.session
        self.session = None
        if session is not None and session.link is self:
            session.link = None
            session.left_at = self._gateway.world.clock.now()
            return session
        return None

    # --- what clients say -------------------------------------------------------------------------------

    def _heed(self, text: str | bytes) -> Close | None:
        """Act on one message of the client; returns the code to close with where it is not acceptable."""
        if self._messages.admit(asyncio.get_running_loop().time()):
            return Close.RATE_LIMITED
        try:
            said = json.loads(text)
            op, data = said["op"], said.get("d")
        except (ValueError, KeyError, TypeError, AttributeError):
            return Close.DECODE_ERROR
        match op:
            case Op.HEARTBEAT:
                asyncio.get_running_loop().call_later(ACK_DELAY, self.say, Op.HEARTBEAT_ACK)
                return None
            case Op.IDENTIFY | Op.RESUME if self.session is not None:
                return Close.ALREADY_AUTHENTICATED
            case Op.IDENTIFY if isinstance(data, dict):
                return self._identify(data)
            case Op.RESUME if isinstance(data, dict):
                return self._resume(data)
            case Op.PRESENCE | Op.VOICE_STATE | Op.REQUEST_MEMBERS if self.session is None:
                return Close.NOT_AUTHENTICATED
            case Op.REQUEST_MEMBERS if isinstance(data, dict):
                self._members(data)
                return None
            case Op.PRESENCE | Op.VOICE_STATE:
                return None
        return Close.UNKNOWN_OPCODE

    def _identify(self, data: Json) -> Close | None:
        gateway = self._gateway
        gateway.journal.add(
            "discord", "call", call="GATEWAY IDENTIFY", intents=data.get("intents"), shard=data.get("shard")
        )
        if str(data.get("token")).removeprefix("Bot ") != gateway.token():
            return Close.AUTHENTICATION_FAILED
        intents = data.get("intents")
        if not isinstance(intents, int) or intents < 0 or intents >= 1 << 32:
            return Close.INVALID_INTENTS
        if Intent(intents) & ~gateway.allowed_intents():
            return Close.DISALLOWED_INTENTS
        shard, shards = data.get("shard") or (0, 1)
        if not 0 <= shard < shards:
            return Close.INVALID_SHARD
        gateway.identifies_left -= 1
        session = gateway.sessions.begin(Intent(intents), (shard, shards))
        self._attach(session)
        world = gateway.world
        has_guild = world.bot_in_guild and gateway.sessions.has_guild(session)
        gateway.send_to(
            session,
            "READY",
            {
                "v": 10,
                "user": payloads.bot_user(world),
                "guilds": [{"id": world.guild_id, "unavailable": True}] if has_guild else [],
                "session_id": session.id,
                "resume_gateway_url": gateway.url,
                "shard": [shard, shards],
                "application": {"id": world.application_id, "flags": gateway.application_flags()},
                "private_channels": [],
                "_trace": ["sandbox"],
            },
        )
        if has_guild and Intent.GUILDS in session.intents:
            everybody = Intent.GUILD_PRESENCES in session.intents
            gateway.send_to(session, "GUILD_CREATE", payloads.guild_create(world, everybody=everybody))
        return None

    def _resume(self, data: Json) -> Close | None:
        gateway = self._gateway
        gateway.journal.add(
            "discord", "call", call="GATEWAY RESUME", session=data.get("session_id"), seq=data.get("seq")
        )
        if str(data.get("token")).removeprefix("Bot ") != gateway.token():
            return Close.AUTHENTICATION_FAILED
        session, seq = gateway.sessions.resumable(str(data.get("session_id"))), data.get("seq")
        missed = session.missed(seq) if session is not None and isinstance(seq, int) else None
        if session is None or missed is None:
            self.say(Op.INVALID_SESSION, data=False)
            return None
        if isinstance(seq, int) and seq > session.seq:
            return Close.INVALID_SEQ
        self._attach(session)
        for text in missed:
            self.send(text)
        gateway.send_to(session, "RESUMED", {"_trace": ["sandbox"]})
        return None

    def _attach(self, session: Session) -> None:
        self.session = session
        session.link = self
        session.left_at = None

    def _members(self, data: Json) -> None:
        """Answer a request for members with one chunk, as large as the guild."""
        gateway, world = self._gateway, self._gateway.world
        session = self.session
        if session is None or data.get("guild_id") not in (world.guild_id, int(world.guild_id)):
            return
        wanted = data.get("user_ids")
        ids = None if wanted is None else {str(each) for each in (wanted if isinstance(wanted, list) else [wanted])}
        prefix = str(data.get("query") or "").lower()
        found = [
            person
            for person in world.users.values()
            if (ids is None and person.name.lower().startswith(prefix)) or (ids is not None and person.id in ids)
        ]
        chunk: Json = {
            "guild_id": world.guild_id,
            "members": [payloads.member(person) for person in found],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": sorted((ids or set()) - {person.id for person in found}),
        }
        if "nonce" in data:
            chunk["nonce"] = data["nonce"]
        gateway.send_to(session, "GUILD_MEMBERS_CHUNK", chunk)
