"""Each write to Discord happens once, whatever becomes of its answer, and none is made that would be refused."""

from __future__ import annotations

import asyncio
import time

import pytest

from adapters.discord import DiscordAdapter
from adapters.discord.delivery import Delivery
from adapters.discord.gateway import end
from bot.conversation import MessageRef, Place
from bot.errors import (
    OutcomeUnknown,
    RateLimited,
    Unavailable,
)
from bot.ports import Content, Posted, Write
from sandbox.discord import DiscordServer
from sandbox.faults import Fault
from tests.discord.harness import Box, calls, listening, logged_in, place, shown

# --- once ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lost", "status"])
async def test_a_post_whose_answer_was_lost_appears_once(server: DiscordServer, platform: Delivery, kind: str) -> None:
    """The outcome is unknown; posting again with the same nonce shows one message, and it is the one returned."""
    server.faults.add(Fault("POST message", kind))  # type: ignore[arg-type]
    with pytest.raises(OutcomeUnknown):
        await platform.post(place(server), Content("…"), "nonce")
    await platform.find(place(server), "nonce", time.time())
    receipt = await platform.post(place(server), Content("…"), "nonce")
    (only,) = server.journal.messages("discord", author=server.bot_id)
    assert only.id == receipt.ref.id
    assert only.extra["nonce"] == "nonce"


async def test_a_post_whose_answer_was_lost_is_known_from_the_gateway(server: DiscordServer, box: Box) -> None:
    """The event of our own message carries its nonce, so that it is found without posting again."""
    async with listening(server, box) as adapter:
        server.faults.add(Fault("POST message", "lost"))
        with pytest.raises(OutcomeUnknown):
            await adapter.platform.post(place(server), Content("…"), "nonce")
        await server.say(server.channel("general"), server.user("ada"), f"<@{server.bot_id}> next")
        await box.until(lambda: box.messages)
        (only,) = server.journal.messages("discord", author=server.bot_id)
        assert await adapter.platform.find(place(server), "nonce", time.time()) == MessageRef(only.channel, only.id)


async def test_a_message_is_found_by_its_nonce(server: DiscordServer, platform: Delivery) -> None:
    """One posted before is found, another nonce is not."""
    receipt = await platform.post(place(server), Content("…"), "nonce")
    assert await platform.find(place(server), "nonce", time.time()) == receipt.ref
    assert await platform.find(place(server), "other", time.time()) is None


async def test_our_own_messages_are_read_again(server: DiscordServer, platform: Delivery) -> None:
    """In a thread, in one that was only to be opened, below a question, and in a direct message.

    Ours alone, newer than what was there before, and no notice that an answer is ready.
    """
    began = time.time()
    asked = [await server.say(server.channel("general"), server.user("ada"), f"<@{server.bot_id}> {n}") for n in "ab"]
    to_open = Place(server.channel("general"), root=asked[0])
    assert await platform.own_since(to_open, "n", began, ()) == ()
    thread = await platform.open(to_open, "title")
    below = Place(server.channel("general"), reply_to=asked[1])
    direct = Place(server.dm(server.user("ada")), direct=True)
    for where in (thread, below, direct):
        ours = (await platform.post(where, Content("…"), f"n{where.thread}{where.channel}"[-25:])).ref
        await server.say(where.thread or where.channel, server.user("ada"), "not ours")
        await platform.notify(where, server.user("ada"), ours, f"t{where.thread}{where.channel}"[-25:])
        assert await platform.own_since(where, "n", began, asked) == (Posted(ours, "…"),)
        assert await platform.own_since(where, "n", began, (*asked, ours.id)) == ()
        assert await platform.own_since(where, "n", began + 3600, ()) == ()
    assert len(await platform.own_since(to_open, "n", began, ())) == 1


async def test_an_edit_whose_answer_was_lost_may_be_repeated(server: DiscordServer, platform: Delivery) -> None:
    """The library does not repeat it by itself."""
    receipt = await platform.post(place(server), Content("…"), "n")
    server.faults.add(Fault("PATCH message", "lost"))
    with pytest.raises(OutcomeUnknown):
        await platform.edit(place(server), receipt.ref, Content("text"))
    assert calls(server, "PATCH message") == 1
    await platform.edit(place(server), receipt.ref, Content("text"))
    assert shown(server, receipt.ref).text == "text"


