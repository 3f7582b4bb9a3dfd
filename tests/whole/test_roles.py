"""Processes that share the work: what each role does, who takes over from whom, and what goes on between them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.app.app import open_store
from bot.app.roles import Role
from bot.app.settings import read
from bot.store.embedded import EmbeddedServer
from bot.turn import phrases
from sandbox.slack.delivery import Outcome
from sandbox.slack.http_events import HttpPush
from tests.store.backing import ask
from tests.whole.house import Discord, Side, Slack, start_process
from tests.whole.test_health import LONG, far_store, probing

Process = asyncio.subprocess.Process

PATIENCE = 60.0
"""Seconds that anything may take while a machine is busy starting processes."""

INTAKE = {"role": Role.INTAKE, "ANTHROPIC_API_KEY": ""}
WORKER = {"role": Role.WORKER, "SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": ""}
"""Each without what it must not need."""


@asynccontextmanager
async def processes(side: Side, tmp_path, *kinds: dict[str, Any]) -> AsyncIterator[list[Process]]:
    """Bots of these kinds, started one after the other, which share one DATA_DIR; those still there are killed."""
    started: list[Process] = []
    try:
        for kind in kinds:
            started += [await start_process(side, tmp_path, **kind)]
        yield started
    finally:
        for process in started:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await process.said  # type: ignore[attr-defined]
        async with EmbeddedServer(tmp_path / "process"):
            pass  # killed ones leave their server behind; whoever leaves last stops it


async def ended(process: Process) -> None:
    """Ask it to go, and see that it goes well."""
    process.terminate()
    async with asyncio.timeout(PATIENCE):
        assert await process.wait() == 0
    assert b"Traceback" not in await process.said  # type: ignore[attr-defined]


async def readiness(process: Process) -> dict[str, str] | None:
    """The problems that /readyz names; None when it is ready."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{process.port}/readyz") as answer,  # type: ignore[attr-defined]
    ):
        problems: dict[str, str] = (await answer.json())["problems"]
        return None if answer.status == 200 else problems


async def becomes_ready(process: Process) -> None:
    """Ask as a load balancer does until it is ready: between hanging up and standing by it is not, for a moment."""
    async with asyncio.timeout(PATIENCE):
        while await readiness(process) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def ways_in(side: Side) -> int:
    """How often somebody began to listen."""
    if isinstance(side, Slack):
        return len(list(side.journal.of("slack", "connected")))
    return len(list(side.journal.of("discord", "call", call="GATEWAY IDENTIFY")))


async def only_one_listens(discord: Discord) -> None:
    """Wait until all but one have hung up, which the journal does not tell."""
    async with asyncio.timeout(PATIENCE):
        while discord.server.connections != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


# --- apart --------------------------------------------------------------------------------------------------------


async def test_each_role_opens_its_own_side_only(side: Side, tmp_path):
    """A worker is ready and listens to nobody; an intake is ready and asks Claude nothing."""
    side.house.box.claude.answer("Together.")
    async with processes(side, tmp_path, WORKER) as [worker]:
        assert await readiness(worker) is None
        assert ways_in(side) == 0
        asked = len(list(side.journal.of("claude", "call")))
        async with processes(side, tmp_path, INTAKE) as [intake]:
            assert await readiness(intake) is None
            assert ways_in(side) > 0
            assert len(list(side.journal.of("claude", "call"))) == asked
            await side.ask("Anybody?")
            await side.shows("Together.")
            await ended(intake)
        await ended(worker)
    assert len(side.house.box.claude.asked()) == 1


async def test_what_was_taken_in_waits_for_a_worker(slack: Slack, tmp_path):
    """A message that was accepted while there was no worker is answered by one that comes later, alone."""
    slack.house.box.claude.answer("Answered later.")
    async with processes(slack, tmp_path, INTAKE) as [intake]:
        await slack.ask("Anybody?")
        await slack.house.until(lambda: list(slack.journal.of("slack", "ack")))
        await ended(intake)
    async with processes(slack, tmp_path, WORKER):
        await slack.shows("Answered later.")


async def test_intake_and_worker_make_one_bot(side: Side, tmp_path):
    """Questions, follow-ups, direct messages and `stop` go by the intake to the worker, and each is answered once."""
    claude = side.house.box.claude
    for text in ("One.", "Two.", "Three."):
        claude.answer(text)
    claude.answer(LONG * 20, rate=20)
    async with processes(side, tmp_path, INTAKE, WORKER) as both:
        root = await side.ask("First?")
        await side.shows("One.")
        await side.follow_up(root, "Second?")
        await side.shows("One.", "Two.")
        await side.direct("Third?")
        await side.shows("One.", "Two.", "Three.")
        await side.follow_up(root, "Fourth?")
        await side.shows_text("An answer")
        await side.follow_up(root, "stop")
        await side.shows_text("(Stopped.)")
        for process in both:
            await ended(process)
    assert len(claude.asked()) == 4


