"""What Slack is asked about people and threads, and what it shows beside messages: statuses and notices."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from adapters.slack.calls import Api
from adapters.slack.delivery import Delivery
from adapters.slack.fields import Identity
from adapters.slack.history import LEFT_OUT
from adapters.slack.people import MOST_AT_ONCE, People
from bot import errors
from bot.conversation import Place
from bot.ports import Content
from bot.text import LONGEST_MESSAGE
from sandbox.faults import Fault
from sandbox.journal import Journal
from sandbox.slack import SlackServer
from tests.slack.looking import arguments, question
from tests.slack.serving import serving


async def test_names(platform: Delivery, place: Place, slack: SlackServer, journal: Journal) -> None:
    """Authors and people mentioned get their display names, each looked up once."""
    ada, grace = slack.workspace.user("ada"), slack.workspace.user("grace")
    ada.display_name = "Ada\nLovelace"
    message = question(place, "200.1", f"ask <@{grace.id}>, <@U0NOBODY|bob> or <@U0UNKNOWN>", ada.id)
    for _ in range(2):
        (complete,) = await platform.complete([message])
        assert complete.author.name == "Ada Lovelace"
        assert complete.text == "ask @grace, @bob or @U0UNKNOWN"
    assert len(arguments(journal, "users.info")) == 4


async def test_names_without_the_scope(platform: Delivery, place: Place, slack: SlackServer, journal: Journal) -> None:
    """Without the scope for names ids are used, and Slack is not asked again and again."""
    slack.tokens.bot_scopes = ("chat:write",)
    ada, grace = slack.workspace.user("ada"), slack.workspace.user("grace")
    (first,) = await platform.complete([question(place, "200.1", user=ada.id)])
    assert first.author.name == ada.id
    (second,) = await platform.complete([question(place, "200.2", f"<@{grace.id}|grace>", user=grace.id)])
    assert (second.author.name, second.text) == (grace.id, "@grace")
    assert len(arguments(journal, "users.info")) == 1


async def test_slow_names_are_not_waited_for(slack: SlackServer, place: Place, journal: Journal) -> None:
    """A name that takes long does not hold the answer up, and is there for the next one."""
    slack.faults.add(Fault("users.info", "delay", seconds=0.2))
    api = Api(slack.bot_token, slack.url)
    people = People(api, wait=0.02)
    message = question(place, "200.1", user=slack.workspace.user("ada").id)
    try:
        (first,) = await people.complete([message])
        assert first.author.name == first.author.id
        await journal.until(lambda: list(journal.of("slack", "answer", method="users.info")))
        async with asyncio.timeout(5):
            while (await people.complete([message]))[0].author.name != "ada":  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        assert len(arguments(journal, "users.info")) == 1
    finally:
        await people.close()
        await api.close()


async def test_a_message_that_mentions_thousands(
    platform: Delivery, place: Place, slack: SlackServer, journal: Journal
) -> None:
    """Of thousands that a message mentions few are looked up, its author first, so that no edit waits behind them."""
    ada = slack.workspace.user("ada")
    ada.display_name = "a" * 80
    text = f"<@{ada.id}>" * 4_000 + "".join(f"<@U{number:04}>" for number in range(4_000)) + f"<@U{'A' * 9_000}>"
    (complete,) = await platform.complete([question(place, "200.1", text, ada.id)])
    assert complete.author.name == ada.display_name
    assert len(arguments(journal, "users.info")) == MOST_AT_ONCE
    assert len(complete.text) == LONGEST_MESSAGE


async def test_names_rest_when_slack_refuses(
    platform: Delivery, place: Place, slack: SlackServer, journal: Journal
) -> None:
    """A refusal for the rate ends the looking up of names for as long as Slack says; ids take their place."""
    slack.faults.add(Fault("users.info", "status", status=429, retry_after=30.0))
    for number, name in enumerate(("ada", "grace")):
        user = slack.workspace.user(name).id
        (complete,) = await platform.complete([question(place, f"20{number}.1", user=user)])
        assert complete.author.name == user
    assert len(arguments(journal, "users.info")) == 1


async def test_thread_before(platform: Delivery, place: Place, slack: SlackServer, journal: Journal) -> None:
    """What people and other apps said before the question is read in one call: the first and the newest, capped."""
    assert place.thread is not None
    slack.rates.enforced = False
    for number in range(120):
        await slack.say("general", "grace", f"reply {number}", thread=place.thread, tell=())
    await platform.post(place, Content("our own words"), "n.0")
    ts = await slack.say("general", "ada", "what do you think?", thread=place.thread, tell=())
    await slack.say("general", "ada", "too late", thread=place.thread, tell=())
    before = await platform.thread_before(question(place, ts))
    assert before[0].text == "a question"
    newest = [f"reply {number}" for number in range(71, 120)]
    assert [message.text for message in before[1:]] == [f"{LEFT_OUT}\n{newest[0]}", *newest[1:]]
    assert len(arguments(journal, "conversations.replies")) == 1
    assert {message.key for message in before} == {question(place, ts).key}


async def test_thread_before_when_slack_tells_more(place: Place) -> None:
    """The question itself and what came after it are no background, even where Slack sends them along."""
    told = [{"type": "message", "user": "U1", "ts": f"{n}.000001", "text": f"message {n}"} for n in range(100, 110)]

    async def respond(_: web.Request) -> web.Response:
        return web.json_response({"ok": True, "messages": told})

    async with serving(respond) as api:
        before = await Delivery(api, Identity("T1", "UBOT")).thread_before(question(place, "103.000001"))
    assert [message.text for message in before] == ["message 100", "message 101", "message 102"]


async def test_long_thread_before(platform: Delivery, place: Place, slack: SlackServer) -> None:
    """However long the messages of a thread are, no more than a set number of characters is kept."""
    for _ in range(10):
        await slack.say("general", "grace", "x" * 7_000, thread=place.thread, tell=())
    ts = await slack.say("general", "ada", "what do you think?", thread=place.thread, tell=())
    before = await platform.thread_before(question(place, ts))
    assert [len(message.text) for message in before] == [10, len(f"{LEFT_OUT}\n") + 7_000, 7_000]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("conversations.replies", "error", code="missing_scope"),
        Fault("conversations.replies", "status", status=429),
        Fault("conversations.replies", "reset", times=None),
    ],
    ids=["refused", "limited", "lost"],
)
async def test_unreadable_thread(platform: Delivery, place: Place, slack: SlackServer, fault: Fault) -> None:
    """A thread that cannot be read is no reason not to answer."""
    slack.faults.add(fault)
    assert await platform.thread_before(question(place, "9999999999.000001")) == ()


async def test_status(platform: Delivery, place: Place, slack: SlackServer, journal: Journal) -> None:
    """A status stands under a thread, and is taken away unless a message did that; a flat place has none."""
    await platform.show_status(Place(place.channel), "is thinking")
    assert arguments(journal, "assistant.threads.setStatus") == []
    await platform.show_status(place, "is thinking")
    await platform.clear_status(place)
    await platform.clear_status(place)
    assert [a["status"] for a in arguments(journal, "assistant.threads.setStatus")] == ["is thinking", ""]
    await platform.show_status(place, "is thinking")
    await platform.post(place, Content("…"), "n.0")
    await platform.clear_status(place)
    assert len(arguments(journal, "assistant.threads.setStatus")) == 3


@pytest.mark.parametrize("code", ["unknown_method", "missing_scope", "feature_not_enabled"])
async def test_no_status_here(
    platform: Delivery, place: Place, slack: SlackServer, journal: Journal, code: str
) -> None:
    """Where an app has no status it is not asked for again, and nobody is bothered with it."""
    slack.faults.add(Fault("assistant.threads.setStatus", "error", code=code, times=None))
    await platform.show_status(place, "is thinking")
    await platform.show_status(place, "is thinking")
    assert len(arguments(journal, "assistant.threads.setStatus")) == 1


async def test_notice(platform: Delivery, place: Place, slack: SlackServer, journal: Journal) -> None:
    """A notice calls the asker alone and links to the answer; who is no user id is not called."""
    ada = slack.workspace.user("ada").id
    answer = await platform.post(place, Content("the answer"), "n.0")
    notice = await platform.notify(place, ada, answer.ref, "n.note")
    message = journal.message("slack", notice.ref.channel, notice.ref.id)
    assert message.extra["pings"] == [f"<@{ada}>"]
    assert answer.ref.id.replace(".", "") in message.text
    assert await platform.find(place, "n.note", float(answer.ref.id)) == notice.ref
    for nobody in ("!channel", "U1> <!here", ""):
        with pytest.raises(errors.ContentRefused):
            await platform.notify(place, nobody, answer.ref, "n.x")
