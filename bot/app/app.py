"""The only place where objects are built: settings become a running bot, which starts, drains and stops in order.

One process has one store, one HTTP server (health and Slack's events) and an adapter for every platform that has a
token; unless it is an intake only, also one Claude client, one pacer and one worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from aiohttp import web
from pydantic import SecretStr

from bot.app import preflight
from bot.app.health import Health
from bot.app.http import serve
from bot.app.roles import Role
from bot.app.settings import Settings, WrongSettings, doubtful
from bot.backoff import backoff
from bot.claude import Claude
from bot.errors import BotError, SettingsError
from bot.intake import Access, Reception
from bot.pacing import Pacer
from bot.ports import Adapter, Model, Platform
from bot.store import EmbeddedServer, RedisStore
from bot.terminal import Chat, choose_session, note_session
from bot.turn import Alerts, Policy, Services
from bot.worker import StoreWatch, Worker

log = logging.getLogger(__name__)

LONG_REST = 60.0
"""Seconds of a rest that a platform asks for, above which `/readyz` tells of it."""

APART = (
    "REDIS_URL is not set: this process shares its work only with those on this machine that have the same DATA_DIR; "
    "set REDIS_URL to a Redis that all of them reach."
)


def adapters(settings: Settings, role: Role = Role.ALL) -> list[Adapter]:
    """Build an adapter for every platform that has a token; their libraries are imported only then."""
    built: list[Adapter] = []
    if settings.slack_bot_token:
        from adapters.slack.adapter import SlackAdapter  # noqa: PLC0415 - slack_bolt is imported only where it is used

        built.append(
            SlackAdapter(
                settings.slack_bot_token.get_secret_value(),
                _value(settings.slack_app_token),
                _value(settings.slack_signing_secret),
                api_url=settings.slack_api_url,
                follow_ups=settings.follow_ups,
                bots=settings.allowed_bots,
                listens=role.listens,
            )
        )
    if settings.discord_bot_token:
        from adapters.discord.adapter import DiscordAdapter  # noqa: PLC0415 - as above

        built.append(
            DiscordAdapter(
                settings.discord_bot_token.get_secret_value(),
                api_url=settings.discord_api_url,
                follow_ups=settings.follow_ups,
                bots=settings.allowed_bots,
                listens=role.listens,
                lease=settings.lease_seconds,
            )
        )
    return built


def _value(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None


def claude(settings: Settings) -> Claude:
    """Build the process's one Claude client."""
    return Claude(
        api_key=preflight.key(settings),
        base_url=settings.anthropic_base_url,
        model=settings.claude_model,
        small_model=settings.claude_small_model,
        max_tokens=settings.claude_max_tokens,
        concurrency=settings.max_concurrent_turns,
    )


@asynccontextmanager
async def open_claude(settings: Settings) -> AsyncIterator[Claude]:
    """Open the client and see that the configured models are there. Raises SettingsError."""
    model = claude(settings)
    try:
        for warning in await model.check():
            log.warning(warning)
        yield model
    finally:
        await model.close()


def jittered(attempt: int, retry_after: float | None) -> float:
    """Seconds to wait before asking Claude for the n-th time again (from 1)."""
    return backoff(attempt, retry_after, rng=_RANDOM)


_RANDOM = random.Random()  # noqa: S311 - jitter


def policy(settings: Settings) -> Policy:
    """The operator's choices that concern a turn."""
    return Policy(
        system_prompt=settings.system_prompt,
        access=Access(
            settings.allowed_users,
            settings.allowed_channels,
            settings.allowed_workspaces,
            external=settings.external == "allow",
            admins=settings.admins,
            denied=settings.denied_users,
            roles=settings.allowed_roles,
        ),
        keep_partials=settings.on_interrupt == "keep",
        max_attempts=settings.max_attempts,
        busy_timeout=settings.busy_timeout,
        context_tokens=settings.context_tokens,
        max_parts=settings.max_parts,
        notify_after=settings.notify_after,
    )


