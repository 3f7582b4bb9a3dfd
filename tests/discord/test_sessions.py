"""Reconnects, new sessions, restarts and a store that is down: nothing is lost and nothing is handed in twice."""

from __future__ import annotations

import asyncio

import pytest

from adapters.discord.intake import Intake
from adapters.discord.own import OwnMessages
from bot.ports import Content
from sandbox.discord import DiscordServer
from tests.discord.harness import Box, ask, calls, client_of, listening


async def test_nothing_old_is_answered_at_the_first_start(server: DiscordServer, box: Box) -> None:
    """What was written before the bot ever ran stays unanswered, and the cursor begins there."""
    await ask(server, "long before")
    async with listening(server, box) as adapter:
        await ask(server, "now")
        await box.until(lambda: box.messages)
        assert int(box.cursors[adapter.installation]) > 0
    assert box.texts() == ["now"]


async def test_a_dropped_connection_resumes_and_loses_nothing(server: DiscordServer, box: Box) -> None:
    """What is written while the socket is down arrives once, without a new session."""
    async with listening(server, box):
        await ask(server, "one")
        await box.until(lambda: box.messages)
        await server.drop_sockets(4000)
        await ask(server, "two")
        await server.request_reconnect()
        await ask(server, "three")
        await box.until(lambda: len(box.messages) == 3)
        assert calls(server, "GATEWAY IDENTIFY") == 1
        assert calls(server, "GATEWAY RESUME") >= 1
    assert box.texts() == ["one", "two", "three"]


async def test_a_lost_session_is_filled_from_history(server: DiscordServer, box: Box) -> None:
    """After a new IDENTIFY the missed messages are handed in, once, each channel's in order, before newer ones."""
    async with listening(server, box):
        await ask(server, "one")
        root = await ask(server, "thread")
        await box.until(lambda: len(box.messages) == 2)
        thread = await server.open_thread(server.channel("general"), server.user("ada"), "thread", message=root)
        await server.invalidate_sessions()
        await ask(server, "two")
        await ask(server, "elsewhere", "random")
        await server.say(server.channel("general"), server.user("ben"), "not for the bot")
        await server.say(thread, server.user("ben"), "in the thread")
        await ask(server, "three")
        await box.until(lambda: len(box.messages) == 6)
        assert calls(server, "GATEWAY IDENTIFY") == 2
        await ask(server, "four")
        await box.until(lambda: len(box.messages) == 7)
    general = [message.text for message in box.messages if message.place.root and message.text != "elsewhere"]
    assert general == ["one", "thread", "two", "three", "four"]
    assert sorted(box.texts()) == sorted([*general, "elsewhere", "in the thread"])
    assert len(box.offered) == len(box.messages)


async def test_a_restart_answers_what_was_asked_meanwhile(server: DiscordServer, box: Box) -> None:
    """Questions in channels, threads and direct messages are found at the next start, and none is found twice."""
    ada = server.user("ada")
    async with listening(server, box):
        root = await ask(server, "before")
        await server.say(server.dm(ada), ada, "hi")
        await box.until(lambda: len(box.messages) == 2)
    box.known_directs = (server.dm(ada),)
    thread = await server.open_thread(server.channel("general"), ada, "before", message=root)
    await server.say(thread, ada, "while away")
    await ask(server, "while away, too")
    await server.say(server.dm(ada), ada, "still there?")
    async with listening(server, box):
        await box.until(lambda: len(box.messages) == 5)
    async with listening(server, box) as adapter:
        await ask(server, "after")
        await box.until(lambda: len(box.messages) == 6)
        await box.until(lambda: box.cursors[adapter.installation] == box.messages[-1].id)
    assert sorted(box.texts()) == ["after", "before", "hi", "still there?", "while away", "while away, too"]


async def test_what_is_older_than_an_hour_is_let_be(server: DiscordServer, box: Box) -> None:
    """An hour after the question nobody waits for the answer any more."""
    box.cursors[f"discord:{server.application_id}"] = "1"
    server.advance(-2 * 3600)
    await ask(server, "two hours ago")
    server.advance(2 * 3600)
    await ask(server, "just now")
    async with listening(server, box):
        await box.until(lambda: box.messages)
    assert box.texts() == ["just now"]


async def test_talk_before_the_bot_joined_is_not_taken_for_a_follow_up(server: DiscordServer, box: Box) -> None:
    """What one process has judged the next one does not judge anew: meanwhile the bot may take part in the thread."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box) as adapter:
        thread = await server.open_thread(general, ada, "talk")
        await server.say(thread, ada, "among ourselves")
        await server.say(thread, ada, f"<@{server.bot_id}> and you?")
        await box.until(lambda: box.messages)
        await box.until(lambda: box.cursors[adapter.installation] == box.messages[0].id)
    await server.say(thread, ada, "go on")
    async with listening(server, box):
        await box.until(lambda: len(box.messages) == 2)
    assert box.texts() == ["and you?", "go on"]


async def test_a_follow_up_that_was_told_late_is_not_lost_with_its_listener(server: DiscordServer, box: Box) -> None:
    """In a thread that the bot opened all is for it, also what the cursor moved past before it was told."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box) as adapter:
        root = await ask(server, "first")
        await box.until(lambda: box.messages)
    thread = await server.open_thread(general, server.bot_id, "first", message=root)
    await server.say(thread, ada, "told late")
    box.cursors[adapter.installation] = await ask(server, "newer", "random")
    async with listening(server, box):
        await box.until(lambda: len(box.messages) == 3)
    assert sorted(box.texts()) == ["first", "newer", "told late"]


