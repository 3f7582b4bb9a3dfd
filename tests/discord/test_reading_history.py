"""Reading what was missed: pages that fail, what comes in meanwhile, and a stop in the middle."""

from __future__ import annotations

import asyncio
import json

import pytest

from adapters.discord.backfill import HOLD
from adapters.discord.gateway import end
from adapters.discord.intake import Intake
from adapters.discord.own import OwnMessages
from bot.conversation import Message
from sandbox.discord import DiscordServer, payloads
from sandbox.faults import Fault
from tests.discord.harness import Box, ask, calls, client_of, listening


async def history_is_on_its_way(server: DiscordServer) -> None:
    """Return when a page was put together and has not arrived: what comes in now is not in it."""
    server.latency = 0.3
    await server.journal.until(lambda: list(server.journal.of("discord", "answer", call="GET messages")))
    server.latency = 0.0


def readings() -> set[asyncio.Task[object]]:
    """What reads missed messages."""
    return {task for task in asyncio.all_tasks() if task.get_name() == "discord history"}


async def test_history_that_fails_once_is_read_again(server: DiscordServer, box: Box) -> None:
    """A server error while missed messages are read loses none of them."""
    async with listening(server, box) as adapter:
        await ask(server, "before")
        await box.until(lambda: adapter.installation in box.cursors and box.messages)
    await ask(server, "missed")
    server.faults.add(Fault("GET messages", "status", status=503))
    async with listening(server, box):
        await box.until(lambda: len(box.messages) == 2)
    assert box.texts() == ["before", "missed"]


async def test_what_comes_in_while_history_is_read_waits_for_it(server: DiscordServer, box: Box) -> None:
    """A live message is handed in after the missed ones of its channel; the cursor stays until all are."""
    async with listening(server, box) as adapter:
        first = await ask(server, "before")
        await box.until(lambda: box.cursors[adapter.installation] == first)
    await ask(server, "missed")
    server.faults.add(Fault("GET messages", "delay", seconds=0.15))
    async with listening(server, box):
        await server.journal.until(lambda: calls(server, "GET messages"))
        await ask(server, "live")  # seen twice: on the gateway, and in the history that is read a moment later
        elsewhere = await ask(server, "elsewhere", "random")
        await box.until(lambda: len(box.messages) == 2)
        assert box.cursors[adapter.installation] == first
        await box.until(lambda: len(box.messages) == 4)
        await box.until(lambda: box.cursors[adapter.installation] == elsewhere)
    assert box.texts() == ["before", "elsewhere", "missed", "live"]
    assert box.offered.count(box.messages[-1].id) == 1


async def test_an_edit_while_its_message_waits_for_history(server: DiscordServer, box: Box) -> None:
    """It is handed in although nobody has seen yet that the message was for the bot."""
    async with listening(server, box):
        await ask(server, "before")
        await box.until(lambda: box.messages)
    await ask(server, "missed")
    async with listening(server, box):
        await history_is_on_its_way(server)
        held = await ask(server, "held")
        await server.edit(server.channel("general"), held, "never mind")
        await box.until(lambda: len(box.messages) == 3)
        await box.until(lambda: box.edits)
    assert [(edit.id, edit.text) for edit in box.edits] == [(held, "never mind")]


@pytest.mark.parametrize("count", [10, HOLD + 50])
async def test_a_channel_that_is_busy_while_its_history_is_read(server: DiscordServer, box: Box, count: int) -> None:
    """Live messages are held, or read from history when they are too many: none is lost and the order is kept."""
    async with listening(server, box):
        await ask(server, "before")
        await box.until(lambda: box.messages)
    await ask(server, "missed")
    async with listening(server, box):
        await history_is_on_its_way(server)
        for number in range(count):
            await ask(server, str(number))
        await box.until(lambda: len(box.messages) == count + 2)
    assert box.texts() == ["before", "missed", *map(str, range(count))]