@asynccontextmanager
async def open_store(
    settings: Settings,
    installations: Collection[str] = (),
    bots: Mapping[str, str] | None = None,
    *,
    warn: Callable[[str], object] = log.warning,
) -> AsyncIterator[RedisStore]:
    """Open the store: the embedded server unless REDIS_URL is set. A lone process does not wait for its own old leases.

    Args:
        settings: the operator's choices.
        installations: whose old leases a lone process breaks.
        bots: who the bot is in each of them; see `bot.ports.Adapter.bots`.
        warn: told what is wrong with the server, though it works.

    Raises:
        SettingsError: the server cannot be reached or started.
    """
    async with AsyncExitStack() as stack:
        server: EmbeddedServer | None = None
        if settings.redis_url:
            url, origin = settings.redis_url.get_secret_value(), "REDIS_URL"
        else:
            server = await stack.enter_async_context(EmbeddedServer(settings.data_dir, private=True))
            url, origin = server.url, "DATA_DIR"
        store = RedisStore(url, history_ttl=settings.history_ttl, prefix=settings.redis_prefix)
        stack.push_async_callback(store.close)
        try:
            for warning in await store.check():
                warn(warning)
            for installation, bot in (bots or {}).items():
                await store.identify(installation, bot)
        except BotError as error:
            cure = " Mend that, or unset it to use the embedded server." if settings.redis_url else ""
            raise SettingsError(f"{origin}: {error}{cure}") from None
        if server is not None:
            if server.alone:
                await store.break_leases(installations)
            server.admit()
        yield store


@asynccontextmanager
async def open_chat(settings: Settings, resume: str | None) -> AsyncIterator[Chat]:
    """Open a session in the terminal, with the same Claude and the same store as `run`.

    Args:
        settings: the operator's choices.
        resume: the session to go on with, "" for the last one; None for a new one.
    """
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(open_claude(settings))
        store = await stack.enter_async_context(open_store(settings))
        name = choose_session(settings.data_dir, resume)
        kept = partial(note_session, settings.data_dir, name)
        yield Chat(model, store, policy(settings), jittered, name, on_kept=kept)


def _problems(
    watch: StoreWatch, built: Sequence[Adapter], alerts: Alerts, role: Role, pacer: Pacer | None
) -> Mapping[str, str]:
    """What is wrong now, by what it is wrong with; empty texts where all is well."""
    found = {"store": "" if watch.answers else "Redis does not answer"}
    for adapter in built:
        deaf = adapter.health if role.listens and not adapter.connected else ""
        found.update({installation: deaf or alerts.of(installation) for installation in adapter.installations})
    if pacer is not None:
        rests = pacer.resting(LONG_REST)
        found.update({name: f"the platform asked for a rest of {left:.0f} s more" for name, left in rests.items()})
    return found


class _Installations(Mapping[str, Platform]):
    """Where answers are written, of all adapters by installation; live."""

    def __init__(self, built: Sequence[Adapter]) -> None:
        self._adapters = built

    def __getitem__(self, installation: str) -> Platform:
        for adapter in self._adapters:
            if installation in adapter.installations:
                return adapter.installations[installation]
        raise KeyError(installation)

    def __iter__(self) -> Iterator[str]:
        return iter([installation for adapter in self._adapters for installation in adapter.installations])

    def __len__(self) -> int:
        return sum(len(adapter.installations) for adapter in self._adapters)