async def test_while_the_store_is_down_nothing_is_lost_or_reordered(server: DiscordServer, box: Box) -> None:
    """Messages wait for the store in order; the cursor does not move past what is not stored."""
    async with listening(server, box) as adapter:
        first = await ask(server, "one")
        await box.until(lambda: box.cursors[adapter.installation] == first)
        box.down = True
        for text in ("two", "three", "four"):
            await ask(server, text)
        await box.until(lambda: box.refused >= 2)
        assert box.cursors[adapter.installation] == first
        box.down = False
        await box.until(lambda: len(box.messages) == 4)
    assert box.texts() == ["one", "two", "three", "four"]


async def test_an_edit_made_while_the_store_is_down_is_not_lost(server: DiscordServer, box: Box) -> None:
    """It waits for the store as a message does."""
    general = server.channel("general")
    async with listening(server, box):
        asked = await ask(server, "one?")
        await box.until(lambda: box.messages)
        box.down = True
        await server.edit(general, asked, f"<@{server.bot_id}> two?")
        await box.until(lambda: box.refused)
        box.down = False
        await box.until(lambda: box.edits)
    assert [edit.text for edit in box.edits] == ["two?"]


async def test_more_than_can_be_held_is_read_from_history(
    server: DiscordServer, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    """When the store is down for so long that events no longer fit, they are fetched once it is back."""
    async with client_of(server) as client:
        intake = Intake(client, f"discord:{server.application_id}", box, "all", OwnMessages(), capacity=3)
        await intake.start()
        client.intake = intake
        connection = asyncio.create_task(client.stay_connected())
        try:
            await ask(server, "0")
            await box.until(lambda: box.messages)
            box.down = True
            for number in range(1, 9):
                await ask(server, str(number))
            async with asyncio.timeout(5):
                while "will be read again" not in caplog.text:  # noqa: ASYNC110 - nobody tells otherwise
                    await asyncio.sleep(0.01)
            box.down = False
            await box.until(lambda: len(box.messages) == 9)
        finally:
            connection.cancel()
            await asyncio.gather(connection, return_exceptions=True)
            await intake.stop(1.0)
            await intake.close()
    assert box.texts() == [str(number) for number in range(9)]


async def test_a_stop_that_is_cut_short_leaves_no_task(server: DiscordServer, box: Box) -> None:
    """Who is told to go while it waits for the store hands nothing in any more."""
    async with client_of(server) as client:
        intake = Intake(client, f"discord:{server.application_id}", box, "all", OwnMessages())
        await intake.start()
        box.down = True
        intake.deleted(1, None, [2])
        await box.until(lambda: box.refused)
        stopping = asyncio.create_task(intake.stop(60.0))
        await asyncio.sleep(0)
        stopping.cancel()
        await asyncio.wait({stopping})
        assert [task for task in asyncio.all_tasks() if task.get_name() == "discord intake"] == []


async def test_an_event_nobody_foresaw_stops_no_other(
    server: DiscordServer, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    """An error in one message's handling is logged, and the next message is handed in."""

    async def fail(*_: object) -> bool:
        box.takes_part = type(box).takes_part.__get__(box)  # type: ignore[method-assign]
        raise LookupError("odd")

    box.takes_part = fail  # type: ignore[method-assign]
    async with listening(server, box):
        thread = await server.open_thread(server.channel("general"), server.user("ada"), "talk")
        await server.say(thread, server.user("ada"), f"<@{server.bot_id}> odd")
        await ask(server, "next")
        await box.until(lambda: box.messages)
    assert box.texts() == ["next"]
    assert "could not be handled" in caplog.text


async def test_stopping_intake_takes_nothing_more_and_keeps_what_came(server: DiscordServer, box: Box) -> None:
    """Messages that arrived are stored; later ones are left for the next start; writing still works."""
    async with listening(server, box) as adapter:
        await ask(server, "taken")
        await box.until(lambda: box.messages)
        await adapter.stop_intake()
        await ask(server, "left")
        receipt = await adapter.platform.post(box.messages[0].place, Content("still writing"), "n")
        assert not adapter.connected
        await adapter.closed()
    assert box.texts() == ["taken"]
    assert server.journal.message("discord", receipt.ref.channel, receipt.ref.id).text == "still writing"
    async with listening(server, box):
        await box.until(lambda: len(box.messages) == 2)
    assert box.texts() == ["taken", "left"]
