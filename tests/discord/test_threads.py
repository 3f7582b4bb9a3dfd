"""Threads opened for answers, through the real discord.py, and the replies that take their place."""

from __future__ import annotations

import time

import pytest

from adapters.discord.cooldown import STRIKES
from adapters.discord.delivery import Delivery
from bot.conversation import Place
from bot.ports import Content, Write
from sandbox.discord import DiscordServer
from sandbox.discord.ratelimits import RateLimit
from sandbox.faults import Fault
from tests.discord.harness import Box, calls, listening, question, shown


async def test_a_thread_is_opened_once_and_named(server: DiscordServer, platform: Delivery) -> None:
    """Its id is the question's; opening again finds it; its name fits and is plain."""
    where = await question(server)
    first = await platform.open(where, "**bold** " + "x" * 200)
    assert first == Place(where.channel, thread=where.root)
    assert await platform.open(where, "again") == first
    (thread,) = [each for each in server.channels() if each.kind == "thread"]
    assert len(thread.name) <= 100
    assert "*" not in thread.name
    receipt = await platform.post(first, Content("in the thread"), "n")
    assert receipt.ref.channel == where.root
    assert await platform.open(first, "again") == first


@pytest.mark.parametrize("code", [50013, 50001, 50024, 160006, 30046, 10008, 99999])
async def test_where_no_thread_may_be_opened_the_answer_is_a_reply(
    server: DiscordServer, platform: Delivery, code: int
) -> None:
    """Whatever the reason, the question is answered below it, and nothing is tried twice."""
    where = await question(server)
    server.faults.add(Fault("POST thread", "error", code=code))
    there = await platform.open(where, "t")
    assert there == Place(where.channel, reply_to=where.root)
    receipt = await platform.post(there, Content("here"), "n")
    assert shown(server, receipt.ref).extra["reply_to"] == where.root
    assert calls(server, "POST thread") == 1


@pytest.mark.parametrize("kind", ["reset", "lost", "status"])
async def test_a_thread_whose_opening_was_lost_is_found(server: DiscordServer, platform: Delivery, kind: str) -> None:
    """A dropped connection or a server error is tried again; the thread exists once."""
    where = await question(server)
    server.faults.add(Fault("POST thread", kind))  # type: ignore[arg-type]
    assert (await platform.open(where, "t")).thread == where.root
    assert len([each for each in server.channels() if each.kind == "thread"]) == 1


async def test_a_rate_limited_thread_does_not_keep_the_reader_waiting(
    server: DiscordServer, platform: Delivery
) -> None:
    """The answer begins at once, as a reply; so do those asked before the limit's time is over, without a call."""
    server.faults.add(Fault("POST thread", "status", status=429, retry_after=60.0))
    before = time.monotonic()
    for _ in range(2):
        assert (await platform.open(await question(server), "t")).reply_to is not None
    assert time.monotonic() - before < 1.0
    assert calls(server, "POST thread") == 1


async def test_a_short_rate_limit_of_threads_is_waited_for(server: DiscordServer, platform: Delivery) -> None:
    """The answer still gets its thread."""
    server.faults.add(Fault("POST thread", "status", status=429, retry_after=0.05))
    where = await question(server)
    assert (await platform.open(where, "t")).thread == where.root


async def test_opening_threads_is_paced_by_what_discord_states(server: DiscordServer, platform: Delivery) -> None:
    """A thread has a rate limit of its own, learned from the answers; where none is to be opened nothing is spent."""
    server.limits.rate_limits["POST thread"] = RateLimit(7, 9.0)
    where = await question(server)
    assert platform.rate_limits(Write.OPEN, where)[0].calls > platform.rate_limits(Write.POST, where)[0].calls
    opened = await platform.open(where, "t")
    opening = platform.rate_limits(Write.OPEN, where)[0]
    assert (opening.calls, opening.window) == (7, 9.0)
    assert platform.rate_limits(Write.OPEN, opened) == ()


async def test_a_channel_that_refuses_threads_again_and_again_is_asked_no_more(
    server: DiscordServer, platform: Delivery
) -> None:
    """Each refusal counts toward a ban: after three in a row the answers are replies right away."""
    where = await question(server)
    for _ in range(STRIKES - 1):
        server.faults.add(Fault("POST thread", "error", code=50013))
        await platform.open(where, "t")
    assert (await platform.open(where, "t")).thread == where.root
    server.faults.add(Fault("POST thread", "error", code=50013, times=None))
    for _ in range(STRIKES + 2):
        assert (await platform.open(where, "t")).reply_to == where.root
    assert calls(server, "POST thread") == 2 * STRIKES


@pytest.mark.parametrize("missing", ["create_public_threads", "send_messages_in_threads"])
async def test_permissions_that_are_known_save_the_call(server: DiscordServer, box: Box, missing: str) -> None:
    """Connected to the gateway the bot knows where a thread would be of no use to it, and replies."""
    async with listening(server, box) as adapter:
        await server.deny(server.channel("general"), missing)
        await server.say(server.channel("general"), server.user("ada"), f"<@{server.bot_id}> question")
        await box.until(lambda: box.messages)
        assert adapter.platform.rate_limits(Write.OPEN, box.messages[0].place) == ()
        there = await adapter.platform.open(box.messages[0].place, "question")
        assert there.reply_to == box.messages[0].id
        await server.allow(server.channel("general"), missing)
        await server.say(server.channel("general"), server.user("ada"), f"<@{server.bot_id}> again")
        await box.until(lambda: len(box.messages) == 2)
        assert (await adapter.platform.open(box.messages[1].place, "again")).thread == box.messages[1].id
    assert calls(server, "POST thread") == 1


async def test_permissions_that_were_known_once_decide_nothing(server: DiscordServer, box: Box) -> None:
    """Who listens no more does not hear that a permission was given back, and so asks Discord itself."""
    general, missing = server.channel("general"), "create_public_threads"
    async with listening(server, box) as adapter:
        await server.deny(general, missing)
        root = await server.say(general, server.user("ada"), f"<@{server.bot_id}> question")
        await box.until(lambda: box.messages)
        await adapter.stop_intake()
        await server.allow(general, missing)
        assert (await adapter.platform.open(box.messages[0].place, "question")).thread == root


async def test_a_reply_to_a_question_that_was_deleted_is_a_plain_message(
    server: DiscordServer, platform: Delivery
) -> None:
    """The answer comes even so."""
    where = await question(server)
    assert where.root is not None
    await server.delete(where.channel, where.root)
    receipt = await platform.post(Place(where.channel, reply_to=where.root), Content("answer"), "n")
    assert shown(server, receipt.ref).text == "answer"


async def test_without_the_right_to_reply_it_writes_without_replying(server: DiscordServer, platform: Delivery) -> None:
    """A reply needs to read history; where that is missing the answer stands alone."""
    where = await question(server)
    await server.deny(where.channel, "read_message_history")
    receipt = await platform.post(Place(where.channel, reply_to=where.root), Content("answer"), "n")
    assert shown(server, receipt.ref).text == "answer"
