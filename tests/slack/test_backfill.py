"""What was missed while Slack could not deliver it is read and asked once, in virtual time over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from adapters.slack.backfill import OVERLAP, REDELIVERED
from adapters.slack.missed import AGAIN, EDITED_WITHIN, REACH
from bot.conversation import ThreadKey
from sandbox.faults import Fault
from tests.slack.outage import MINUTE, town

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


async def test_an_outage_of_twenty_minutes() -> None:
    """Mentions, follow-ups, direct messages and added mentions of then are asked once; nothing else is."""
    async with town() as it:
        general, direct = it.slack.workspace.channel("general").id, it.slack.direct("ada")
        async with it.adapter():
            root = await it.say(general, "@bot answered before")
            remark = await it.say(general, "a remark")
            others = await it.say(general, "a talk of others")
            await it.slack.events.idle()
        assert it.inbox.texts == ["answered before"]
        await it.outage(0)
        await asyncio.sleep(5 * MINUTE)
        await it.say(general, "@bot in a channel")
        await it.say(general, "a follow-up", thread=root)
        await it.say(general, "@bot in a thread of others", thread=others)
        await it.say(general, "among themselves", thread=others, user="grace")
        asked = await it.say(direct, "directly")
        await it.say(direct, "directly, in a thread", thread=asked)
        await it.say(it.slack.direct("grace"), "somebody new", user="grace")
        await it.edit(general, remark, "@bot a remark that became a question")
        taken_back = await it.say(general, "@bot taken back")
        await it.slack.delete(general, taken_back)
        await it.say(general, "just talking")
        await it.say(general, f"<@{it.slack.workspace.user('grace').id}> lunch?", thread=root)
        await asyncio.sleep(15 * MINUTE)
        it.deliver(events=True)
        async with it.adapter():
            await it.caught_up()
        assert sorted(it.inbox.texts[1:]) == [
            "a follow-up",
            "a remark that became a question",
            "among themselves",
            "directly",
            "directly, in a thread",
            "in a channel",
            "in a thread of others",
            "somebody new",
        ]
        keys = {message.text: message.key for message in it.inbox.messages}
        assert keys["a follow-up"] == keys["answered before"]
        assert keys["directly"] == ThreadKey("slack", it.slack.workspace.team_id, direct)
        assert not any(message.external for message in it.inbox.messages)
        assert it.inbox.texts.index("in a thread of others") < it.inbox.texts.index("among themselves")


async def test_a_short_outage_is_slack_s_to_mend() -> None:
    """What Slack delivers again by itself is not read."""
    async with town() as it:
        await it.say("general", "@bot before")
        await it.outage(REDELIVERED - 2 * MINUTE)
        async with it.adapter():
            await asyncio.sleep(MINUTE)
        assert not it.calls()


async def test_the_first_start_ever_answers_nothing_old() -> None:
    """A bot that is new in the workspace begins with what is said from then on, and catches up only on that."""
    async with town() as it:
        it.deliver(events=False)
        await it.say("general", "@bot before you came")
        async with it.adapter():
            await it.caught_up()
        await asyncio.sleep(20 * MINUTE)
        await it.say("general", "@bot after you came")
        async with it.adapter():
            await it.caught_up()
        assert it.inbox.texts == ["after you came"]


async def test_nothing_older_than_an_hour_is_answered() -> None:
    """However long it was away."""
    async with town() as it:
        await it.say("general", "hello")
        await it.outage(MINUTE)
        old = await it.say("general", "@bot too old")
        await asyncio.sleep(100 * MINUTE)
        await it.say("general", "@bot young enough")
        await it.say("general", "and a follow-up nobody waits for", thread=old)
        await asyncio.sleep(59 * MINUTE)
        async with it.adapter():
            await it.caught_up()
        assert it.inbox.texts == ["young enough"]


async def test_it_is_read_over_http_as_well() -> None:
    """Where events come in over HTTP, a start reads what was missed too."""
    async with town() as it:
        await it.say("general", "hello")
        await it.outage()
        await it.say("general", "@bot missed")
        async with it.adapter(over_http=True):
            await it.caught_up()
        assert it.inbox.texts == ["missed"]


async def test_two_processes_that_start_at_once_read_once() -> None:
    """One of them reads, the other waits and finds nothing to do; each message is asked once."""
    async with town() as it:
        await it.say("general", "hello")
        await it.outage()
        await it.say("general", "@bot missed")
        it.slack.faults.add(Fault("conversations.history", "delay", seconds=20.0))
        async with it.adapter(), it.adapter():
            await it.caught_up()
            await asyncio.sleep(MINUTE)
        assert it.inbox.texts == ["missed"]
        rooms = [call["arguments"]["channel"] for call in it.calls("conversations.history")]
        assert len(rooms) == len(set(rooms)) > 0


async def test_who_dies_while_it_reads_is_replaced() -> None:
    """The cursor stays where it was, and the next process reads everything."""
    async with town() as it:
        await it.say("general", "hello")
        await it.outage()
        position = it.inbox.position
        await it.say("general", "@bot missed")
        it.slack.faults.add(Fault("conversations.history", "status", status=503, times=None))
        async with it.adapter():
            it.deliver(events=True)
            await it.say("general", "something that is heard meanwhile")
            await asyncio.sleep(3 * AGAIN)
        assert it.inbox.position == position
        it.slack.faults.clear()
        async with it.adapter():
            await it.caught_up()
        assert it.inbox.texts == ["missed"]


async def test_a_redelivery_that_comes_at_the_same_time() -> None:
    """A message that is read while its event is delivered as well is asked once, whichever comes first."""
    async with town() as it:
        await it.say("general", "hello")
        await it.outage()
        it.deliver(events=True)
        for n in range(4):
            await it.say("general", f"@bot missed {n}")
        async with it.adapter():
            await it.caught_up()
            await it.slack.events.idle()
        assert sorted(it.inbox.texts) == [f"missed {n}" for n in range(4)]
        tried = [entry["id"] for entry in it.journal.of("inbox", "submit")]
        assert len(tried) >= 12, "each came as a mention, as a message and from history"


async def test_a_follow_up_from_before_the_bot_was_called_is_left_to_people() -> None:
    """What people said to each other before somebody called the bot into their thread is not answered afterwards."""
    async with town() as it:
        root = await it.say("general", "a talk")
        await it.outage()
        await it.say("general", "among ourselves", thread=root)
        await it.say("general", "@bot join us", thread=root)
        await it.say("general", "what do you think?", thread=root)
        it.deliver(events=True)
        it.slack.faults.add(Fault("users.conversations", "delay", seconds=30.0))
        async with it.adapter():
            await it.say("general", "@bot and quickly", thread=root)
            await it.slack.events.idle()
            assert it.inbox.texts == ["and quickly"]
            await it.caught_up()
        assert it.inbox.texts == ["and quickly", "join us", "what do you think?"]


async def test_edits_that_ask_nothing() -> None:
    """No question is what an edit made of a direct message or of a remark to others, or of a message from yesterday."""
    async with town() as it:
        it.deliver(events=False)
        yesterday = await it.say("general", "yesterday")
        await asyncio.sleep(EDITED_WITHIN)
        direct = it.slack.direct("ada")
        missed = await it.say(direct, "missed for good")
        await asyncio.sleep(REACH + OVERLAP)
        it.deliver(events=True)
        async with it.adapter():
            root = await it.say("general", "@bot before")
            aside = await it.say("general", f"<@{it.slack.workspace.user('grace').id}> lunch?", thread=root)
            await asyncio.sleep(OVERLAP + MINUTE)
            await it.say("general", "something later")
            await it.slack.events.idle()
        await it.outage()
        await it.edit("general", yesterday, "@bot yesterday")
        await it.edit(direct, missed, "missed, and edited")
        await it.edit("general", aside, "lunch?")
        await it.say("general", "more", thread=root)
        async with it.adapter():
            await it.caught_up()
        assert it.inbox.texts == ["before", "more"]


async def test_an_edit_of_a_question_that_still_waits() -> None:
    """The new text is handed on, with the time of the edit; an edit from before the outage is not."""
    async with town() as it:
        async with it.adapter():
            earlier = await it.say("general", "@bot asked and edited before")
            ts = await it.say("general", "@bot asked before")
            await it.edit("general", earlier, "@bot edited before")
            await asyncio.sleep(OVERLAP + MINUTE)
            await it.say("general", "something later")
            await it.slack.events.idle()
        await it.outage()
        it.inbox.edits.clear()
        await it.edit("general", ts, "@bot asked otherwise")
        async with it.adapter():
            await it.caught_up()
        assert [message.text for message in it.inbox.edits] == ["asked otherwise"]
        assert len(it.inbox.messages) == 2