async def test_a_channel_that_cannot_be_read_does_not_hold_up_the_others(server: DiscordServer, box: Box) -> None:
    """Missing access to one channel's history leaves the rest to be filled, and live messages come through there."""
    async with listening(server, box):
        await ask(server, "before")
        await box.until(lambda: box.messages)
    random = server.channel("random")
    await ask(server, "hidden", "random")
    await ask(server, "missed")
    server.faults.add(Fault("GET messages", "error", code=50001, when=lambda call: call["channel"] == random))
    async with listening(server, box):
        await box.until(lambda: "missed" in box.texts())
        await ask(server, "live", "random")
        await box.until(lambda: "live" in box.texts())
    assert sorted(box.texts()) == ["before", "live", "missed"]


async def test_stopping_ends_the_reading_of_history(server: DiscordServer, box: Box) -> None:
    """Of many pages no further one is fetched, and what was not read is read after the next start."""
    async with listening(server, box):
        await ask(server, "before")
        await box.until(lambda: box.messages)
    for number in range(350):
        await ask(server, str(number))
    async with listening(server, box) as adapter:
        server.latency = 0.1
        await server.journal.until(lambda: calls(server, "GET messages"))
        await adapter.stop_intake()
        await asyncio.wait(readings())
        assert calls(server, "GET messages") == 1
    server.latency = 0.0
    async with listening(server, box):
        await box.until(lambda: len(box.messages) == 351)
    assert box.texts() == ["before", *map(str, range(350))]


class SlowBox(Box):
    """A store that takes until `go` for one message."""

    def __init__(self, slow: str) -> None:
        super().__init__()
        self.slow = slow
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def submit(self, message: Message) -> bool:
        if message.text == self.slow:
            self.asked.set()
            await self.go.wait()
        return await super().submit(message)


async def test_a_stop_while_one_channel_is_read_and_another_was(server: DiscordServer) -> None:
    """What is newer and was stored on the way out moves the cursor past nothing that was not read."""
    box = SlowBox("in general")
    async with listening(server, box):
        await ask(server, "before")
        await box.until(lambda: box.messages)
    random = server.channel("random")
    for text, channel in (("in random", "random"), ("in general", "general")):
        server.advance(60)
        await ask(server, text, channel)
    server.faults.add(Fault("GET messages", "delay", seconds=0.3, when=lambda call: call["channel"] == random))
    async with listening(server, box) as adapter:
        await box.asked.wait()
        stopping = asyncio.create_task(adapter.stop_intake())
        await asyncio.wait({stopping, *readings()}, return_when=asyncio.FIRST_COMPLETED)
        box.go.set()
        await stopping
    assert "in general" in box.texts()
    async with listening(server, box):
        await box.until(lambda: "in random" in box.texts())


@pytest.mark.parametrize("turns", range(9))
async def test_a_server_sent_right_after_ready_is_looked_into(server: DiscordServer, box: Box, turns: int) -> None:
    """However soon a server follows READY, its missed messages are read: discord.py tells of some servers never."""
    async with client_of(server) as client:
        installation = f"discord:{server.application_id}"
        client.intake = intake = Intake(client, installation, box, "all", OwnMessages())
        await intake.start()
        connection = asyncio.create_task(client.stay_connected())
        await client.wait_until_ready()
        ready = {
            "v": 10,
            "user": payloads.bot_user(server.world),
            "guilds": [{"id": server.guild_id, "unavailable": True}],
            "private_channels": [],
            "session_id": "s",
            "resume_gateway_url": server.gateway_url,
            "shard": [0, 1],
            "application": {"id": server.application_id, "flags": 1 << 18},
        }
        client.ws.established = False  # as a new connection is
        await client.ws.received_message(json.dumps({"op": 0, "t": "READY", "s": 1, "d": ready}))
        for _ in range(turns):  # of the event loop, in which READY is handled step by step
            await asyncio.sleep(0)
        guild = payloads.guild_create(server.world, everybody=False)
        await client.ws.received_message(json.dumps({"op": 0, "t": "GUILD_CREATE", "s": 2, "d": guild}))
        asked = await ask(server, "after")
        await box.until(lambda: box.cursors[installation] == asked)
        await end([connection])
        await intake.stop(1.0)
        await intake.close()
