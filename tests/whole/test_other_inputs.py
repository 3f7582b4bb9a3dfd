"""What people send in other forms than a typed line: as a file, by an edit, from another company, in an app's embed."""

from __future__ import annotations

import json

import pytest

from bot.turn import phrases
from sandbox.discord.world import Upload
from tests.whole.house import Discord, Side, Slack


def told(side: Side) -> str:
    """All that Claude was told so far."""
    return json.dumps([asked["messages"] for asked in side.house.box.claude.asked()], ensure_ascii=False)


async def paste(side: Side, text: str) -> None:
    """Write the bot a direct message that is a text file, as the platforms make one of a long paste or a snippet."""
    if isinstance(side, Slack):
        file = {"name": "Untitled.txt", "mimetype": "text/plain", "mode": "snippet", "content": text.encode()}
        await side.server.say(side.server.direct(side.person), side.person, "", files=[file], subtype="file_share")
    else:
        upload = Upload("message.txt", text.encode(), "text/plain; charset=utf-8")
        await side.server.say(side.server.dm(side.person), side.person, "", attachments=[upload])


async def test_a_long_paste_is_read(side: Side):
    """A text that comes as a file is a question like one that was typed, whatever characters it holds."""
    side.house.box.claude.answer("Paris.")
    async with side.house.bot():
        await paste(side, "What is the capital of France? Überlegt… 🧑‍🚀")
        await side.shows_text("Paris.")
    assert "What is the capital of France? Überlegt… 🧑‍🚀" in told(side)
    assert "not readable" not in told(side)


async def test_a_paste_that_cannot_be_read_is_named(side: Side):
    """Where the file is gone, Claude is told of it, and the person gets an answer all the same."""
    side.house.box.claude.answer("I cannot read it.")
    async with side.house.bot():
        if isinstance(side, Slack):
            file = {"name": "gone.txt", "mimetype": "text/plain", "size": 4}
            await side.server.say(side.server.direct(side.person), side.person, "read", files=[file])
        else:
            await side.server.say(
                side.server.dm(side.person), side.person, "read", attachments=[Upload("gone.txt", b"", "text/plain")]
            )
        await side.shows_text("I cannot read it.")
    assert "gone.txt" in told(side)


@pytest.mark.parametrize("length", [1, 60])
async def test_a_voice_message_is_read_by_its_transcript(slack: Slack, length: int):
    """What Slack heard in a voice message is the question: its beginning, and all of it where that is not the whole."""
    slack.house.box.claude.answer("At nine.")
    said = " ".join(["when", *["exactly"] * length, "does it open & close?"])
    file = {"name": "audio_message.m4a", "mimetype": "audio/mp4", "size": 9, "subtype": "slack_audio", "said": said}
    async with slack.house.bot():
        await slack.server.say(slack.server.direct(slack.person), slack.person, "", files=[file], subtype="file_share")
        await slack.shows_text("At nine.")
    assert said in told(slack)


async def test_a_mention_that_an_edit_adds_is_asked_once(side: Side):
    """A message to which its author adds the mention is answered as one that had it; later edits ask no more."""
    side.house.box.claude.answer("With kubectl.", times=2)
    async with side.house.bot():
        id_ = await side.server.say(side.channel, side.person, "how do I list pods?")
        await side.server.edit(side.channel, id_, f"<@{side.bot}> how do I list pods?")
        await side.shows_text("With kubectl.")
        await side.server.edit(side.channel, id_, f"<@{side.bot}> how do I list all pods?")
        await side.ask("and nodes?")
        await side.house.until(lambda: len(side.answers()) == 2)
    assert len(side.house.box.claude.asked()) == 2


async def test_a_preview_asks_nothing(side: Side):
    """The preview that the platform adds below a link, while the answer grows and after, changes nothing."""
    side.house.box.claude.answer("A summary. " * 40, rate=40)
    async with side.house.bot():
        id_ = await side.ask("summarise https://example.com/")
        await side.shows_text("A summary.")
        await side.server.unfurl(side.channel, id_)
        await side.house.until(lambda: side.texts == [("A summary. " * 40).strip()])
    assert len(side.house.box.claude.asked()) == 1


@pytest.mark.parametrize("fields", [{"team": "T0OTHER001"}, {"team": "T0SANDBOX", "user_team": "T0OTHER001"}])
async def test_people_of_other_organisations_are_refused(slack: Slack, fields: dict[str, str]):
    """Somebody of another company gets one polite sentence, also where our own workspace is allowed; never Claude."""
    event = {"type": "app_mention", "channel": slack.channel, "user": slack.person, "ts": "1700000000.000100"}
    async with slack.house.bot(allowed_workspaces="T0SANDBOX"):
        await slack.server.send_event({**event, **fields, "text": f"<@{slack.bot}> tell me our plans"})
        await slack.shows(phrases.STRANGER)
    assert slack.house.box.claude.asked() == []


