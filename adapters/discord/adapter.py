"""Discord, whole: what the program starts, listens with and stops. Only wires the parts together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Coroutine, Mapping, Sequence

import aiohttp
import discord
from aiohttp import web
from discord.http import Route

from adapters.discord.actions import Actions
from adapters.discord.calls import Calls
from adapters.discord.check import INTENT_CURE, check_form, not_accepted
from adapters.discord.delivery import Delivery
from adapters.discord.gateway import Gateway, end, set_api, set_gateway
from adapters.discord.intake import Intake
from adapters.discord.leader import Leadership
from adapters.discord.own import OwnMessages
from adapters.proxies import proxy_for
from bot.conversation import FollowUps
from bot.ports import Inbox, Platform

log = logging.getLogger(__name__)

CHECK_WITHIN = 10.0
"""Seconds in which the gateway must answer a trial connection."""

STORE_GRACE = 5.0
"""Seconds in which what was taken in must reach the store when intake stops."""

GLANCE = 0.5
"""Seconds between two looks at whether there is a connection."""

GIVE_WAY = 2.5
"""Seconds for which a process that gave its place up leaves it to others, who look every second."""


class DiscordAdapter:
    """One Discord bot.

    Args:
        token: DISCORD_BOT_TOKEN.
        api_url: DISCORD_API_URL, which ends in `/api/v10`; None for Discord's own. Holds for the whole process.
        follow_ups: FOLLOW_UPS.
        bots: ALLOWED_BOTS.
        identify_delay: seconds before a new session after a lost one (Discord allows one per 5 s).
        listens: whether it is to listen; else it only writes, and nothing of the gateway concerns it.
        lease: seconds after which another process may listen in the place of one that gives no sign of life.
        hand_over_after: seconds without a connection after which another process is let try.
    """

    def __init__(
        self,
        token: str,
        *,
        api_url: str | None = None,
        follow_ups: FollowUps = "all",
        bots: Collection[str] = (),
        identify_delay: float = 5.0,
        listens: bool = True,
        lease: float = 15.0,
        hand_over_after: float = 120.0,
    ) -> None:
        self._token = token.strip()
        self._api_url = api_url
        self._follow_ups = follow_ups
        self._bots = frozenset(bots)
        self._calls = Calls()
        self._client = Gateway(
            self._calls.trace,
            message_content=follow_ups == "all",
            identify_delay=identify_delay,
            proxy=proxy_for(api_url or Route.BASE),
        )
        self._own = OwnMessages()
        self._listens = listens
        self._lease = lease
        self._hand_over_after = hand_over_after
        self._platform: Delivery | None = None
        self._installations: dict[str, Platform] = {}
        self._leadership: Leadership | None = None
        self._intake: Intake | None = None
        self._actions: Actions | None = None
        self._earlier: list[Intake] = []
        self._listening: asyncio.Task[None] | None = None
        self._over: asyncio.Event = asyncio.Event()

    # --- beginning ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Log in. From then on `platform` can write.

        Raises:
            SettingsError: DISCORD_BOT_TOKEN is not accepted, or no Discord API answers.
        """
        check_form(self._token)
        if self._api_url is not None:
            set_api(self._api_url)
        try:
            await self._client.login(self._token)
            if self._api_url is not None:
                await set_gateway(self._client.http)
        except (
            discord.LoginFailure,
            discord.HTTPException,
            aiohttp.ClientError,
            OSError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            await self._client.close()
            raise not_accepted(error, self._api_url) from None
        self._platform = Delivery(self._client, self._calls, self.installation, self._own)
        self._installations[self.installation] = self._platform

    @property
    def name(self) -> str:
        """See `bot.ports.Adapter.name`."""
        return "discord"

    @property
    def installations(self) -> Mapping[str, Platform]:
        """See `bot.ports.Adapter.installations`."""
        return self._installations

    @property
    def bots(self) -> Mapping[str, str]:
        """See `bot.ports.Adapter.bots`: the application, which its installation names already."""
        return {name: name.partition(":")[2] for name in self._installations}

    @property
    def installation(self) -> str:
        """`discord:<application id>`; known after `start`."""
        return f"discord:{self._client.application_id}"

    @property
    def platform(self) -> Delivery:
        """Where answers are written; exists after `start`."""
        if self._platform is None:
            raise RuntimeError("start() first")
        return self._platform

    async def listen(self, inbox: Inbox) -> None:
        """Hand messages to `inbox` until `stop_intake`, or stand by while another process does.

        Returns when Discord has accepted the connection, or another process was found to have one. Waits for the store
        and for Discord as long as it takes. Raises SettingsError when Discord refuses for good.
        """
        self._leadership = Leadership(inbox, self.installation, self._lease)
        await self._begin(self._take_turns(inbox, self._leadership), self._leadership.standing_by)

    async def _begin(self, listening: Coroutine[None, None, None], *else_when: asyncio.Event) -> None:
        """Return when Discord has accepted the connection, or another event comes. Raises SettingsError."""
        self._listening = asyncio.create_task(listening, name="discord gateway")
        self._listening.add_done_callback(self._ended)
        events = {asyncio.create_task(event.wait()) for event in (self._client.began, *else_when)}
        try:
            await asyncio.wait({self._listening, *events}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for event in events:
                event.cancel()
        if self._listening.done():
            await self._listening

    async def _take_turns(self, inbox: Inbox, leadership: Leadership) -> None:
        """Listen whenever it is this process's turn. Ends by being cancelled, or with SettingsError."""
        try:
            while True:
                await leadership.take()
                await self._serve(inbox, leadership)
                await leadership.leave()
                await asyncio.sleep(GIVE_WAY)
        finally:
            await leadership.leave()

    async def _serve(self, inbox: Inbox, leadership: Leadership) -> None:
        """Listen until another process does, or should."""
        if self._intake is not None:
            self._earlier = [earlier for earlier in (*self._earlier, self._intake) if earlier.reading]
        self._actions = self._actions or Actions(self._client, self._calls, self.installation, inbox)
        intake = self._intake = Intake(
            self._client, self.installation, inbox, self._follow_ups, self._own, bots=self._bots
        )
        tasks = [asyncio.create_task(it) for it in (self._connect(intake), leadership.keep(), self._grow_impatient())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(tasks)  # they only listen: no call of ours is cut off
            await intake.stop(STORE_GRACE)
        if not tasks[0].cancelled():
            await tasks[0]

    async def _grow_impatient(self) -> None:
        """Return when there was no connection for so long that another process might have better luck."""
        alone = 0.0
        while alone < self._hand_over_after:
            await asyncio.sleep(GLANCE)
            alone = 0.0 if self._client.connected else alone + GLANCE
        log.warning(
            "no connection to Discord for long, another process may try", extra={"seconds": self._hand_over_after}
        )

    async def _connect(self, intake: Intake) -> None:
        await intake.start()
        self._client.intake, self._client.actions = intake, self._actions
        await self._client.stay_connected()

    async def check(self) -> list[str]:
        """Try everything `run` would need; returns warnings. Raises SettingsError as `start` and `listen`.

        Connects only where the application's flags say that the intent is missing: Discord has the last word on that.
        """
        if self._platform is None:
            await self.start()
        if self._client.content_allowed or self._follow_ups == "mention" or not self._listens:
            return []
        try:
            async with asyncio.timeout(CHECK_WITHIN):
                await self._begin(self._client.stay_connected())
        except TimeoutError:
            return [f"the Message Content Intent seems to be switched off, which FOLLOW_UPS=all needs: {INTENT_CURE}"]
        return []

    def routes(self) -> Sequence[web.RouteDef]:
        """What the application's HTTP server must serve: nothing, the gateway brings everything."""
        return ()

    # --- while it runs --------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether messages arrive, here or at the process that this one stands by for."""
        return self._client.connected or self._stands_by

    @property
    def health(self) -> str:
        """The connection's state in a few words."""
        if self._client.connected:
            return f"connected as {self._client.user}"
        if self._stands_by:
            return f"standing by as {self._client.user}: another process is connected"
        return "not listening" if self._listening is None or self._listening.done() else "connecting"

    @property
    def _stands_by(self) -> bool:
        return self._leadership is not None and self._leadership.standing_by.is_set()

    async def closed(self) -> None:
        """Wait until nothing is listened to any more. Raises SettingsError when Discord refused the bot for good."""
        await self._over.wait()
        if self._listening is not None and not self._listening.cancelled() and (error := self._listening.exception()):
            raise error

    # --- the end --------------------------------------------------------------------------------------------

    async def stop_intake(self) -> None:
        """Listen no more; what was taken in goes to the store, then another process may listen. Writing goes on."""
        listening = self._listening
        if listening is not None and not listening.done():
            listening.cancel()
            await asyncio.wait({listening})
        self._over.set()

    async def close(self) -> None:
        """Stop, wait for the answer to every call, and disconnect. May be repeated."""
        await self.stop_intake()
        if self._actions is not None:
            await self._actions.close()
        await self._calls.close()
        for intake in (*self._earlier, self._intake):
            if intake is not None:
                await intake.close()
        await self._client.close()

    def _ended(self, listening: asyncio.Task[None]) -> None:
        self._over.set()
        if not listening.cancelled():
            listening.exception()  # fetched here, raised by `closed`
