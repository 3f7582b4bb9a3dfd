"""All that a message on Discord shows reaches the core, through the real discord.py."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.discord.embeds import DEPTH, components_text
from bot.conversation import Attachment, Message, Place
from bot.ports import Content
from sandbox.discord import DiscordServer, Upload
from tests.discord.harness import Box, listening, logged_in
from tests.discord.test_intake import mention

V2 = 1 << 15
"""Message flag: only components."""

DEPLOY = {"type": "rich", "title": "Deploy failed", "description": "job web-42 exited with code 137"}

SNAPSHOT: dict[str, Any] = {
    "type": 0, "content": "", "embeds": [], "attachments": [], "timestamp": "2026-01-01T00:00:00.000000+00:00",
    "edited_timestamp": None, "flags": 0, "mentions": [], "components": [],
}  # fmt: skip


def forward(**fields: Any) -> dict[str, Any]:
    """What a message has that forwards another."""
    return {
        "message_reference": {"type": 1, "message_id": "1400000000000000001", "channel_id": "300000000000000001"},
        "message_snapshots": [{"message": SNAPSHOT | fields}],
    }


async def taken(server: DiscordServer, box: Box, **shown: Any) -> Message:
    """Ada's direct message with these fields, as the core is handed it."""
    async with listening(server, box):
        channel = server.world.channels[server.dm(server.user("ada"))]
        server.actions.post(channel, server.user("ada"), shown.pop("content", ""), **shown)
        return (await box.until(lambda: box.messages))[-1]


async def background(server: DiscordServer, box: Box, author: str, content: str = "", **shown: Any) -> list[str]:
    """What Claude is told of a message of `author`, when Ada replies to it and asks about it."""
    general = server.channel("general")
    async with listening(server, box) as adapter:
        about = server.actions.post(server.world.channels[general], author, content, **shown)
        await server.say(general, server.user("ada"), mention(server, "what does this mean?"), reply_to=about.id)
        asked = (await box.until(lambda: box.messages))[0]
        return [said.text for said in await adapter.platform.thread_before(asked)]


@pytest.mark.parametrize(
    ("embed", "told"),
    [
        (DEPLOY | {"url": "https://ci.example/42"}, f"Deploy failed (https://ci.example/42)\n{DEPLOY['description']}"),
        ({"fields": [{"name": "env", "value": "prod"}]}, "env: prod"),
        ({"fields": [{"name": "\u200b", "value": "prod"}, {"name": "env", "value": "\u200b"}]}, "prod\nenv"),
        ({"author": {"name": "CI"}, "footer": {"text": "today"}}, "CI\ntoday"),
        ({"title": "A page", "type": "article"}, ""),
    ],
)
async def test_what_an_app_s_embed_shows_is_told(
    server: DiscordServer, box: Box, embed: dict[str, Any], told: str
) -> None:
    """Its parts stand on lines of their own, whatever type it says it has; a preview of a link is left out."""
    robot = server.world.add_user("alerts", bot=True)
    assert await background(server, box, robot, embeds=[embed]) == ([told] if told else [])


async def test_what_components_show_is_told(server: DiscordServer, box: Box) -> None:
    """Texts, buttons with their addresses, descriptions of pictures, files and choices, however they are nested."""
    robot = server.world.add_user("alerts", bot=True)
    button = {"type": 2, "style": 5, "label": "Open", "url": "https://ci.example/42"}
    components: list[dict[str, Any]] = [
        {
            "type": 17,
            "components": [
                {"type": 9, "components": [{"type": 10, "content": "# Deploy failed"}], "accessory": button},
                {"type": 12, "items": [{"media": {"url": "https://ci.example/c.png"}, "description": "memory"}]},
                {"type": 13, "file": {"url": "https://ci.example/log"}, "name": "job.log", "size": 7},
            ],
        },
        {
            "type": 1,
            "components": [
                {"type": 3, "custom_id": "a", "placeholder": "Do", "options": [{"label": "Retry", "value": "1"}]}
            ],
        },
    ]
    told = await background(server, box, robot, components=components, flags=V2)
    assert told == ["# Deploy failed\nOpen (https://ci.example/42)\nmemory\njob.log\nDo\nRetry"]


def test_components_that_hold_themselves_end() -> None:
    """However deep components are nested, their reading ends."""

    class Endless:
        content = "word"
        children: tuple[Any, ...] = ()

    Endless.children = (Endless(),)
    assert components_text([Endless()]).split() == ["word"] * DEPTH


