"""Reading what was missed within what Slack allows: pages, limits, failures and scopes, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from adapters.slack.missed import AGAIN
from sandbox.faults import Fault
from tests.slack.outage import MINUTE, READS, town

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


@pytest.mark.parametrize("page", [2, 15])
async def test_small_pages(page: int) -> None:
    """However few messages Slack gives at once, all of them are read, in order."""
    async with town() as it:
        it.slack.rules.page = page
        async with it.adapter():
            root = await it.say("general", "@bot before")
            await it.slack.events.idle()
        await it.outage()
        for n in range(20):
            await it.say("general", f"@bot {n:02}")
            await it.say("general", f"follow-up {n:02}", thread=root)
        async with it.adapter():
            await it.caught_up()
        asked = it.inbox.texts[1:]
        assert [text for text in asked if "follow" not in text] == [f"{n:02}" for n in range(20)]
        assert [text for text in asked if "follow" in text] == [f"follow-up {n:02}" for n in range(20)]


async def test_an_app_that_slack_cuts_down() -> None:
    """With one call a minute nothing is lost, no call is made before its time, and the cursor waits for the end."""
    limits = {"conversations.history": (1, MINUTE), "conversations.replies": (1, MINUTE)}
    async with town(limits) as it:
        it.slack.rules.page = 15
        await it.say("general", "hello")
        await it.outage()
        await it.say("random", "@bot one")
        root = await it.say("secret", "@bot two")
        await it.say("secret", "three", thread=root)
        before = it.inbox.position
        async with it.adapter():
            await asyncio.sleep(2 * MINUTE)
            assert it.inbox.position == before
            await it.caught_up()
        assert sorted(it.inbox.texts) == ["one", "three", "two"]
        calls, refused = it.calls("conversations.history"), list(it.journal.of("slack", "refused"))
        assert 0 < len(refused) <= len(calls), "after each refusal it waits as long as it was told"


async def test_threads_in_which_the_bot_takes_part_come_first() -> None:
    """Where Slack allows few calls, questions are more likely there than in threads of others."""
    async with town() as it:
        async with it.adapter():
            others = await it.say("general", "a talk of others")
            own = await it.say("random", "@bot before")
            await it.slack.events.idle()
        await it.outage()
        await it.say("general", "among themselves", thread=others)
        await it.say("random", "a follow-up", thread=own)
        async with it.adapter():
            await it.caught_up()
        assert [call["arguments"]["ts"] for call in it.calls("conversations.replies")] == [own, others]


async def test_a_limit_is_waited_out() -> None:
    """A 429 costs the seconds it names, and no message."""
    async with town() as it:
        await it.say("general", "hello")
        await it.outage()
        await it.say("general", "@bot missed")
        for method in READS:
            it.slack.faults.add(Fault(method, "status", status=429, retry_after=25.0))
        begun = it.now()
        async with it.adapter():
            await it.caught_up()
        assert it.inbox.texts == ["missed"]
        assert it.now() - begun > 50.0


async def test_reading_leaves_room_for_the_answers() -> None:
    """However many channels there are, no minute holds more calls than Slack allows, and some are left over."""
    async with town() as it:
        everyone = list(it.slack.workspace.users)
        for n in range(100):
            it.slack.workspace.add_channel(f"room-{n}", members=everyone)
        await it.say("general", "hello")
        await it.outage()
        await it.say("room-99", "@bot missed")
        begun = it.now()
        async with it.adapter():
            await it.caught_up()
        assert it.inbox.texts == ["missed"]
        assert not list(it.journal.of("slack", "refused"))
        assert 100 < it.now() - begun < 300


async def test_what_cannot_be_read_now_is_read_later() -> None:
    """A channel that Slack fails to give is tried anew, the others are not kept waiting, and the cursor is."""
    async with town() as it:
        secret = it.slack.workspace.channel("secret").id
        await it.say("general", "hello")
        await it.outage()
        await it.say("secret", "@bot first")
        await it.say("general", "@bot second")
        fails: Callable[[Any], bool] = lambda call: call.get("channel") == secret  # noqa: E731
        it.slack.faults.add(Fault("conversations.history", "status", status=500, times=8, when=fails))
        before = it.inbox.position
        async with it.adapter():
            await it.journal.until(lambda: it.inbox.messages, timeout=30)
            assert it.inbox.texts == ["second"]
            await asyncio.sleep(AGAIN / 2)
            assert it.inbox.position == before
            await it.caught_up()
        assert it.inbox.texts == ["second", "first"]


async def test_a_missing_scope(caplog: pytest.LogCaptureFixture) -> None:
    """What can be read is read, one line says what cannot, and nothing is asked that would be refused."""
    async with town() as it:
        gone = {"groups:read", "im:read"}
        it.slack.tokens.bot_scopes = tuple(scope for scope in it.slack.tokens.bot_scopes if scope not in gone)
        it.inbox.known_directs = (it.slack.direct("ada"),)
        await it.say("general", "hello")
        await it.outage()
        await it.say("secret", "@bot in a private channel")
        await it.say(it.slack.direct("grace"), "of somebody new", user="grace")
        await it.say(it.slack.direct("ada"), "of somebody known")
        await it.say("general", "@bot in a public one")
        caplog.clear()
        caplog.set_level(logging.WARNING)
        async with it.adapter():
            await it.caught_up()
            it.slack.sockets.refusing = "internal_error"
            it.slack.sockets.drop()
            await asyncio.sleep(20 * MINUTE)
            it.slack.sockets.refusing = ""
            await it.caught_up()
        assert len(it.calls("users.conversations")) == 4, "it was read twice"
        assert it.inbox.texts == ["of somebody known", "in a public one"]
        told = [record for record in caplog.records if record.name == "adapters.slack.missed"]
        assert [record.__dict__["lacking"] for record in told] == ["groups:read, im:read"]
        answers = it.journal.of("slack", "answer")
        assert not [answer for answer in answers if answer["error"] and answer["method"] in READS]


async def test_a_scope_that_was_taken_away_since(caplog: pytest.LogCaptureFixture) -> None:
    """Refused for a scope it believed to have, it reads the rest and names the scope."""
    async with town() as it:
        await it.say("general", "hello")
        await it.outage()
        await it.say("random", "@bot missed")
        general = it.slack.workspace.channel("general").id
        refused: Callable[[Any], bool] = lambda call: call.get("channel") == general  # noqa: E731
        it.slack.faults.add(Fault("conversations.history", "error", code="missing_scope", times=None, when=refused))
        async with it.adapter():
            await it.caught_up()
        assert it.inbox.texts == ["missed"]
        told = [record for record in caplog.records if record.name == "adapters.slack.missed"]
        assert len(told) == 1
        assert "channels:history" in told[0].__dict__["lacking"]