class App:
    """The running bot.

    Args:
        settings: the operator's choices.
        role: what this process does.
        model: asked in place of the Claude that `settings` name; closed by whoever built it.
        waits: how long to wait before asking Claude again, as `Services.backoff`.
        build: makes the adapters.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        role: Role = Role.ALL,
        model: Model | None = None,
        waits: Callable[[int, float | None], float] = jittered,
        build: Callable[[Settings, Role], list[Adapter]] = adapters,
    ) -> None:
        self._settings, self._role = settings, role
        self._model, self._waits, self._build = model, waits, build
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        self._stopped_by: int | None = None
        self._asking: asyncio.Timeout | None = None
        self.http_port = 0
        """The port the HTTP server listens on, once `ready` is set."""
        self.ready = asyncio.Event()

    def stop(self) -> None:
        """Shut down: the first call drains, the second hurries; while everybody is being asked it ends that."""
        (self._hurry if self._stop.is_set() else self._stop).set()
        if self._asking is not None:
            with contextlib.suppress(RuntimeError):  # all have answered
                self._asking.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Run until `stop` is called, SIGTERM or SIGINT.

        Raises:
            SettingsError: something the operator must mend, found at start or said by a platform later.
        """
        if problems := preflight.wrong(self._settings, self._role, asks=self._model is None):
            raise WrongSettings(problems)
        for line in doubtful():
            log.warning(line)
        built = self._build(self._settings, self._role)
        with self._signals():
            async with AsyncExitStack() as stack:
                model: Model | None = None
                asked = False
                self._asking = asking = asyncio.timeout(None)
                try:
                    async with asking:
                        model = await self._ask_everybody(built, stack)
                        asked = True
                except TimeoutError:
                    if not asking.expired():
                        raise
                if asked and not self._stop.is_set():
                    await self._start(model, built, stack)
                log.info("stopped")

    async def _ask_everybody(self, built: Sequence[Adapter], stack: AsyncExitStack) -> Model | None:
        """Find out whether the keys and tokens are good. May be cut short: it only asks.

        Returns what answers; None where nothing is answered here.
        """
        model = self._model if self._role.answers else None
        if model is None and self._role.answers:
            model = await stack.enter_async_context(open_claude(self._settings))
        for adapter in built:
            stack.push_async_callback(adapter.close)
            await adapter.start()
        return model

    async def _start(self, model: Model | None, built: Sequence[Adapter], stack: AsyncExitStack) -> None:
        settings, role = self._settings, self._role
        if role is not Role.ALL and settings.redis_url is None:
            log.warning(APART)
        platforms = _Installations(built)
        bots = {installation: bot for adapter in built for installation, bot in adapter.bots.items()}
        store = await stack.enter_async_context(open_store(settings, platforms, bots))
        watch = StoreWatch(store, platforms)
        chosen, alerts = policy(settings), Alerts()
        worker: Worker | None = None
        pacer: Pacer | None = None
        if model is not None:
            pacer = Pacer(shared=store.rate_limits)
            stack.push_async_callback(pacer.close)
            worker = Worker(
                Services(model=model, store=store, pacer=pacer, policy=chosen, backoff=self._waits, alerts=alerts),
                platforms,
                name=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
                lease=settings.lease_seconds,
                limit=settings.max_concurrent_turns,
                watch=watch,
            )
        health = Health(partial(_problems, watch, built, alerts, role, pacer))
        application = web.Application()
        application.add_routes(health.routes())
        for adapter in built:
            application.add_routes(adapter.routes())
        self.http_port = await stack.enter_async_context(serve(application, settings.http_host, settings.http_port))
        log.info("health on http", extra={"address": f"http://{settings.http_host}:{self.http_port}"})
        listening = built if role.listens else ()
        await self._work(worker, watch, listening, Reception(store, chosen.access), health)

    async def _work(
        self, worker: Worker | None, watch: StoreWatch, built: Sequence[Adapter], inbox: Reception, health: Health
    ) -> None:
        """Answer, where there is a worker, and take in what the adapters bring, until told to stop."""
        own = [asyncio.create_task(watch.run(), name="store watch")]
        if worker is not None:
            own.append(asyncio.create_task(worker.run(), name="worker"))
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        deaf = {adapter.name for adapter in built}

        def heard(name: str = "") -> None:
            deaf.discard(name)
            if not deaf:
                log.info("ready", extra={"role": self._role.value})
                self.ready.set()

        async def attend(adapter: Adapter) -> None:
            await adapter.listen(inbox)
            log.info("listening", extra={"platform": adapter.health})
            heard(adapter.name)
            await adapter.closed()

        attending = [asyncio.create_task(attend(adapter), name=adapter.name) for adapter in built]
        if not built:
            heard()
        try:
            await asyncio.wait({*own, stopping, *attending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            health.stopping = True
            log.info("shutting down: no new messages are taken")
            for task in (stopping, *attending):
                task.cancel()
            await asyncio.wait({stopping, *attending})
            await asyncio.gather(*(adapter.stop_intake() for adapter in built))
            if worker is not None:
                await worker.drain(self._settings.drain_seconds, self._hurry)
            own[0].cancel()
            results = await asyncio.gather(*own, stopping, *attending, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
            if self._stopped_by is not None:
                # Another one in the last moments of the process must not change its exit status.
                signal.signal(self._stopped_by, signal.SIG_IGN)

    def _signalled(self, number: int) -> None:
        self._stopped_by = number
        self.stop()
