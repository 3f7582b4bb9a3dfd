"""A Redis that takes no writes or has forgotten everything, and a question that kills whoever takes it."""

from __future__ import annotations

import asyncio
import logging
import signal
import time

import pytest
import redis

from bot.store.embedded import EmbeddedServer
from bot.turn import phrases
from tests.whole.house import Side, Slack, start_process
from tests.whole.test_health import LONG, SECONDS, probing

SPOKEN = 40
"""Warnings and errors a second that count as a loop."""


@pytest.mark.parametrize(
    ("side", "breaks", "mends", "sentence"),
    [
        ("slack", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "is full"),
        ("discord", "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "is read-only"),
    ],
    indirect=["side"],
    ids=["full", "read-only"],
)
async def test_redis_that_takes_no_writes(side: Side, tmp_path, caplog, breaks: str, mends: str, sentence: str):
    """For several leases an answer goes on; it is said what is wrong, nothing spins, and then all is answered once."""
    claude, lease = side.house.box.claude, 3.0
    claude.answer(LONG, rate=len(LONG.split()) / (2 * lease))
    claude.answer("After.")
    if isinstance(side, Slack):
        side.server.events.ack_timeout = 1.5
        side.server.events.retry_delays = (0.2,) * 60
    async with (
        EmbeddedServer(tmp_path / "far") as server,
        side.house.bot(redis_url=server.url, lease_seconds=lease) as app,
    ):
        with redis.Redis.from_url(server.url) as node:
            await side.ask("First?")
            await side.shows_text("An answer")
            began = time.monotonic()
            node.execute_command(*breaks.split())
            await side.shows(LONG.strip(), timeout=SECONDS)
            await side.ask("Second?")
            async with probing(app) as probe:
                assert list(await probe.becomes(503)) == ["store"]
                while time.monotonic() < began + 3 * lease:
                    assert (await probe.get("/readyz"))[0] == 503
                    await asyncio.sleep(0.05)
            node.execute_command(*mends.split())
            await side.shows(LONG.strip(), "After.", timeout=SECONDS)
            seconds = time.monotonic() - began
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert any(sentence in str(getattr(record, "error", "")) for record in said)
    assert not any(record.exc_info for record in said)
    assert len(said) < SPOKEN * seconds
    assert len(claude.asked()) == 2


async def test_redis_that_forgot_everything(side: Side, tmp_path, caplog):
    """When Redis comes back empty in the middle of an answer, it goes on to its end and is remembered."""
    claude = side.house.box.claude
    claude.answer(LONG * 2, rate=30)
    claude.answer("The second answer.")
    async with EmbeddedServer(tmp_path / "far") as server, side.house.bot(redis_url=server.url, lease_seconds=3.0):
        root = await side.ask("First?")
        await side.shows_text("An answer")
        with redis.Redis.from_url(server.url) as node:
            node.flushall()
            node.script_flush()
        await side.shows((LONG * 2).strip())
        await side.follow_up(root, "Second?")
        await side.shows((LONG * 2).strip(), "The second answer.")
    assert LONG.strip() in str(claude.asked()[1]["messages"][1])
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert any("forgot a running turn" in record.getMessage() for record in said)
    assert len(said) < SPOKEN
    assert len(claude.asked()) == 2


async def test_a_question_that_kills_every_worker(slack: Slack, tmp_path):
    """A question whose every worker dies ends with an apology after five, nothing is left of them, and it goes on."""
    claude = slack.house.box.claude
    claude.answer(LONG * 20, rate=25, times=5)
    claude.answer("The next answer.")
    root = ""
    for death in range(5):
        process = await start_process(slack, tmp_path)
        root = root or await slack.ask("Poison?")
        await slack.house.until(lambda n=death: len(claude.asked()) > n, f"request {death}", SECONDS)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    process = await start_process(slack, tmp_path)
    await slack.shows_text(phrases.APOLOGY)
    ends = {phrases.APOLOGY, phrases.INTERRUPTED_AGAIN}
    await slack.house.until(lambda: ends.issuperset(slack.texts), "nothing left of the dead", SECONDS)
    await slack.follow_up(root, "Water?")
    await slack.shows_text("The next answer.")
    assert len(claude.asked()) == 6
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(SECONDS):
        assert await process.wait() == 0
