"""One connection to Discord's gateway, with every frame checked at the door.

No odd frame gets through to discord.py, and no odd event ends the connection. It is never deaf for long: without a
greeting, a session or an answer to its heartbeats it is given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import aiohttp
import discord
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

from adapters.discord.heartbeat import Heartbeat
from adapters.discord.odd import tell_left_out, told
from adapters.discord.payloads import SESSIONS, OddFrame, checked
from adapters.discord.reconnect import SESSION_OVER, Session
from bot.log_limit import LimitedLog

log = logging.getLogger(__name__)

TROUBLE = LimitedLog(log)

GREETED_WITHIN, READY_WITHIN = 10.0, 30.0
"""Seconds for HELLO after the connection stands, and for READY or RESUMED after HELLO."""

CLOSED_WITHIN = 2.0
"""Seconds for the other side to say goodbye."""

LARGEST_PENDING = 16 << 20
"""Bytes of a compressed frame that has not ended."""


class CheckedWebSocket(DiscordWebSocket):
    """discord.py's connection, with frames checked at the door and heartbeats of its own."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(socket, loop=loop)
        self.established = False
        """Whether it has brought a session."""
        self._heartbeat: Heartbeat | None = None
        self._introduce: Callable[[], Awaitable[None]] | None = None
        self._expected_by = loop.time() + GREETED_WITHIN
        self._pending = 0

    @property
    def greeted(self) -> bool:
        """Whether HELLO came, and a session was asked for."""
        return self._heartbeat is not None

    @property
    def hears(self) -> bool:
        """Whether events arrive, as far as is known."""
        return self.established and self.open and self._left() > 0

    @property
    def latency(self) -> float:
        """Seconds from the last heartbeat to its answer."""
        return self._heartbeat.latency if self._heartbeat else float("inf")

    @property
    def session(self) -> Session | None:
        """What a RESUME needs; None where there is nothing to resume."""
        if not self.session_id or self.sequence is None:
            return None
        return Session(self.session_id, self.sequence, self.gateway)

    def _left(self) -> float:
        """Seconds until something that must come is overdue."""
        due = self._heartbeat.due if self._heartbeat else self._expected_by
        return (due if self.established else min(due, self._expected_by)) - self.loop.time()

    # --- what discord.py's `from_client` calls, in this order; it would lose the connection of a HELLO that fails -----

    async def poll_event(self) -> None:
        """Wait for nothing: HELLO is read by `hear`."""

    async def identify(self) -> None:
        """Ask for a new session when HELLO comes."""
        self._introduce = super().identify

    async def resume(self) -> None:
        """Ask for the old session when HELLO comes."""
        self._introduce = super().resume

    # --- from then on -----------------------------------------------------------------------------------------

    async def hear(self) -> None:
        """Read one frame. Raises ReconnectWebSocket, discord.ConnectionClosed or OSError when that was the last."""
        message: aiohttp.WSMessage | None = None
        if (left := self._left()) > 0:
            with contextlib.suppress(TimeoutError):
                message = await self.socket.receive(timeout=left)
        if message is None:
            await self._give_up("Discord's gateway has not answered in time, connecting again")
        elif message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            await self.received_message(message.data)
        else:
            await self._closed()

    async def _closed(self) -> None:
        """Find out what the other side's close means. Raises ReconnectWebSocket or discord.ConnectionClosed."""
        await self._abandon(4000)
        code = self._close_code or self.socket.close_code
        if not self._can_handle_close():
            raise discord.ConnectionClosed(self.socket, shard_id=self.shard_id, code=code)
        raise ReconnectWebSocket(self.shard_id, resume=code not in SESSION_OVER)

    async def received_message(self, msg: Any, /) -> None:
        """Check a frame and act on it. Raises what ends the connection, as discord.py does."""
        if (text := await self._decompressed(msg)) is None:
            return  # the rest is still to come
        try:
            frame = checked(_decoded(text), self.sequence, established=self.established, left_out=tell_left_out)
        except OddFrame as error:
            tell_left_out(error)
            if error.ends:
                await self._give_up(None, resume=False)
            return
        match frame["op"]:
            case self.DISPATCH:
                await self._take(frame)
            case self.HELLO:
                await self._hello(frame["d"]["heartbeat_interval"] / 1000)
            case self.HEARTBEAT if self._heartbeat is not None:
                self._heartbeat.ask()
            case self.HEARTBEAT_ACK if self._heartbeat is not None:
                self._heartbeat.answered()
            case self.RECONNECT | self.INVALIDATE_SESSION:
                await super().received_message(frame)

    async def _hello(self, interval: float) -> None:
        """Begin to send heartbeats, each `interval` seconds, and ask for a session. Raises OSError."""
        if self._heartbeat is not None or self._introduce is None:
            return
        self._heartbeat = Heartbeat(self._beat, interval)
        self._expected_by = self.loop.time() + READY_WITHIN
        async with asyncio.timeout_at(self._expected_by):
            await self._introduce()

    async def _take(self, frame: dict[str, Any]) -> None:
        """Hand an event on. Raises ReconnectWebSocket where the library breaks at the one that begins the session."""
        event = frame["t"]
        try:
            await super().received_message(frame)
        except Exception as error:  # noqa: BLE001 - whatever an event does to the library, the connection lives on
            tell_left_out(OddFrame(event, "{error} at {at}".format(**told(error))))
            if event in SESSIONS:
                await self._give_up(None, resume=False)
        else:
            self.established |= event in SESSIONS

    async def close(self, code: int = 4000) -> None:
        """Close the connection, without waiting for long. May be repeated."""
        self._close_code = code
        await self._abandon(code)

    async def _abandon(self, code: int) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSED_WITHIN):
                await self.socket.close(code=code)

    async def _give_up(self, why: str | None, *, resume: bool = True) -> NoReturn:
        """End the connection. Raises ReconnectWebSocket."""
        if why is not None:
            TROUBLE.warning(why, why)
        await self.close()
        raise ReconnectWebSocket(self.shard_id, resume=resume)

    async def _decompressed(self, message: str | bytes) -> str | None:
        """Return a frame's text; None while more of it must come. Raises ReconnectWebSocket where it is damaged."""
        if isinstance(message, str):
            return message
        self._pending += len(message)
        try:
            text = self._decompressor.decompress(message)
        except Exception:  # noqa: BLE001 - each compression has errors of its own
            text, self._pending = None, LARGEST_PENDING + 1
        if text is not None:
            self._pending = 0
        elif self._pending > LARGEST_PENDING:
            await self._give_up("Discord sent damaged data, connecting again")
        return text

    async def _beat(self) -> None:
        await self.send_heartbeat({"op": self.HEARTBEAT, "d": self.sequence})


def _decoded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise OddFrame("a frame", "it is no JSON") from None
