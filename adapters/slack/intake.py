"""Takes events in: what is for us is in the inbox before Slack hears that it arrived; all else is acknowledged too.

Bolt acknowledges before its listeners run and forgets an event whose listener fails. So there is no listener: one
global middleware hands the message in and acknowledges. Without the store there is no acknowledgement, and Slack
delivers again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from weakref import WeakValueDictionary

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.actions import Actions
from adapters.slack.calls import library_logger
from adapters.slack.closed import ClosedChannels
from adapters.slack.fields import Event, Identity, field, in_thread, is_direct, is_time
from adapters.slack.for_us import (
    calls_us_now,
    is_addressed,
    is_external,
    is_for_us,
    is_ours,
    is_written,
    opens_channel,
    surely_concerns,
)
from adapters.slack.payloads import OddPayload, read_form, read_interaction, read_json, typed
from adapters.slack.reading import deletion_of, edit_of, message_id, thread_key, to_message
from bot.conversation import FollowUps, ThreadKey
from bot.errors import StoreUnavailable
from bot.log_limit import LimitedLog
from bot.ports import Inbox

log = logging.getLogger(__name__)

LATE = frozenset({"2", "3"})
"""Numbers of a delivery that has failed for a minute and more."""

FORM = "application/x-www-form-urlencoded"
"""What commands and presses come as."""

INTERACTIVE = "interactive"
"""The type of Socket Mode's envelopes that bring presses and forms."""