async def test_people_of_other_organisations_may_be_let_in(slack: Slack):
    """With EXTERNAL=allow they are answered as everybody is."""
    slack.house.box.claude.answer("Gladly.")
    event = {"type": "app_mention", "channel": slack.channel, "user": slack.person, "ts": "1700000000.000100"}
    async with slack.house.bot(external="allow"):
        await slack.server.send_event({**event, "team": "T0OTHER001", "text": f"<@{slack.bot}> help us"})
        await slack.shows_text("Gladly.")


async def test_a_pasted_table_is_told(slack: Slack):
    """The table that Slack puts into an attachment reaches Claude as a table."""
    slack.house.box.claude.answer("North.")
    rows = [[{"type": "raw_text", "text": text} for text in row] for row in (("Region", "Units"), ("North", "481"))]
    table = {"id": 1, "blocks": [{"type": "table", "rows": rows}], "fallback": "[no preview available]"}
    async with slack.house.bot():
        await slack.server.say(
            slack.channel, slack.person, f"<@{slack.bot}> which region sold most?", attachments=[table]
        )
        await slack.shows_text("North.")
    assert "| North | 481 |" in told(slack)


async def test_a_reply_to_an_apps_embed_is_understood(discord: Discord):
    """What an app shows in an embed alone is told when somebody asks about it."""
    discord.house.box.claude.answer("It ran out of memory.")
    embed = {
        "type": "rich",
        "title": "Deploy failed",
        "description": "job web-42 exited with code 137",
        "fields": [{"name": "env", "value": "prod", "inline": True}],
    }
    world = discord.server.world
    alert = discord.server.actions.post(world.channels[discord.channel], discord.server.user("ben"), "", embeds=[embed])
    async with discord.house.bot():
        await discord.ask("what does this mean?", reply_to=alert.id)
        await discord.shows_text("It ran out of memory.")
    assert "job web-42 exited with code 137" in told(discord)
    assert "env: prod" in told(discord)


def another_bot(side: Side) -> str:
    """The id of another bot that can write where the bot is."""
    return "B0ALERT001" if isinstance(side, Slack) else side.server.world.add_user("alerts", "Alerts", bot=True)


async def another_bot_asks(side: Side, robot: str, number: int) -> None:
    """Mention the bot as another bot does."""
    text = f"<@{side.bot}> why? {number}"
    if isinstance(side, Slack):
        event = {"type": "message", "subtype": "bot_message", "bot_id": robot, "username": "alerts"}
        where = {"channel": side.channel, "channel_type": "channel", "team": side.server.workspace.team_id}
        await side.server.send_event({**event, **where, "text": text, "ts": f"170000000{number}.000100"})
    else:
        await side.server.say(side.channel, robot, text)


async def test_other_bots_are_not_answered(side: Side):
    """A bot that nobody named in ALLOWED_BOTS may mention ours as often as it likes."""
    side.house.box.claude.answer("For a person.")
    robot = another_bot(side)
    async with side.house.bot():
        await another_bot_asks(side, robot, 1)
        await side.ask("and me?")
        await side.shows_text("For a person.")
    assert len(side.house.box.claude.asked()) == 1


async def test_a_bot_that_may_ask_is_answered_three_times_a_minute(side: Side):
    """A bot that is named is answered like a person; after three answers it is told once, and then nothing more."""
    side.house.box.claude.answer("An answer.", times=9)
    robot = another_bot(side)
    async with side.house.bot(allowed_bots=robot):
        for number in range(6):
            await another_bot_asks(side, robot, number)
        await side.shows_text(phrases.LOOP)
        await side.house.until(lambda: side.texts.count("An answer.") == 3)
        await side.ask("and me?")
        await side.house.until(lambda: side.texts.count("An answer.") == 4)
    assert side.texts.count(phrases.LOOP) == 1


async def test_the_title_of_a_forum_post_is_told(discord: Discord):
    """People leave the question in the title of a post; it is part of what its first message says, and only of that."""
    discord.house.box.claude.answer("By the kubelet.", times=2)
    forum = discord.server.add_forum("questions")
    async with discord.house.bot():
        post = await discord.server.open_post(
            forum, discord.person, "How do pods restart?", f"<@{discord.bot}> see the title"
        )
        await discord.shows_text("By the kubelet.")
        await discord.server.say(post, discord.person, f"<@{discord.bot}> and nodes?")
        await discord.house.until(lambda: len(discord.answers()) == 2)
    first, second = [asked["messages"][-1]["content"] for asked in discord.house.box.claude.asked()]
    assert "How do pods restart?" in first
    assert "How do pods restart?" not in second


async def test_a_role_lets_people_ask(discord: Discord):
    """With ALLOWED_ROLES somebody without the role is told so once, and somebody with it is answered."""
    role = discord.server.world.add_role("askers", 0, mentionable=False)
    discord.server.world.users[discord.person].roles.append(role)
    discord.house.box.claude.answer("Paris.")
    async with discord.house.bot(allowed_roles=frozenset({role})):
        await discord.ask("What is the capital of France?", user=discord.other)
        await discord.shows_text(phrases.STRANGER)
        await discord.ask("What is the capital of France?")
        await discord.shows_text("Paris.")
    assert len(discord.house.box.claude.asked()) == 1