async def test_a_server_error_is_the_core_s_to_repeat(server: DiscordServer, platform: Delivery) -> None:
    """discord.py would sleep and send a text that is stale by then; here the error comes at once, sent once."""
    receipt = await platform.post(place(server), Content("…"), "n")
    server.faults.add(Fault("PATCH message", "status", status=502, times=None))
    before = time.monotonic()
    with pytest.raises(Unavailable):
        await platform.edit(place(server), receipt.ref, Content("text"))
    assert time.monotonic() - before < 0.9
    assert calls(server, "PATCH message") == 1


async def test_no_connection_is_no_effect(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """When nobody listens there any more the call surely did nothing."""
    receipt = await adapter.platform.post(place(server), Content("…"), "n")
    await server.stop()
    with pytest.raises((Unavailable, OutcomeUnknown)):  # the kept connection may be tried first
        await adapter.platform.edit(place(server), receipt.ref, Content("text"))
    with pytest.raises(Unavailable):
        await adapter.platform.edit(place(server), receipt.ref, Content("text"))


# --- limits -------------------------------------------------------------------------------------------------


async def test_the_call_that_empties_a_bucket_is_done_when_it_is_answered(
    server: DiscordServer, platform: Delivery
) -> None:
    """discord.py sleeps through the rest of the window; the caller goes on, and closing does not wait either."""
    receipt = await platform.post(place(server), Content("…"), "n")
    before = time.monotonic()
    for number in range(5):
        last = await platform.edit(place(server), receipt.ref, Content(str(number)))
    assert last.observed[0].remaining == 0
    assert time.monotonic() - before < 1.0


async def test_a_rate_limit_is_reported_at_once_and_not_slept_on(server: DiscordServer, platform: Delivery) -> None:
    """The core learns of a 429 with its bucket and time, and what it wrote is not sent again behind its back."""
    receipt = await platform.post(place(server), Content("…"), "n")
    server.faults.add(Fault("PATCH message", "status", status=429, retry_after=0.2))
    with pytest.raises(RateLimited) as refused:
        await platform.edit(place(server), receipt.ref, Content("stale"))
    assert refused.value.retry_after == pytest.approx(0.2)
    assert refused.value.bucket == platform.rate_limits(Write.EDIT, place(server))[0].name
    await platform.edit(place(server), receipt.ref, Content("newest"))
    assert calls(server, "PATCH message") == 2
    assert [text for _, text in shown(server, receipt.ref).versions] == ["…", "newest"]


async def test_while_the_whole_bot_is_limited_no_call_is_made(server: DiscordServer) -> None:
    """A global 429 holds every channel's calls back until its time is over."""
    server.limits.whole_bot = type(server.limits.whole_bot)(5, 0.15)
    async with logged_in(server) as adapter:

        async def post_all() -> None:
            for number in range(9):
                await adapter.platform.post(place(server), Content("text"), f"n{number}")

        with pytest.raises(RateLimited) as refused:
            await post_all()
        made = calls(server, "POST message")
        with pytest.raises(RateLimited):
            await adapter.platform.post(place(server, "random"), Content("text"), "m")
        assert calls(server, "POST message") == made
        assert refused.value.bucket == ""
        assert refused.value.retry_after is not None
        await asyncio.sleep(refused.value.retry_after)
        await adapter.platform.post(place(server, "random"), Content("text"), "m")


async def test_a_caller_that_is_cancelled_cancels_no_call(server: DiscordServer, adapter: DiscordAdapter) -> None:
    """The call in flight goes through, and closing waits for its answer."""
    server.latency = 0.1
    post = asyncio.create_task(adapter.platform.post(place(server), Content("goes through"), "n"))
    await server.journal.until(lambda: calls(server, "POST message"))
    post.cancel()
    await asyncio.gather(post, return_exceptions=True)
    await adapter.close()
    assert [message.text for message in server.journal.messages("discord", author=server.bot_id)] == ["goes through"]
    assert list(server.journal.of("discord", "answer", call="POST message", status=200))


async def test_a_cancellation_that_is_swallowed_is_repeated() -> None:
    """Who is cancelled in the moment its `wait_for` returns goes on, before Python 3.12, and ends all the same."""
    stands = asyncio.Event()

    async def connect() -> None:
        await asyncio.wait_for(stands.wait(), 60.0)
        await asyncio.Event().wait()

    connecting = asyncio.create_task(connect())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stands.set()
    await asyncio.sleep(0)
    async with asyncio.timeout(10.0):
        await end([connecting])
    assert connecting.cancelled()