class Intake:
    """Hands events to an inbox, over Socket Mode and HTTP alike.

    Args:
        us: who the bot is; Bolt is told so as well, or it would ask Slack ahead of every middleware.
        inbox: where messages go.
        follow_ups: see `is_for_us`.
        channels: those in which nothing can be written now; what is asked there is not taken in.
        actions: carries out what is pressed; without them it is acknowledged alone.
    """

    def __init__(
        self,
        us: Identity,
        inbox: Inbox,
        follow_ups: FollowUps,
        channels: ClosedChannels,
        actions: Actions | None = None,
    ) -> None:
        self._us = us
        self._channels = channels
        self._actions = actions
        self._inbox = inbox
        self._follow_ups = follow_ups
        self._odd = LimitedLog(log)
        self._order: WeakValueDictionary[ThreadKey, asyncio.Lock] = WeakValueDictionary()
        self.on_echo: Callable[[], object] | None = None
        """Told when Slack tells of something that we wrote."""
        self.on_taken: Callable[[str], object] | None = None
        """Told the ts of each event that was taken in."""
        self.on_refused: Callable[[], object] | None = None
        """Told when an event could not be taken in because the store is away."""
        self.on_late: Callable[[], object] | None = None
        """Told when an event comes that Slack could not deliver for a minute and more."""
        self._app = self._bolt_app()

    def _bolt_app(self) -> AsyncApp:
        us = self._us

        async def authorize() -> AuthorizeResult:
            return AuthorizeResult(
                enterprise_id=None, team_id=us.team, bot_user_id=us.user, bot_id=us.bot, user_id=us.user
            )

        app = AsyncApp(
            name="firsttoken",
            logger=library_logger(),
            client=AsyncWebClient(retry_handlers=[], logger=library_logger()),
            authorize=authorize,
            # The signature is checked on the raw bytes before Bolt sees them; whose events count is decided here alone.
            request_verification_enabled=False,
            ignoring_self_events_enabled=False,
            attaching_function_token_enabled=False,
        )

        app.middleware(_Take(self))
        return app

    # --- the two ways in ------------------------------------------------------------------------------------

    async def envelope(self, request: SocketModeRequest) -> bool:
        """Take a Socket Mode envelope; whether to acknowledge it."""
        try:
            if request.type == INTERACTIVE:
                self._interacted(request.payload)
                return True
            body = typed(request.payload)
        except OddPayload as error:
            self._leave_out(error)
            return True
        response = await self._app.async_dispatch(AsyncBoltRequest(mode="socket_mode", body=body))
        return response.status == 200

    async def request(self, body: bytes, headers: Mapping[str, str]) -> web.Response:
        """Take an HTTP request whose signature was checked; any status but 200 makes Slack deliver again."""
        if self.on_late is not None and headers.get("X-Slack-Retry-Num", "") in LATE:
            self.on_late()
        try:
            if headers.get("Content-Type", "").startswith(FORM):
                if (form := read_form(body)) is not None:  # else Slack's look at the certificate
                    self._interacted(form)
                return web.Response()
            payload = typed(read_json(body))
        except OddPayload as error:
            self._leave_out(error)
            return web.Response()  # delivering it again would make it no better
        return await to_aiohttp_response(await self._app.async_dispatch(AsyncBoltRequest(body=json.dumps(payload))))

    def _interacted(self, payload: object) -> None:
        if self._actions is not None:
            self._actions.take(read_interaction(payload))

    def _leave_out(self, error: OddPayload) -> None:
        self._odd.warning(error.field, "an odd payload is left out", error=str(error))

    # --- what an event means --------------------------------------------------------------------------------

    async def receive(self, body: Event) -> None:
        """Hand in what `body` says, if it is for us. Raises StoreUnavailable."""
        event = body.get("event")
        if body.get("type") != "event_callback" or not isinstance(event, dict):
            return
        try:
            await self._receive(event, body)
        except StoreUnavailable:
            if self.on_refused is not None:
                self.on_refused()
            raise
        if self.on_taken is not None:
            self.on_taken(field(event, "event_ts") or field(event, "ts"))

    async def _receive(self, event: Event, body: Event) -> None:
        if self.on_echo is not None and is_ours(event, self._us):
            self.on_echo()
        event = {**event, "external": is_external(body, self._us)}
        if opens_channel(event, self._us):
            self._channels.opened(field(event, "channel"))
        elif (changed := edit_of(event, self._us)) is not None and calls_us_now(event, self._us):
            await self._in_order(changed, self._asked)
        elif changed is not None:
            await self._in_order(changed, partial(self._edited, sure=surely_concerns(event, self._us)))
        elif (gone := deletion_of(event, self._us)) is not None:
            await self._in_order(gone, partial(self._deleted, sure=surely_concerns(event, self._us)))
        elif is_for_us(event, self._us, follow_ups=self._follow_ups, takes_part=True):
            await self._in_order(event, self._asked)

    async def missed(self, event: Event, edited_at: str, asks: bool) -> None:
        """Hand in a message that was read from a history. Raises StoreUnavailable.

        Args:
            event: as its `message` event would be.
            edited_at: the ts of an edit that may have been missed; empty where there was none.
            asks: whether it may be a question; else only an earlier one's new text is handed in.
        """
        if asks and is_for_us(event, self._us, follow_ups=self._follow_ups, takes_part=True):
            await self._in_order(event, self._asked)
        if edited_at and is_written(event, self._us):
            changed = {**event, "event_ts": edited_at}
            await self._in_order(changed, partial(self._edited, sure=is_addressed(event, self._us)))

    async def _in_order(self, event: Event, take: Callable[[Event], Awaitable[None]]) -> None:
        """One thread's events one after the other, or a quick follow-up would find a bot that takes no part yet."""
        key = thread_key(event, self._us)
        lock = self._order.setdefault(key, asyncio.Lock())
        async with lock:
            await take(event)

    async def _asked(self, event: Event) -> None:
        if why := self._channels.reason(field(event, "channel")):
            self._odd.warning("closed", "what is asked where nothing can be written is left out", error=why)
            return
        key, takes_part = await self._conversation(event)
        if is_for_us(event, self._us, follow_ups=self._follow_ups, takes_part=takes_part):
            message = to_message(event, self._us, key, mid_thread=in_thread(event) and not takes_part)
            if await self._inbox.submit(message):
                log.info("message accepted", extra={"key": str(key), "id": message.id})

    async def _edited(self, event: Event, *, sure: bool) -> None:
        if (key := await self._concerned(event, sure)) is None:
            return
        when = field(event, "event_ts")
        await self._inbox.edited(to_message(event, self._us, key), at=float(when) if is_time(when) else None)

    async def _deleted(self, event: Event, *, sure: bool) -> None:
        if (key := await self._concerned(event, sure)) is None:
            return
        identity = message_id(field(event, "channel"), field(event, "ts"))
        await self._inbox.deleted(key, self._us.installation, identity)

    async def _concerned(self, event: Event, sure: bool) -> ThreadKey | None:
        """The conversation of what was changed; None for what people say to one another, which no store should see."""
        key, takes_part = await self._conversation(event)
        # A question that only its event said was for the bot begins a conversation, too.
        if sure or takes_part or (not in_thread(event) and await self._inbox.takes_part(key)):
            return key
        return None

    async def _conversation(self, event: Event) -> tuple[ThreadKey, bool]:
        """The conversation an event belongs to, and whether the bot takes part in it.

        A thread below one of the bot's flat answers in a direct message continues the conversation of that answer.
        """
        key = thread_key(event, self._us)
        if not in_thread(event):
            return key, False
        if await self._inbox.takes_part(key):
            return key, True
        if is_direct(event):
            root = message_id(field(event, "channel"), field(event, "thread_ts"))
            if (known := await self._inbox.key_of(self._us.installation, root)) is not None:
                return known, True
        return key, False


class _Take(AsyncMiddleware):
    """The one global middleware: hands in, then acknowledges; without the store it answers 503, which is no ack."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._log = LimitedLog(log)

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002 - Bolt passes it by this name
    ) -> BoltResponse:
        try:
            await self._intake.receive(req.body)
        except StoreUnavailable as error:
            self._log.warning("store", "the store is away, Slack will deliver this event again", error=str(error))
            return BoltResponse(status=503, body="")
        except Exception as error:  # noqa: BLE001 - whatever one event does to the code that reads it
            self._log.warning(type(error).__name__, "an event could not be handled", exc_info=True)
            return BoltResponse(status=500, body="")
        return await req.context.ack()
