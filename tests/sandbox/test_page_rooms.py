"""The page's rooms: what they are called and for, where messages and threads stand in them, what cannot be sent."""

import pytest

from sandbox.app import Sandbox
from tests.sandbox.page_harness import Browser, next_change


async def test_state_lists_rooms_and_people(sandbox: Sandbox, browser: Browser) -> None:
    """Both platforms are listed with their bot, people and rooms, direct messages for one person each."""
    slack, discord = (await browser.call("/api/state"))["platforms"]
    assert (slack["name"], discord["name"]) == ("slack", "discord")
    assert slack["bot"]["id"] == sandbox.slack.workspace.bot.id
    assert {room["name"] for room in slack["rooms"]} >= {"general", "@ada"}
    assert {room["name"] for room in discord["rooms"]} >= {"general", "@Ada"}
    assert all(len(room["people"]) == 1 for room in slack["rooms"] + discord["rooms"] if room["direct"])
    assert slack["bot"]["id"] not in {person["id"] for person in slack["people"]}


async def test_discord_thread_stands_under_its_message(sandbox: Sandbox, browser: Browser) -> None:
    """Messages in a thread opened from a message are in that message's room and thread; so is what is written there."""
    discord = sandbox.discord
    room, ada = discord.channel("general"), discord.user("ada")
    body = {"room": room, "user": ada, "text": "hello @assistant", "mention": False}
    root = (await browser.call("/api/discord/say", body))["id"]
    assert sandbox.journal.message("discord", room, root).text == f"hello <@{discord.bot_id}>"
    reply = (await browser.call("/api/discord/say", {**body, "text": "a reply", "thread": root}))["id"]
    thread = await discord.open_thread(room, discord.bot_id, "hello", message=root)
    inside = (await browser.call("/api/discord/say", {**body, "text": "inside", "thread": root}))["id"]
    assert sandbox.journal.message("discord", thread, inside).text == "inside"
    messages = (await browser.call(f"/api/discord/messages?room={room}"))["messages"]
    assert {(m["id"], m["thread"]) for m in messages} >= {(root, None), (reply, root), (inside, root)}
    rooms = (await browser.call("/api/state"))["platforms"][1]["rooms"]
    assert thread not in {each["id"] for each in rooms}


async def test_discord_thread_outlives_its_message(sandbox: Sandbox, browser: Browser) -> None:
    """When its message is deleted a thread stays where it was, goes on there, and is no room of its own."""
    discord = sandbox.discord
    room, ada = discord.channel("general"), discord.user("ada")
    before = (await browser.call("/api/state"))["platforms"][1]["rooms"]
    body = {"room": room, "user": ada, "text": "a question"}
    root = (await browser.call("/api/discord/say", body))["id"]
    thread = await discord.open_thread(room, discord.bot_id, "a question", message=root)
    answer = await discord.say(thread, discord.bot_id, "an ans")
    async with browser.session.get(browser.url + "/api/changes") as stream:
        assert (await stream.content.readline()).startswith(b":")
        await browser.call("/api/discord/delete", {"channel": room, "id": root})
        deleted = await next_change(stream)
        await discord.edit(thread, answer, "an ans (Stopped.)")
        stopped = await next_change(stream)
    assert (deleted["room"], deleted["id"], deleted["gone"]) == (room, root, "Original message was deleted")
    assert (stopped["room"], stopped["thread"], stopped["text"]) == (room, root, "an ans (Stopped.)")
    assert (await browser.call("/api/state"))["platforms"][1]["rooms"] == before
    more = (await browser.call("/api/discord/say", {**body, "text": "go on", "thread": root}))["id"]
    assert sandbox.journal.message("discord", thread, more).text == "go on"
    messages = (await browser.call(f"/api/discord/messages?room={room}"))["messages"]
    assert [(m["id"], m["thread"]) for m in messages] == [(root, None), (answer, root), (more, root)]


@pytest.mark.parametrize(("answered", "gone"), [(True, "Original message was deleted"), (False, "(deleted)")])
async def test_deleted_message_says_what_hangs_from_it(
    sandbox: Sandbox, browser: Browser, answered: bool, gone: str
) -> None:
    """On Discord a deleted message that has a reply says so above it; one without is just gone."""
    discord = sandbox.discord
    room, ada = discord.channel("general"), discord.user("ada")
    asked = await discord.say(room, ada, "a question")
    await discord.say(room, ada, "an answer", reply_to=asked if answered else None)
    await browser.call("/api/discord/delete", {"channel": room, "id": asked})
    messages = (await browser.call(f"/api/discord/messages?room={room}"))["messages"]
    assert [message["gone"] for message in messages] == [gone, None]


async def test_special_rooms_say_what_they_are_for(sandbox: Sandbox, browser: Browser) -> None:
    """Only the channel without the bot, the private one and a thread by itself need a word, and have one."""
    discord = sandbox.discord
    thread = await discord.open_thread(discord.channel("general"), discord.user("ada"), "hers")
    platforms = (await browser.call("/api/state"))["platforms"]
    assert [platform["title"] for platform in platforms] == ["Slack", "Discord"]
    slack, others = ({room["name"]: room["about"] for room in platform["rooms"]} for platform in platforms)
    assert {name for name, about in (slack | others).items() if about} == {"lonely", "secret", "hers"}
    assert "is not in this channel" in slack["lonely"]
    assert "private channel" in slack["secret"]
    assert "by itself" in others["hers"]
    assert thread in {room["id"] for room in platforms[1]["rooms"]}


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_blanks_alone_are_not_sent(sandbox: Sandbox, browser: Browser, platform: str) -> None:
    """A message without a word is refused and changes nothing, be it new, with a mention, or an edit."""
    described = next(p for p in (await browser.call("/api/state"))["platforms"] if p["name"] == platform)
    room, user = described["rooms"][0]["id"], described["people"][0]["id"]
    body = {"room": room, "user": user, "text": "a word", "mention": False}
    id_ = (await browser.call(f"/api/{platform}/say", body))["id"]
    for mention in (False, True):
        blank = {**body, "text": " \n\t ", "mention": mention}
        assert (await browser.call(f"/api/{platform}/say", blank, status=400))["error"] == "there is nothing to send"
    await browser.call(f"/api/{platform}/edit", {"channel": room, "id": id_, "text": " "}, status=400)
    assert [shown.text for shown in sandbox.journal.messages(platform)] == ["a word"]


async def test_status_says_until_when_it_is_shown(sandbox: Sandbox, browser: Browser) -> None:
    """Typing on Discord names its own ten seconds, so that nobody takes it for a bot that goes on."""
    headers = {"Authorization": f"Bot {sandbox.discord.bot_token}"}
    typing = f"{sandbox.discord.url}/channels/{sandbox.discord.channel('general')}/typing"
    async with browser.session.get(browser.url + "/api/changes") as stream:
        assert (await stream.content.readline()).startswith(b":")
        async with browser.session.post(typing, headers=headers) as answer:
            assert answer.status == 204
        status = await next_change(stream)
    assert (status["kind"], status["seconds"]) == ("status", 10)
    assert "ten seconds" in status["until"]
