"""Socket Mode: keeps WebSockets to Slack open and gives every envelope to one handler, which says what to acknowledge.

slack_sdk's own client tries a URL that is good for one use over and over once its first try has failed, and has tasks
that nobody owns. Here every connection has a fresh URL and one life: one that is told to leave, closes, breaks or falls
silent is replaced by a new one, opened before the old one is closed. Two are kept, so that one can always go.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable

import aiohttp
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from adapters.slack.calls import Api
from adapters.slack.payloads import Frame, OddPayload, read_frame, read_json
from adapters.slack.refusals import OPEN
from bot.backoff import growing
from bot.errors import BadCredentials, PlatformError
from bot.log_limit import LimitedLog

log = logging.getLogger(__name__)
odd = LimitedLog(log)

Handler = Callable[[SocketModeRequest], Awaitable[bool]]
"""Takes an envelope; returns whether it may be acknowledged. Slack delivers what is not acknowledged again."""

CONNECTIONS, MOST_CONNECTIONS = 2, 10
"""How many are kept, and how many Slack allows an app, of all its processes; each event goes to one of them."""

HEARTBEAT = 10.0
"""Seconds between our pings. A connection on which nothing has come back half of that later is dead."""

HELLO = 3.0
"""Seconds a new connection is given to say hello before it is trusted without; pings find out if it is dead."""

RETIREMENT = 10.0
"""Seconds a connection that was told to leave is kept for what is still under way; Slack closes it about then."""

BACKOFF, BACKOFF_CAP = 0.5, 30.0
"""First pause after a failed try to connect, and the longest, in seconds; doubled each time, half of it random."""

STABLE = 10.0
"""Seconds a connection must have lived for its successor to be opened without a pause."""

ECHOES, QUIET = 6, 30.0
"""Our own posts and edits that Slack should have told us of, and the seconds since the first, after which a connection
that brought nothing is deaf: it answers pings, and Slack forgot it. Each event goes to one of the connections."""

EACH = 3
"""Such posts and edits for each connection of the app, where it has more than a few: one event in ten may come here."""

AT_ONCE = 50
"""Envelopes of one connection that are handled at once; the next are read when one is done."""

FINISH = 10.0
"""Seconds envelopes under way may take at the end."""

LARGEST = 16 << 20
"""Bytes of one frame; Slack's are far smaller."""


