"""What the process says of itself, how it leaves when told to, and what it does while Redis is away."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.app.app import App
from bot.store.embedded import EmbeddedServer
from bot.turn import phrases
from sandbox.faults import Fault
from tests.store.proxy import Proxy, proxy
from tests.whole.house import Side, Slack, start_process

LONG = "An answer that goes on for a while, and then a little more. " * 4
SECONDS = 20.0


@asynccontextmanager
async def far_store(tmp_path) -> AsyncIterator[tuple[Proxy, str]]:
    """A server of its own behind a way that can be cut, and the REDIS_URL of that way."""
    async with EmbeddedServer(tmp_path / "far") as server, proxy(server.url) as between:
        yield between, f"redis://127.0.0.1:{between.port}"


class Probe:
    """What a load balancer asks."""

    def __init__(self, app: App, session: aiohttp.ClientSession) -> None:
        self._app, self._session = app, session

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        async with self._session.get(f"http://127.0.0.1:{self._app.http_port}{path}") as answer:
            return answer.status, await answer.json()

    async def becomes(self, status: int) -> dict[str, str]:
        """Ask /readyz, as a load balancer does, until it answers `status`; returns the problems. /livez stays."""
        async with asyncio.timeout(SECONDS):
            while (found := await self.get("/readyz"))[0] != status:
                assert await self.get("/livez") == (200, {"status": "alive"})
                await asyncio.sleep(0.05)
        problems: dict[str, str] = found[1]["problems"]
        assert found[1]["status"] == ("not ready" if problems else "ready")
        return problems


@asynccontextmanager
async def probing(app: App) -> AsyncIterator[Probe]:
    async with aiohttp.ClientSession() as session:
        yield Probe(app, session)


async def serving(app: App) -> None:
    """Wait until the HTTP server listens, which is before anything else does."""
    while not app.http_port:  # noqa: ASYNC110 - outsiders are told by the log alone
        await asyncio.sleep(0.02)


async def gone(side: Side) -> None:
    """Wait until the bot listens no more."""
    server = side.server.sockets if isinstance(side, Slack) else side.server
    await side.house.until(lambda: not server.connections, "the end of listening")


# --- what it says of itself -------------------------------------------------------------------------------------


async def test_ready_while_the_store_answers(side: Side, tmp_path):
    """While Redis is away the process lives and is not ready, and says why; it is ready again by itself."""
    side.house.box.claude.answer("Here again.")
    async with far_store(tmp_path) as (between, url), side.house.bot(redis_url=url) as app, probing(app) as probe:
        assert await probe.becomes(200) == {}
        between.leave()
        assert await probe.becomes(503) == {"store": "Redis does not answer"}
        between.away = False
        assert await probe.becomes(200) == {}
        await side.ask("Are you there?")
        await side.shows("Here again.")


async def test_ready_while_the_platform_is_connected(side: Side):
    """While the platform's socket is gone the process is not ready, and names the platform; then it is again."""
    side.house.box.claude.answer("Here again.")
    async with side.house.bot() as app, probing(app) as probe:
        assert await probe.becomes(200) == {}
        if isinstance(side, Slack):
            side.server.sockets.refusing = "internal_error"
            side.server.sockets.drop()
        else:
            side.server.faults.add(Fault("GATEWAY connect", "status", status=503, times=2))
            await side.server.drop_sockets()
        [(name, problem)] = (await probe.becomes(503)).items()
        assert name.startswith(f"{side.name}:")
        assert "connect" in problem
        if isinstance(side, Slack):
            side.server.sockets.refusing = ""
        assert await probe.becomes(200) == {}
        await side.ask("Are you there?")
        await side.shows("Here again.")


async def test_not_ready_before_and_after(side: Side):
    """Before the platform has accepted it, and while it lets its last answer finish, the process is not ready."""
    side.house.box.claude.answer(LONG, rate=30)
    if isinstance(side, Slack):
        side.server.faults.add(Fault("socket.connect", "delay", seconds=0.5, times=2))
    else:
        side.server.faults.add(Fault("GATEWAY connect", "delay", seconds=0.5))
    app = App(side.house.settings())
    running = asyncio.create_task(app.run())
    async with probing(app) as probe, asyncio.timeout(SECONDS):
        await serving(app)
        assert (await probe.get("/readyz"))[0] == 503
        assert await probe.becomes(200) == {}
        await side.ask("Well?")
        await side.shows_text("An answer")
        app.stop()
        assert (await probe.becomes(503))["process"] == "shutting down"
        assert await probe.get("/livez") == (200, {"status": "alive"})
        await running
    assert side.texts == [LONG.strip()]


# --- how it leaves ----------------------------------------------------------------------------------------------


async def test_sigterm_lets_the_answer_finish(side: Side, tmp_path):
    """SIGTERM takes nothing new, lets the running answer finish and exits 0; what came meanwhile is not lost."""
    claude = side.house.box.claude
    claude.answer(LONG, rate=25)
    claude.answer("The second answer.")
    if isinstance(side, Slack):
        side.server.events.retry_delays = (1.0,) * 30
    process = await start_process(side, tmp_path)
    await side.ask("First?")
    await side.shows_text("An answer")
    process.send_signal(signal.SIGTERM)
    await gone(side)
    await side.ask("Second?")
    assert await process.wait() == 0
    assert side.texts == [LONG.strip()]
    assert b"Traceback" not in await process.said
    async with side.house.bot(data_dir=tmp_path / "process"):
        await side.shows(LONG.strip(), "The second answer.", timeout=SECONDS)