@pytest.mark.parametrize("kinds", [[{}, {}], [INTAKE, WORKER]], ids=["all", "apart"])
async def test_a_person_stops_by_deleting(side: Side, tmp_path, kinds: list[dict[str, Any]]):
    """A person's deletion of the growing message ends the answer, whichever process hears of it."""
    side.house.box.claude.answer(LONG * 20, rate=20)
    side.house.box.claude.answer("The next one.")
    async with processes(side, tmp_path, *kinds) as running:
        root = await side.ask("Well?")
        growing = await side.shows_text("An answer")
        await side.delete(growing)
        await side.follow_up(root, "And now?")
        await side.shows_text("The next one.")
        assert [shown.id for shown in side.answers() if "An answer" in shown.text] == []
        for process in running:
            await ended(process)


async def test_what_the_bot_deletes_is_no_stop(discord: Discord, tmp_path):
    """A placeholder that a worker removes after another one's death is heard of by the intake, and stops nothing."""
    claude = discord.house.box.claude
    claude.answer("Never seen.", first_delay=600)
    claude.answer("The whole answer.", first_delay=1.0)
    async with processes(discord, tmp_path, INTAKE, WORKER, WORKER) as [intake, *workers]:
        await discord.ask("Well?")
        await discord.house.until(lambda: discord.texts == ["…"])
        await discord.house.until(claude.asked)
        both = [worker for worker in workers if worker.returncode is None]
        for worker in both:
            worker.kill()
            await worker.wait()
        async with processes(discord, tmp_path, WORKER):
            await discord.shows("The whole answer.", timeout=PATIENCE)
            assert list(discord.journal.of("discord", "deleted"))
            await discord.house.until(lambda: discord.texts == ["The whole answer."])
        await ended(intake)


async def test_leases_of_the_living_are_left_alone(tmp_path):
    """A process that starts beside another one breaks none of its leases; one that is alone waits for no dead one's."""
    settings, ours = read(_env_file=None, data_dir=tmp_path), ["slack:T1"]
    async with open_store(settings, ours) as first:
        await first.submit(ask())
        claim = await first.claim(ours, "first", 15.0)
        async with open_store(settings, ours) as second:
            assert await second.claim(ours, "second", 15.0) is None
    async with open_store(settings, ours) as alone:
        again = await alone.claim(ours, "alone", 15.0)
    assert claim is not None
    assert again is not None
    assert again.turn_id == claim.turn_id


# --- several intakes ----------------------------------------------------------------------------------------------


class Everywhere:
    """Gives every event to every intake, as a load balancer and Slack's repetitions might at worst."""

    name = "http"

    def __init__(self, pushes: list[HttpPush]) -> None:
        self._pushes = pushes

    async def deliver(self, body: dict[str, Any], attempt: int, reason: str, patience: float) -> Outcome:
        outcomes = await asyncio.gather(*(push.deliver(body, attempt, reason, patience) for push in self._pushes))
        return Outcome(acked=all(outcome.acked for outcome in outcomes))


async def shows_all(slack: Slack, texts: list[str]) -> None:
    """Wait until readers see these answers, in whatever order."""
    await slack.house.until(lambda: sorted(slack.texts) == texts, f"{texts}", timeout=PATIENCE)


async def tell_again(slack: Slack) -> None:
    """Let Slack deliver every event once more, and see that each is acknowledged."""
    acks = len(list(slack.journal.of("slack", "ack")))
    events = list(slack.server.events.deliveries)
    for event in events:
        await slack.server.redeliver(event)
    await slack.house.until(
        lambda: len(list(slack.journal.of("slack", "ack"))) >= acks + len(events), "the acks", timeout=PATIENCE
    )


async def test_several_intakes_over_http(slack: Slack, tmp_path):
    """What Slack tells several intakes at the same moment is answered once."""
    claude = slack.house.box.claude
    texts = [f"Answer {number}." for number in range(8)]
    for text in texts:
        claude.answer(text)
    http = INTAKE | {"SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": slack.server.signing_secret}
    async with processes(slack, tmp_path, http, http, WORKER) as running:
        addresses = [f"http://127.0.0.1:{process.port}/slack/events" for process in running[:2]]  # type: ignore[attr-defined]
        pushes = [await slack.server.push_to(addresses[0])]
        pushes.append(HttpPush(addresses[1], slack.server.signing_secret))
        slack.server.events.transport = Everywhere(pushes)  # type: ignore[assignment]
        for number in range(7):
            await slack.ask(f"Question {number}?")
        await shows_all(slack, texts[:7])
        await tell_again(slack)
        await slack.ask("Question 7?")
        await shows_all(slack, texts)
        for process in running:
            await ended(process)
        await pushes[1].close()
    assert sorted(slack.texts) == texts
    assert len(claude.asked()) == 8