class Connection:
    """One WebSocket from its ticket to its end."""

    def __init__(self, handler: Handler, heartbeat: float = HEARTBEAT, quiet: float = QUIET) -> None:
        self.deaf = False
        """Whether it is left because it brought nothing that it should have brought."""
        self.leaving = asyncio.Event()
        """Set when it wants to be replaced: told to leave, closed or broken."""
        self._greeted = asyncio.Event()
        self._closing = False
        self._handler = handler
        self._heartbeat = heartbeat
        self._quiet = quiet
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._handlers: set[asyncio.Task[None]] = set()
        self._echoes_missed = 0
        self._echoes_due = ECHOES
        self._quiet_since = 0.0
        self._event_at = 0.0

    def wrote(self) -> None:
        """Slack was told something that it tells again: by this connection, or by another one."""
        loop = asyncio.get_running_loop()
        if not self._echoes_missed:
            self._quiet_since = loop.time()
        self._echoes_missed += 1
        if self._echoes_missed == self._echoes_due:
            loop.call_at(self._quiet_since + self._quiet, self._judge, self._quiet_since)
        elif self._echoes_missed > self._echoes_due:
            self._judge(self._quiet_since)

    def _judge(self, quiet_since: float) -> None:
        """Leave a connection that has been quiet since that time for too long."""
        still = self._echoes_missed >= self._echoes_due and self._quiet_since == quiet_since
        if still and self.alive and asyncio.get_running_loop().time() >= quiet_since + self._quiet:
            self.deaf = True
            log.warning("Slack tells nothing over a connection that stands; it is replaced")
            self.leaving.set()

    def heard_while_quiet(self, other: Connection) -> bool:
        """Whether an event came by this connection since the other one should have brought one."""
        return self._event_at > other._quiet_since

    @property
    def alive(self) -> bool:
        """Whether events can come in by it."""
        return self._socket is not None and not self._socket.closed and not self.leaving.is_set()

    async def open(self, api: Api, app_token: str) -> None:
        """Connect with a fresh ticket and wait for Slack's hello.

        Raises:
            PlatformError: there is no ticket to be had, or it does not open a connection.
        """
        answer = await api.call(OPEN, token=app_token)
        try:
            self._socket = await api.session.ws_connect(
                answer.text("url"), heartbeat=self._heartbeat, proxy=api.proxy, max_msg_size=LARGEST
            )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            # The cause is left out: its text holds the ticket.
            raise PlatformError(f"Socket Mode: cannot connect ({type(error).__name__})") from None
        self._reader = asyncio.create_task(self._read(self._socket), name="slack socket")
        try:
            async with asyncio.timeout(HELLO):
                await self._greeted.wait()
        except TimeoutError:
            log.info("Slack did not say hello")
        if self.leaving.is_set():
            raise PlatformError("Socket Mode: the connection was closed as soon as it was opened")

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for frame in socket:
                if frame.type is aiohttp.WSMsgType.TEXT:
                    self._take(socket, frame.data)
                while len(self._handlers) >= AT_ONCE:
                    await asyncio.wait(self._handlers, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.leaving.set()
            self._greeted.set()

    def _take(self, socket: aiohttp.ClientWebSocketResponse, text: str) -> None:
        try:
            frame = read_frame(read_json(text))
        except OddPayload as error:
            odd.warning(error.field, "an odd frame is left out", error=str(error))
            return
        self._greeted.set()
        self._echoes_missed = 0
        if frame.type == "hello" and isinstance(frame.num_connections, int):
            self._echoes_due = max(ECHOES, EACH * min(frame.num_connections, MOST_CONNECTIONS))
        elif frame.type == "disconnect":
            log.info("Slack asks for a new connection", extra={"reason": frame.reason})
            self.leaving.set()
        elif frame.type not in {"", "hello"} and frame.envelope_id and not self._closing:
            self._event_at = asyncio.get_running_loop().time()
            task = asyncio.create_task(self._handle(socket, frame), name="slack envelope")
            self._handlers.add(task)
            task.add_done_callback(self._handlers.discard)

    async def _handle(self, socket: aiohttp.ClientWebSocketResponse, frame: Frame) -> None:
        try:
            if await self._handler(SocketModeRequest(frame.type, frame.envelope_id, frame.payload)):
                acknowledgement = SocketModeResponse(envelope_id=frame.envelope_id).to_dict()
                await socket.send_str(json.dumps(acknowledgement))
        except (ConnectionError, aiohttp.ClientError):
            log.info("an acknowledgement found its connection closed; Slack delivers the event again")
        except Exception as error:  # noqa: BLE001 - whatever one payload does to the code that reads it
            odd.warning(type(error).__name__, "an envelope could not be handled", exc_info=True)

    async def close(self, *, grace: float = 0.0) -> None:
        """Go on up to `grace` seconds or until Slack closes it; finish the envelopes under way; close it."""
        if self._reader is not None and grace:
            await asyncio.wait({self._reader}, timeout=grace)
        self._closing = True
        if self._handlers:
            await asyncio.wait(tuple(self._handlers), timeout=FINISH)
        if self._socket is not None:
            await self._socket.close()
        remaining = [task for task in (self._reader, *self._handlers) if task is not None]
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)