@pytest.mark.parametrize("kind", [20, 23])
async def test_what_an_app_answers_to_a_command_is_told(server: DiscordServer, box: Box, kind: int) -> None:
    """Its message is of a type of its own, and people ask about it as about any other."""
    robot = server.world.add_user("alerts", bot=True)
    assert await background(server, box, robot, embeds=[DEPLOY], kind=kind) == [
        "Deploy failed\njob web-42 exited with code 137"
    ]


async def test_a_forwarded_embed_is_told(server: DiscordServer, box: Box) -> None:
    """What was forwarded is told as such, with what apps showed in it."""
    message = await taken(server, box, extra=forward(content="see", embeds=[DEPLOY]))
    assert message.text == "[forwarded message]\nsee\nDeploy failed\njob web-42 exited with code 137"


async def test_forwarded_files_come_with_the_message(server: DiscordServer, box: Box) -> None:
    """They are files of the message that forwards them, so that a paste among them is read."""
    channel = server.world.channels[server.dm(server.user("ada"))]
    paste = server.actions.attach(channel, Upload("message.txt", b"Why 137?", "text/plain; charset=utf-8"))
    message = await taken(server, box, extra=forward(attachments=[paste]))
    assert message.attachments == (Attachment("message.txt", "text/plain; charset=utf-8", 8, paste["url"]),)
    async with logged_in(server) as adapter:
        [read] = await adapter.platform.complete([message])
    assert read.text == "[forwarded message]\n\n[message.txt]\nWhy 137?"


async def test_forwarded_words_are_not_spoken_to_the_bot(server: DiscordServer, box: Box) -> None:
    """A mention in what somebody forwards to a channel asks nothing."""
    async with listening(server, box):
        general = server.world.channels[server.channel("general")]
        server.actions.post(general, server.user("ada"), "", extra=forward(content=mention(server, "not now")))
        await server.say(general.id, server.user("ada"), mention(server, "now"))
        await box.until(lambda: box.messages)
    assert box.texts() == ["now"]


@pytest.mark.parametrize(
    ("text", "for_us"),
    [
        ("> {bot} how do pods restart?\nlook what she asked", False),
        ("  > {bot} is quoted", False),
        ("look:\n>>> {bot} how do\npods {bot} restart?", False),
        ("> {bot} how do pods restart?\nwell, {bot}?", True),
        ("> how do pods restart?\n{bot} well?", True),
        (">{bot} is no quote", True),
    ],
)
async def test_quoted_words_are_not_spoken_to_the_bot(server: DiscordServer, box: Box, text: str, for_us: bool) -> None:
    """A mention counts where somebody says it, not where they quote somebody else."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box):
        await server.say(general, ada, text.replace("{bot}", f"<@{server.bot_id}>"))
        last = await server.say(general, ada, mention(server, "last"))
        await box.until(lambda: box.messages and box.messages[-1].id == last)
    assert len(box.messages) == 1 + for_us


async def test_quoting_somebody_in_a_thread_does_not_speak_to_them(server: DiscordServer, box: Box) -> None:
    """A follow-up that quotes a mention of somebody else still goes on with the bot."""
    ada = server.user("ada")
    async with listening(server, box):
        root = await server.say(server.channel("general"), ada, mention(server, "question"))
        thread = await server.open_thread(server.channel("general"), ada, "question", message=root)
        await server.say(thread, ada, f"> <@{server.user('ben')}> said so\nis that so?")
        await box.until(lambda: len(box.messages) == 2)
    assert box.texts()[1] == "> @Benny said so\nis that so?"


async def test_a_poll_and_its_votes_are_told(server: DiscordServer, box: Box) -> None:
    """The question, the answers, and how many chose each as soon as somebody did."""
    answers = [{"answer_id": number, "poll_media": {"text": text}} for number, text in ((1, "Pizza"), (2, "Soup"))]
    poll = {"question": {"text": "Lunch?"}, "answers": answers, "expiry": "2036-01-02T00:00:00+00:00"}
    poll |= {"allow_multiselect": False, "layout_type": 1}
    counted = {"is_finalized": False, "answer_counts": [{"id": 2, "count": 3, "me_voted": False}]}
    ben = server.user("ben")
    assert await background(server, box, ben, extra={"poll": poll}) == ["[poll: Lunch? Pizza / Soup]"]
    box.messages.clear()
    told = await background(server, box, ben, extra={"poll": poll | {"results": counted}})
    assert told == ["[poll: Lunch? Pizza (0) / Soup (3)]"]


async def test_a_picture_s_description_is_told(server: DiscordServer, box: Box) -> None:
    """What its author wrote for those who cannot see it is part of what the message says."""
    channel = server.world.channels[server.dm(server.user("ada"))]
    picture = server.actions.attach(channel, Upload("c.png", b"x", "image/png")) | {"description": "memory over time"}
    message = await taken(server, box, content="why?", extra={"attachments": [picture]})
    assert message.text == "why?\n[c.png: memory over time]"


async def test_a_file_of_which_discord_says_no_type_has_that_of_its_name(server: DiscordServer, box: Box) -> None:
    """So a paste is read also where its type was left out."""
    channel = server.world.channels[server.dm(server.user("ada"))]
    files = [server.actions.attach(channel, Upload(name, b"x", "")) for name in ("message.txt", "unknown")]
    for file in files:
        del file["content_type"]
    message = await taken(server, box, extra={"attachments": files})
    assert [file.mime for file in message.attachments] == ["text/plain", "application/octet-stream"]


async def test_the_title_of_a_post_is_told_to_who_is_asked_in_its_midst(server: DiscordServer, box: Box) -> None:
    """The first message of the post carries it, with and without a connection to the gateway."""
    forum, ada = server.add_forum("questions"), server.user("ada")
    async with listening(server, box) as adapter, logged_in(server) as writer:
        post = await server.open_post(forum, ada, "How do pods restart?", "Mine does so every hour.")
        await server.say(post, server.user("ben"), mention(server, "do you know?"))
        asked = (await box.until(lambda: box.messages))[0]
        before = await adapter.platform.thread_before(asked)
        assert await writer.platform.thread_before(asked) == before
    assert [said.text for said in before] == ["[title: How do pods restart?]\nMine does so every hour."]


async def test_the_title_of_a_thread_that_begins_with_nothing_is_told(server: DiscordServer, box: Box) -> None:
    """Who opens a thread by its title alone has asked there; what it says is Ada's, who opened it."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box) as adapter:
        thread = await server.open_thread(general, ada, "How do pods restart?")
        await server.say(thread, ada, mention(server, "see the title"))
        asked = (await box.until(lambda: box.messages))[0]
        before = await adapter.platform.thread_before(asked)
    assert [(said.author.name, said.text) for said in before] == [("Ada", "[title: How do pods restart?]")]