async def test_several_intakes_over_sockets(slack: Slack, tmp_path):
    """Each of two intakes has its own connections; one that is killed loses nothing, and nothing is answered twice."""
    slack.server.events.retry_delays = (0.2,) * 30
    claude = slack.house.box.claude
    texts = [f"Answer {number}." for number in range(8)]
    for text in texts:
        claude.answer(text)
    async with processes(slack, tmp_path, INTAKE, INTAKE, WORKER) as [first, *others]:
        for number in range(4):
            await slack.ask(f"Question {number}?")
        first.kill()
        for number in range(4, 7):
            await slack.ask(f"Question {number}?")
        await shows_all(slack, texts[:7])
        await tell_again(slack)
        await slack.ask("Question 7?")
        await shows_all(slack, texts)
        for process in others:
            await ended(process)
    assert sorted(slack.texts) == texts
    assert len(claude.asked()) == 8


# --- one listens to Discord, the others stand by ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "kinds"),
    [(signal.SIGKILL, [INTAKE, INTAKE, WORKER]), (signal.SIGTERM, [{"LEASE_SECONDS": "5m"}] * 2)],
    ids=["killed", "told to go"],
)
async def test_who_stands_by_takes_over(discord: Discord, tmp_path, how: signal.Signals, kinds: list[dict[str, Any]]):
    """When who listens dies or leaves, who stands by listens; what was asked meanwhile is answered, and once."""
    claude = discord.house.box.claude
    for text in ("Before.", "Meanwhile.", "After."):
        claude.answer(text)
    async with processes(discord, tmp_path, *kinds) as [leader, other, *_]:
        assert await readiness(other) is None
        await discord.ask("One?")
        await discord.shows("Before.")
        assert ways_in(discord) == 1
        leader.send_signal(how)
        await leader.wait()
        await discord.ask("Two?")
        await discord.shows("Before.", "Meanwhile.", timeout=PATIENCE)
        await discord.ask("Three?")
        await discord.shows("Before.", "Meanwhile.", "After.")
        assert ways_in(discord) == 2
        assert await readiness(other) is None
        await ended(other)
    assert len(claude.asked()) == 3


async def test_who_slept_through_its_lease_hangs_up(discord: Discord, tmp_path):
    """A process that was frozen finds another one listening, and stands by; what both heard is answered once."""
    claude = discord.house.box.claude
    for text in ("Before.", "Meanwhile.", "After."):
        claude.answer(text)
    async with processes(discord, tmp_path, INTAKE, INTAKE, WORKER) as [leader, other, _]:
        await discord.ask("One?")
        await discord.shows("Before.")
        leader.send_signal(signal.SIGSTOP)
        await discord.ask("Two?")
        await discord.shows("Before.", "Meanwhile.", timeout=PATIENCE)
        leader.send_signal(signal.SIGCONT)
        await only_one_listens(discord)
        await discord.ask("Three?")
        await discord.shows("Before.", "Meanwhile.", "After.")
        assert ways_in(discord) == 2
        await becomes_ready(leader)
        await ended(leader)
        await ended(other)
    assert len(claude.asked()) == 3


# --- what they say of themselves ----------------------------------------------------------------------------------


async def test_an_intake_notices_an_outage_by_itself(side: Side, tmp_path):
    """With no message and no worker to ask it, an intake knows that Redis is away, and that it is back."""
    async with (
        far_store(tmp_path) as (between, url),
        side.house.bot(role=Role.INTAKE, redis_url=url, anthropic_api_key=None) as app,
        probing(app) as probe,
    ):
        assert await probe.becomes(200) == {}
        between.leave()
        assert await probe.becomes(503) == {"store": "Redis does not answer"}
        between.away = False
        assert await probe.becomes(200) == {}


async def test_a_busy_worker_notices_an_outage(side: Side, tmp_path):
    """A worker whose every hand is full, which claims nothing, knows that Redis is away, and that it is back."""
    side.house.box.claude.answer(LONG * 20, rate=20)
    async with (
        far_store(tmp_path) as (between, url),
        side.house.bot(redis_url=url, max_concurrent_turns=1, drain_seconds=0.0) as app,
        probing(app) as probe,
    ):
        await side.ask("Well?")
        await side.shows_text("An answer")
        between.leave()
        assert await probe.becomes(503) == {"store": "Redis does not answer"}
        between.away = False
        assert await probe.becomes(200) == {}
    assert phrases.INTERRUPTED_AGAIN in side.texts[0]
