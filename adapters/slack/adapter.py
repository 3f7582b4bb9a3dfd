"""The Slack adapter put together: what the application builds, starts, listens with and closes. No logic of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from aiohttp import web

from adapters.slack import check
from adapters.slack.actions import Actions
from adapters.slack.backfill import Backfill
from adapters.slack.calls import Api
from adapters.slack.delivery import Delivery
from adapters.slack.endpoint import EventsEndpoint
from adapters.slack.fields import Identity
from adapters.slack.intake import Intake
from adapters.slack.missed import Missed
from adapters.slack.sockets import QUIET, Sockets
from bot.conversation import FollowUps
from bot.errors import PlatformError
from bot.ports import Inbox, Platform

log = logging.getLogger(__name__)


class SlackAdapter:
    """One workspace's Slack.

    Call `start` first; `platform` and `installation` exist from then on. Socket Mode is used when there is an app-level
    token, else events come in over `routes`.

    Args:
        bot_token: xoxb-….
        app_token: xapp-…, for Socket Mode.
        signing_secret: for events over HTTP.
        api_url: another address of the Web API, ends in `/api/`.
        follow_ups: which messages of a thread it takes part in are answered: "all", or those that "mention" it.
        bots: ids of other bots that are answered.
        listens: whether it is to take events in; else neither app-level token nor signing secret is needed or used.
        clock: Unix seconds.
        quiet: seconds in which a connection must bring what we write ourselves, or it is replaced.
    """

    def __init__(
        self,
        bot_token: str,
        app_token: str | None = None,
        signing_secret: str | None = None,
        *,
        api_url: str | None = None,
        follow_ups: FollowUps = "all",
        bots: Collection[str] = (),
        listens: bool = True,
        clock: Callable[[], float] = time.time,
        quiet: float = QUIET,
    ) -> None:
        self._bot_token = bot_token.strip()
        self._listens = listens
        self._app_token = ((app_token or "").strip() or None) if listens else None
        self._signing_secret = ((signing_secret or "").strip() or None) if listens else None
        self._follow_ups: FollowUps = follow_ups
        self._bots = frozenset(bots)
        self._api = Api(self._bot_token, api_url)
        self._us: Identity | None = None
        self._scopes: frozenset[str] | None = None
        self._delivery: Delivery | None = None
        self._installations: dict[str, Platform] = {}
        self._clock, self._quiet = clock, quiet
        self._sockets: Sockets | None = None
        self._actions: Actions | None = None
        self._backfill: Backfill | None = None
        self._listening = False
        over_http = self._signing_secret if not self._app_token else None
        self._endpoint = EventsEndpoint(over_http, clock=clock) if over_http else None

    # --- life -----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Find out who the bot is. Raises SettingsError: a token, scope or address that nothing works with."""
        check.check_form(self._bot_token)
        if self._listens:
            check.check_way_in(self._app_token, self._signing_secret)
        us, self._scopes = await check.identify(self._api)
        self._us = replace(us, answers=self._bots)
        check.check_scopes(self._scopes)
        self._delivery = Delivery(self._api, self._us)
        self._installations[self.installation] = self._delivery

    async def check(self) -> list[str]:
        """Try everything `run` would need; returns warnings, one a lost feature. Raises SettingsError as `start`."""
        if self._us is None:
            await self.start()
        if self._app_token is not None:
            await check.check_app_token(self._api, self._app_token)
        return check.check_scopes(self._scopes)

    async def listen(self, inbox: Inbox) -> None:
        """Take events in from now on; returns once they can come. Raises SettingsError for a bad app-level token."""
        for warning in check.check_scopes(self._scopes):
            log.warning(warning)
        self._actions = Actions(self._identity, inbox, self._api)
        intake = Intake(self._identity, inbox, self._follow_ups, self.platform.channels, self._actions)
        missed = Missed(self._api, self._identity, self._scopes, intake.missed, inbox.takes_part, clock=self._clock)
        self._backfill = backfill = Backfill(self.installation, inbox, missed, clock=self._clock)
        intake.on_taken = backfill.heard
        intake.on_refused, intake.on_late = backfill.begin, backfill.late
        if self._app_token is not None:
            self._sockets = Sockets(self._api, self._app_token, intake.envelope, quiet=self._quiet)
            self._sockets.on_away = backfill.hold
            self._sockets.on_back = lambda deaf: backfill.begin(surely=deaf)
            intake.on_echo = self._sockets.heard_ourselves
            if self._delivery is not None:
                self._delivery.on_write = self._sockets.wrote
            try:
                await self._sockets.start()
            except PlatformError as error:
                raise check.app_token_refused(error) from error
        elif self._endpoint is not None:
            self._endpoint.intake = intake
        backfill.begin()
        self._listening = True

    async def closed(self) -> None:
        """Wait until Slack refuses the bot for good: it does not by itself, so this never ends."""
        await asyncio.Event().wait()

    async def stop_intake(self) -> None:
        """Take no more events; returns when those under way are stored. Answers can still be written."""
        self._listening = False
        if self._sockets is not None:
            await self._sockets.stop()
        if self._endpoint is not None:
            await self._endpoint.finish()
        if self._backfill is not None:
            await self._backfill.stop()
        if self._actions is not None:
            await self._actions.close()

    async def close(self) -> None:
        """Close every connection."""
        await self.stop_intake()
        if self._delivery is not None:
            await self._delivery.close()
        await self._api.close()

    # --- what it is ------------------------------------------------------------------------------------------

    @property
    def _identity(self) -> Identity:
        if self._us is None:
            raise RuntimeError("start() comes first")
        return self._us

    @property
    def name(self) -> str:
        """See `bot.ports.Adapter.name`."""
        return "slack"

    @property
    def installations(self) -> Mapping[str, Platform]:
        """See `bot.ports.Adapter.installations`."""
        return self._installations

    @property
    def bots(self) -> Mapping[str, str]:
        """See `bot.ports.Adapter.bots`: the app's bot user, whose id a workspace gives once."""
        return dict.fromkeys(self._installations, self._identity.user)

    @property
    def installation(self) -> str:
        """The name of its mailboxes: `slack:<team id>`."""
        return self._identity.installation

    @property
    def platform(self) -> Delivery:
        """Where answers are written."""
        if self._delivery is None:
            raise RuntimeError("start() comes first")
        return self._delivery

    def routes(self) -> Sequence[web.RouteDef]:
        """What the application's HTTP server must serve: events, unless Socket Mode brings them."""
        return [web.post(EventsEndpoint.PATH, self._endpoint.handle)] if self._endpoint is not None else []

    @property
    def connected(self) -> bool:
        """Whether events can come in now."""
        return self._listening and (self._sockets is None or self._sockets.connected)

    @property
    def health(self) -> str:
        """One line about the connection, for people."""
        if self._us is None or not self._listening:
            return "not listening"
        if self._sockets is None:
            return f"{self.installation}: waiting for events on {EventsEndpoint.PATH}"
        state = "connected" if self._sockets.connected else "not connected"
        return f"{self.installation}: {state}" + (f" ({self._sockets.problem})" if self._sockets.problem else "")