@pytest.mark.parametrize(
    ("side", "numbers"),
    [("slack", [signal.SIGINT, signal.SIGTERM]), ("discord", [signal.SIGTERM])],
    indirect=["side"],
)
async def test_out_of_time(side: Side, tmp_path, numbers: list[signal.Signals]):
    """When DRAIN_SECONDS end, or a second signal comes, the answer ends with the note; the next start answers anew."""
    claude = side.house.box.claude
    claude.answer(LONG * 20, rate=25)
    claude.answer("The whole answer.")
    process = await start_process(side, tmp_path, DRAIN_SECONDS="300ms" if len(numbers) == 1 else "60s")
    await side.ask("Well?")
    await side.shows_text("An answer")
    for number in numbers:
        process.send_signal(number)
        await gone(side)
    async with asyncio.timeout(SECONDS):
        assert await process.wait() == 0
    assert b"Traceback" not in await process.said
    [partial] = side.texts
    body, _, note = partial.rpartition("\n\n")
    assert note == phrases.INTERRUPTED_AGAIN
    assert (LONG * 20).startswith(body)
    async with side.house.bot(data_dir=tmp_path / "process"):
        await side.shows(partial, "The whole answer.")
    assert claude.asked()[0]["messages"] == claude.asked()[1]["messages"]


@pytest.mark.parametrize(("side", "number"), [("slack", signal.SIGTERM), ("discord", signal.SIGINT)], indirect=["side"])
async def test_a_signal_while_it_starts(side: Side, tmp_path, number: signal.Signals):
    """A process that is told to go while it waits for a platform to let it in goes at once, with status 0."""
    login = "auth.test" if isinstance(side, Slack) else "GET *"
    side.server.faults.add(Fault(login, "delay", seconds=600))
    process = await start_process(side, tmp_path, until=b"")
    await side.house.until(lambda: list(side.journal.of(side.name, "fault")), "the first call")
    process.send_signal(number)
    async with asyncio.timeout(SECONDS):
        assert await process.wait() == 0
    assert b"Traceback" not in await process.said


async def test_a_stop_while_nothing_connects(side: Side):
    """Told to stop while the platform's socket cannot be had, for which it would wait for ever, it stops at once."""
    if isinstance(side, Slack):
        side.server.sockets.refusing = "internal_error"
    else:
        side.server.faults.add(Fault("GATEWAY connect", "status", status=503, times=None))
    app = App(side.house.settings())
    running = asyncio.create_task(app.run())
    async with asyncio.timeout(SECONDS):
        await serving(app)
        await side.house.until(lambda: list(side.journal.of(side.name, "call")))
        app.stop()
        await running
    assert not app.ready.is_set()


# --- while Redis is away ----------------------------------------------------------------------------------------


async def test_redis_away_in_the_middle_of_an_answer(side: Side, tmp_path):
    """The answer goes on and finishes on the screen; it is remembered when Redis is back."""
    claude = side.house.box.claude
    claude.answer(LONG, rate=30)
    claude.answer("The second answer.")
    async with far_store(tmp_path) as (between, url), side.house.bot(redis_url=url):
        root = await side.ask("First?")
        await side.shows_text("An answer")
        between.leave()
        await side.shows(LONG.strip())
        between.away = False
        await side.follow_up(root, "Second?")
        await side.shows(LONG.strip(), "The second answer.")
    roles = [message["role"] for message in claude.asked()[1]["messages"]]
    assert roles == ["user", "assistant", "user"]
    assert LONG.strip() in str(claude.asked()[1]["messages"][1])


async def test_what_comes_while_redis_is_away(side: Side, tmp_path):
    """What is written while Redis is away is answered once when it is back; Slack is not told that it arrived."""
    claude = side.house.box.claude
    claude.answer("Before.")
    claude.answer("After.")
    if isinstance(side, Slack):
        side.server.events.ack_timeout = 1.5
        side.server.events.retry_delays = (0.2,) * 30
    async with far_store(tmp_path) as (between, url), side.house.bot(redis_url=url) as app, probing(app) as probe:
        await side.ask("First?")
        await side.shows("Before.")
        await probe.becomes(200)
        between.leave()
        await side.ask("Second?")
        await probe.becomes(503)
        if isinstance(side, Slack):
            await side.house.until(lambda: list(side.journal.of("slack", "unacked")), "no acknowledgement")
        between.away = False
        await side.shows("Before.", "After.", timeout=SECONDS)
        if isinstance(side, Slack):
            events = {event["id"] for event in side.journal.of("slack", "event")}
            await side.house.until(lambda: events <= {ack["id"] for ack in side.journal.of("slack", "ack")}, "the acks")
    assert len(claude.asked()) == 2
    assert side.texts == ["Before.", "After."]