class Sockets:
    """Keeps `CONNECTIONS` connections open from `start` to `stop`.

    Args:
        api: hands out the tickets.
        app_token: the app-level token.
        handler: what is done with an envelope.
        heartbeat: seconds between pings.
        quiet: see `QUIET`.
    """

    def __init__(
        self, api: Api, app_token: str, handler: Handler, *, heartbeat: float = HEARTBEAT, quiet: float = QUIET
    ) -> None:
        self._api = api
        self._token = app_token
        self._handler = handler
        self._heartbeat = heartbeat
        self._quiet = quiet
        self._keepers: set[asyncio.Task[None]] = set()
        self._live: set[Connection] = set()
        self._retiring: set[asyncio.Task[None]] = set()
        self._first: asyncio.Future[None] | None = None
        self.problem = ""
        self.echoes = False
        """Whether Slack tells us of what we write ourselves: it has done so."""
        self.on_away: Callable[[], object] | None = None
        """Told when events may be missing from now on: no connection stands, or one was deaf and no other heard any."""
        self.on_back: Callable[[bool], object] | None = None
        """Told when they can come in again, and whether a connection was deaf: Slack may not deliver those again."""
        self._away = self._was_deaf = False

    def wrote(self) -> None:
        """Something was posted or edited: where Slack tells of that, it should be heard soon."""
        if self.echoes:
            for connection in self._live:
                connection.wrote()

    def heard_ourselves(self) -> None:
        """Slack told of something that we wrote."""
        self.echoes = True

    @property
    def connected(self) -> bool:
        """Whether events can come in."""
        return any(connection.alive for connection in self._live)

    async def start(self) -> None:
        """Begin, and return when the first connection stands.

        Raises:
            BadCredentials: the app-level token opens nothing. Anything else is tried again until it works.
        """
        self._first = asyncio.get_running_loop().create_future()
        self._keepers = {asyncio.create_task(self._keep(), name=f"slack socket {n}") for n in range(CONNECTIONS)}
        try:
            await self._first
        except BaseException:
            await self.stop()
            raise

    async def _keep(self) -> None:
        """Have one connection, and the next when that one leaves."""
        pauses = growing(BACKOFF, BACKOFF_CAP)
        while True:
            connection = await self._connect()
            opened = time.monotonic()
            await connection.leaving.wait()
            self._note_gap(connection)
            self._retire(connection)
            if time.monotonic() - opened >= STABLE:
                pauses = growing(BACKOFF, BACKOFF_CAP)
            else:
                await asyncio.sleep(next(pauses))

    def _note_gap(self, connection: Connection) -> None:
        """Tell of events that may be missing now that a connection is left."""
        # What one deaf connection of several did not bring is not acknowledged, and comes again by another one.
        deaf = connection.deaf and not any(
            it.heard_while_quiet(connection) for it in self._live if it is not connection
        )
        if not deaf and self.connected:
            return
        self._away = True
        self._was_deaf |= deaf
        if self.on_away is not None:
            self.on_away()

    def _note_return(self) -> None:
        if self._away and self.on_back is not None:
            self.on_back(self._was_deaf)
        self._away = self._was_deaf = False

    async def _connect(self) -> Connection:
        pauses = growing(BACKOFF, BACKOFF_CAP)
        while True:
            connection = Connection(self._handler, self._heartbeat, self._quiet)
            self._live.add(connection)
            try:
                await connection.open(self._api, self._token)
            except PlatformError as error:
                self._live.discard(connection)
                await connection.close()
                self._note(error)
                await asyncio.sleep(error.retry_after or next(pauses))
            else:
                self.problem = ""
                self._note_return()
                if self._first is not None and not self._first.done():
                    self._first.set_result(None)
                return connection

    def _note(self, error: PlatformError) -> None:
        log.warning("no connection to Slack", extra={"error": str(error)})
        self.problem = str(error)
        if isinstance(error, BadCredentials) and self._first is not None and not self._first.done():
            self._first.set_exception(error)

    def _retire(self, connection: Connection) -> None:
        """Let the connection end by itself while the next one is being opened."""
        task = asyncio.create_task(self._see_off(connection), name="slack socket retiring")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _see_off(self, connection: Connection) -> None:
        await connection.close(grace=RETIREMENT)
        self._live.discard(connection)

    async def stop(self) -> None:
        """Take no more events, finish those under way, close every connection."""
        for task in (*self._keepers, *self._retiring):
            task.cancel()
        await asyncio.gather(*self._keepers, *self._retiring, return_exceptions=True)
        await asyncio.gather(*(connection.close() for connection in self._live))
        self._live.clear()
