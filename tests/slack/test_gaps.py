"""How a running bot learns that it missed something, and how its cursor follows what it hears, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from adapters.slack import SlackAdapter
from adapters.slack.backfill import OVERLAP, SAVE_EVERY
from bot.conversation import Place
from bot.ports import Content
from sandbox.faults import Fault
from tests.slack.outage import MINUTE, town

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


@pytest.mark.parametrize("first", ["the late one", "a new one"])
async def test_an_event_that_comes_late_over_http_tells_of_an_outage(first: str) -> None:
    """A process that Slack could not reach for twenty minutes reads what was missed, whichever event comes first."""
    async with town() as it, it.adapter(over_http=True) as adapter, serving_events(adapter) as address:
        push = await it.slack.push_to(address, verify=False)

        async def deliver(text: str, number: int) -> None:
            await it.say("general", text)
            body = next(reversed(it.slack.events.deliveries.values())).body
            retry = {"X-Slack-Retry-Num": str(number)} if number else {}
            assert (await push.send(body, timestamp=it.now(), headers=retry)).status == 200

        await asyncio.sleep(MINUTE)
        await deliver("hello", 0)
        await asyncio.sleep(MINUTE)
        it.deliver(events=False)
        await it.say("general", "@bot missed")
        await asyncio.sleep(20 * MINUTE)
        it.deliver(events=True)
        if first == "a new one":
            await deliver("new", 0)
            await asyncio.sleep(MINUTE)
        assert not it.calls()
        await deliver("late", 2)
        await it.journal.until(lambda: it.inbox.texts == ["missed"], timeout=MINUTE)
        await asyncio.sleep(MINUTE)
        calls = len(it.calls())
        await deliver("later", 3)
        await asyncio.sleep(MINUTE)
        assert len(it.calls()) == calls


@asynccontextmanager
async def serving_events(adapter: SlackAdapter) -> AsyncIterator[str]:
    """Serve the adapter's routes; yields the address for events."""
    app = web.Application()
    app.add_routes(adapter.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    finally:
        await runner.cleanup()


async def test_connections_that_were_away_for_long() -> None:
    """When Slack can be reached again after twenty minutes, what was said meanwhile is asked, and then all goes on."""
    async with town() as it:
        async with it.adapter() as adapter:
            await it.say("general", "@bot before")
            await it.slack.events.idle()
            await asyncio.sleep(2 * SAVE_EVERY)
            it.slack.sockets.refusing = "internal_error"
            it.slack.sockets.drop()
            it.deliver(events=False)
            await asyncio.sleep(10 * MINUTE)
            assert not adapter.connected
            await it.say("general", "@bot meanwhile")
            await asyncio.sleep(10 * MINUTE)
            assert not it.calls()
            it.deliver(events=True)
            it.slack.sockets.refusing = ""
            await it.caught_up()
            await it.say("general", "@bot afterwards")
            await it.slack.events.idle()
        assert it.inbox.texts == ["before", "meanwhile", "afterwards"]


async def test_one_deaf_connection_of_two_misses_nothing() -> None:
    """It is replaced; what it did not bring comes again by the other one, so nothing is read."""
    async with town() as it, it.adapter() as adapter:
        await asyncio.sleep(MINUTE)
        await it.say("general", "@bot before")
        await it.slack.events.idle()
        await write(adapter, it.inbox.messages[0].place, 1)
        await it.slack.events.idle()
        it.slack.sockets.deafen(1)
        await it.say("general", "@bot unheard")
        await write(adapter, it.inbox.messages[0].place, 10)
        await asyncio.sleep(2 * MINUTE)
        assert it.inbox.texts == ["before", "unheard"]
        assert len(list(it.journal.of("slack", "connected"))) == 3
        assert not it.calls()


async def test_the_cursor_waits_while_what_was_missed_is_read() -> None:
    """A bot that ends before it has read all reads it after its next start, whatever it heard meanwhile."""
    async with town() as it:
        async with it.adapter():
            await it.say("general", "hello")
            await it.slack.events.idle()
            await asyncio.sleep(2 * SAVE_EVERY)
            it.slack.sockets.refusing = "internal_error"
            it.slack.sockets.drop()
            it.deliver(events=False)
            await it.say("general", "@bot missed")
            await asyncio.sleep(20 * MINUTE)
            before = it.inbox.position
            it.slack.faults.add(Fault("users.conversations", "status", status=503, times=None))
            it.deliver(events=True)
            it.slack.sockets.refusing = ""
            await it.say("general", "@bot heard")
            await it.slack.events.idle()
            await asyncio.sleep(MINUTE)
        assert it.inbox.texts == ["heard"]
        assert it.inbox.position == before
        it.slack.faults.clear()
        async with it.adapter():
            await it.caught_up()
        assert it.inbox.texts == ["heard", "missed"]


async def test_connections_that_were_deaf() -> None:
    """What a connection did not bring is read at once, however short the time was: Slack may have forgotten it."""
    async with town() as it:
        it.slack.events.retry_delays = ()
        async with it.adapter() as adapter:
            await asyncio.sleep(MINUTE)
            root = await it.say("general", "@bot before")
            await it.slack.events.idle()
            place = it.inbox.messages[0].place
            await write(adapter, place, 1)
            await it.slack.events.idle()
            it.slack.sockets.deafen()
            await it.say("general", "unheard", thread=root)
            await write(adapter, place, 10)
            await it.journal.until(lambda: "unheard" in it.inbox.texts, timeout=60)
            await it.say("general", "heard", thread=root)
            await it.journal.until(lambda: "heard" in it.inbox.texts, timeout=5)
        assert it.inbox.texts == ["before", "unheard", "heard"]


async def write(adapter: SlackAdapter, place: Place, times: int) -> None:
    """Post something and edit it, so many writes in all."""
    posted = await adapter.platform.post(place, Content("0"), "nonce")
    for n in range(1, times):
        await adapter.platform.edit(place, posted.ref, Content(str(n)))


async def test_events_that_the_store_refused_for_long() -> None:
    """Slack gives up on what the store could not take in; when it is back, that is read."""
    async with town() as it:
        async with it.adapter():
            await it.say("general", "hello")
            await it.slack.events.idle()
            await asyncio.sleep(2 * SAVE_EVERY)
            it.inbox.down = True
            await it.say("general", "@bot refused")
            await asyncio.sleep(OVERLAP + 10 * MINUTE)
            assert it.inbox.texts == []
            it.inbox.down = False
            await it.journal.until(lambda: it.inbox.texts, timeout=30)
            await it.caught_up()
        assert it.inbox.texts == ["refused"]


async def test_the_cursor_follows_what_is_heard() -> None:
    """Every few seconds while events come in, and once more at the end; never ahead of what was taken in."""
    async with town() as it:
        async with it.adapter():
            await it.caught_up()
            await asyncio.sleep(10 * MINUTE)
            first = await it.say("general", "hello")
            await it.slack.events.idle()
            await asyncio.sleep(2 * SAVE_EVERY)
            assert it.inbox.position == first
            last = await it.say("general", "and more")
            await it.slack.events.idle()
        assert it.inbox.position == last
        assert len(list(it.journal.of("inbox", "cursor"))) == 3


async def test_a_time_that_cannot_be_does_not_move_the_cursor() -> None:
    """An event from the future would make every later outage go unnoticed."""
    async with town() as it:
        async with it.adapter():
            await it.caught_up()
            before = it.inbox.position
            await it.slack.send_event({"type": "message", "channel": "C1", "ts": "99999999999.000100", "user": "U1"})
            await it.slack.events.idle()
        assert it.inbox.position == before