async def test_a_chain_of_replies_begins_where_a_message_is_gone(server: DiscordServer, box: Box) -> None:
    """A deleted message takes along nothing of what was said after it."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box) as adapter:
        first = await server.say(general, ada, "first")
        second = await server.say(general, ada, "second", reply_to=first)
        third = await server.say(general, server.user("ben"), "third", reply_to=second)
        await server.delete(general, second)
        await server.say(general, ada, mention(server, "is that so?"), reply_to=third)
        asked = (await box.until(lambda: box.messages))[0]
        before = await adapter.platform.thread_before(asked)
    assert [said.text for said in before] == ["third"]


async def test_neither_the_bot_itself_nor_a_stranger_s_webhook_is_answered(server: DiscordServer, box: Box) -> None:
    """ALLOWED_BOTS lets in other bots: our own id in it changes nothing, and a webhook is a bot also where it hides."""
    general = server.channel("general")
    hook = server.world.add_user("hook")
    own = server.bot_id
    async with listening(server, box, bots=[own, hook]):
        await server.say(general, own, mention(server, "myself"))
        for _ in range(2):
            channel = server.world.channels[general]
            server.actions.post(channel, hook, mention(server, "alert"), extra={"webhook_id": hook})
        await server.say(general, server.user("ada"), mention(server, "person"))
        await box.until(lambda: len(box.messages) == 3)
    assert [(message.text, message.from_bot) for message in box.messages] == [
        ("alert", True),
        ("alert", True),
        ("person", False),
    ]


async def test_an_app_s_message_in_the_bot_s_own_thread_comes_with_the_question(
    server: DiscordServer, box: Box
) -> None:
    """No conversation holds what other bots write; who replies to it asks about it. What is ours is not repeated."""
    ada, robot = server.user("ada"), server.world.add_user("alerts", "Alerts", bot=True)
    async with listening(server, box) as adapter:
        root = await server.say(server.channel("general"), ada, mention(server, "question"))
        thread = await server.open_thread(server.channel("general"), ada, "question", message=root)
        await box.until(lambda: box.messages)
        ours = await adapter.platform.post(Place(server.channel("general"), thread=thread), Content("answer"), "n")
        alert = server.actions.post(server.world.channels[thread], robot, "", embeds=[DEPLOY])
        await server.say(thread, ada, mention(server, "what is this?"), reply_to=alert.id)
        await server.say(thread, ada, "and this?", reply_to=ours.ref.id)
        await box.until(lambda: len(box.messages) == 3)
    assert box.texts()[1:] == [
        "what is this?\n[in reply to Alerts]\nDeploy failed\njob web-42 exited with code 137",
        "and this?",
    ]
