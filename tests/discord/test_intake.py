"""What people do on Discord becomes what the core is told, through the real discord.py."""

from __future__ import annotations

import asyncio

import pytest

from bot.conversation import Attachment, Place, ThreadKey
from bot.ports import Content
from sandbox.discord import DiscordServer, Upload
from tests.discord.harness import Box, listening, logged_in


def mention(server: DiscordServer, text: str) -> str:
    return f"<@{server.bot_id}> {text}"


async def test_a_mention_in_a_channel_is_a_conversation_of_its_own(server: DiscordServer, box: Box) -> None:
    """Key, place, author, time and text are those of the message, and a thread may be opened from it."""
    async with listening(server, box) as adapter:
        general = server.channel("general")
        id_ = await server.say(general, server.user("ben"), mention(server, "hello"))
        await box.until(lambda: box.messages)
    message = box.messages[0]
    assert message.key == ThreadKey("discord", server.guild_id, id_)
    assert message.installation == adapter.installation == f"discord:{server.application_id}"
    assert (message.id, message.text, message.author.id, message.author.name) == (
        id_,
        "hello",
        server.user("ben"),
        "Benny",
    )
    assert message.place == Place(general, root=id_)
    assert abs(message.sent_at - server.journal.message("discord", general, id_).versions[0][0]) < 1.0
    assert message.addressed
    assert not message.mid_thread


async def test_markup_becomes_words(server: DiscordServer, box: Box) -> None:
    """Mentions are names, the bot's own goes, and what has no name says so."""
    role = server.add_role("admins", mentionable=True)
    async with listening(server, box):
        await server.say(
            server.channel("general"),
            server.user("ada"),
            f"hey <@!{server.bot_id}>, ask <@{server.user('ben')}> or <@&{role}> in <#{server.channel('random')}> "
            "<:wave:123> <a:party:9> </help:7> <t:0:R> <#1> <@2> a\0b \ud800 1 < 2",
        )
        await box.until(lambda: box.messages)
    assert box.messages[0].text == (
        "hey, ask @Benny or @admins in #random :wave: :party: /help 1970-01-01 00:00 UTC #unknown-channel "
        "@unknown-user a�b � 1 < 2"
    )


async def test_files_are_described(server: DiscordServer, box: Box) -> None:
    """A message of files alone has no text, and their names, types and sizes."""
    async with listening(server, box):
        upload = Upload("notes.txt", b"four", "text/plain")
        await server.say(server.dm(server.user("ada")), server.user("ada"), "", attachments=[upload])
        await box.until(lambda: box.messages)
    assert box.messages[0].text == ""
    [file] = box.messages[0].attachments
    assert file == Attachment("notes.txt", "text/plain", 4, file.url)
    assert file.url.startswith(server.actions.files_url)


async def test_direct_messages_are_one_flat_conversation(server: DiscordServer, box: Box) -> None:
    """Every message there is for the bot, and the key is the channel's."""
    async with listening(server, box):
        channel = server.dm(server.user("ada"))
        await server.say(channel, server.user("ada"), "one")
        await server.say(channel, server.user("ada"), "two")
        await box.until(lambda: len(box.messages) == 2)
    assert {str(message.key) for message in box.messages} == {f"discord:@me:{channel}"}
    assert {message.place for message in box.messages} == {Place(channel, direct=True)}
    assert all(message.addressed for message in box.messages)


async def test_only_what_is_for_the_bot_is_handed_on(server: DiscordServer, box: Box) -> None:
    """Talk in a channel, @everyone, other people's mentions and the bot's own messages are ignored."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box) as adapter:
        await server.say(general, ada, "just talk")
        await server.say(general, ada, "@everyone look")
        server.actions.post(server.world.channels[general], ada, mention(server, "joined"), kind=7)
        await server.say(general, ada, f"<@{server.user('ben')}> hi")
        await adapter.platform.post(Place(general), Content(mention(server, "myself")), "n")
        await server.say(general, ada, mention(server, "now"))
        await box.until(lambda: box.messages)
    assert box.texts() == ["now"]


async def test_the_bot_s_own_role_is_a_mention_and_another_is_not(server: DiscordServer, box: Box) -> None:
    """Discord makes each bot a role of its name, which people pick from the list as readily as the bot."""
    own = next(role.id for role in server.world.roles.values() if role.managed_by)
    server.world.roles[own].mentionable = True
    other = server.add_role("others", mentionable=True)
    async with listening(server, box):
        await server.say(server.channel("general"), server.user("ada"), f"<@&{other}> no")
        await server.say(server.channel("general"), server.user("ada"), f"<@&{own}> yes")
        await box.until(lambda: box.messages)
    assert box.texts() == ["yes"]


async def test_follow_ups_in_a_thread_of_the_bot(server: DiscordServer, box: Box) -> None:
    """They continue the conversation unless they address only others; in other threads nothing is for the bot."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box) as adapter:
        root = await server.say(general, ada, mention(server, "question"))
        await box.until(lambda: box.messages)
        where = await adapter.platform.open(box.messages[0].place, "question")
        other = await server.open_thread(general, ada, "elsewhere")
        await server.say(other, ada, "not for the bot")
        await server.say(root, ada, f"<@{server.user('ben')}> what do you think?")
        await server.say(root, server.user("owner"), "@everyone look at this")
        bens = await server.say(root, server.user("ben"), "and this?")
        await server.say(root, ada, "to Ben", reply_to=bens)
        await server.say(root, server.user("ben"), "to myself", reply_to=bens)
        await server.say(root, ada, mention(server, f"and <@{server.user('ben')}>"))
        await box.until(lambda: len(box.messages) == 4)
    assert where == Place(general, thread=root)
    assert box.texts() == ["question", "and this?", "to myself", "and @Benny"]
    assert {str(message.key) for message in box.messages} == {f"discord:{server.guild_id}:{root}"}
    assert {message.place for message in box.messages[1:]} == {where}
    assert [message.addressed for message in box.messages] == [True, False, False, True]
    assert not any(message.mid_thread for message in box.messages)


async def test_follow_ups_only_when_mentioned(server: DiscordServer, box: Box) -> None:
    """With FOLLOW_UPS=mention a thread's messages have to name the bot; direct messages need not."""
    ada = server.user("ada")
    async with listening(server, box, "mention"):
        root = await server.say(server.channel("general"), ada, mention(server, "question"))
        thread = await server.open_thread(server.channel("general"), ada, "question", message=root)
        await server.say(thread, ada, "not this")
        await server.say(thread, ada, mention(server, "this"))
        await server.say(server.dm(ada), ada, "and this")
        await box.until(lambda: len(box.messages) == 3)
    assert box.texts() == ["question", "this", "and this"]


async def test_a_mention_in_the_midst_of_a_thread_brings_what_was_said(server: DiscordServer, box: Box) -> None:
    """The message says that it is new there, and the platform reads the thread before it, oldest first."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box) as adapter:
        root = await server.say(general, ada, "where it began")
        thread = await server.open_thread(general, ada, "talk", message=root)
        await server.say(thread, server.user("ben"), "first")
        await server.say(thread, ada, f"second, <@{server.user('ben')}>")  # history knows no nicknames
        channel = server.world.channels[thread]
        server.actions.post(channel, ada, "another name", kind=4)
        server.actions.post(channel, ada, "", embeds=[{"type": "link", "title": "a preview"}])
        await server.say(thread, ada, mention(server, "what do you think?"))
        await box.until(lambda: box.messages)
        await server.say(thread, ada, "and later")
        await box.until(lambda: len(box.messages) == 2)
        asked = box.messages[0]
        before = await adapter.platform.thread_before(asked)
    assert asked.mid_thread
    assert not box.messages[1].mid_thread
    assert [(said.author.name, said.text) for said in before] == [
        ("Ada", "where it began"),
        ("Ben", "first"),
        ("Ada", "second, @Ben"),
    ]
    assert {said.key for said in before} == {asked.key}


async def test_a_thread_reads_the_same_without_a_connection(server: DiscordServer, box: Box) -> None:
    """Who only writes reads the names of people, roles and channels as who listens does."""
    general, ada = server.channel("general"), server.user("ada")
    role = server.add_role("helpers", mentionable=True)
    own = next(each.id for each in server.world.roles.values() if each.managed_by == server.bot_id)
    async with listening(server, box) as adapter, logged_in(server) as writer:
        root = await server.say(general, ada, f"where it began, see <#{server.channel('random')}>")
        thread = await server.open_thread(general, ada, "talk", message=root)
        await server.say(thread, ada, f"<@&{role}> and <@{server.user('ben')}>, not <@&{own}>")
        await server.say(thread, ada, mention(server, "what do you think?"))
        await box.until(lambda: box.messages)
        before = await adapter.platform.thread_before(box.messages[0])
        assert await writer.platform.thread_before(box.messages[0]) == before
    assert [said.text for said in before] == [
        "where it began, see #random",
        "@helpers and @Ben, not",
    ]


async def test_a_reply_to_the_bot_continues_that_conversation(server: DiscordServer, box: Box) -> None:
    """It is answered as a reply; a reply to somebody else is not for the bot."""
    general, ada = server.channel("general"), server.user("ada")
    key = ThreadKey("discord", server.guild_id, "1")
    async with listening(server, box) as adapter:
        answer = await adapter.platform.post(Place(general), Content("an answer"), "n")
        box.ours[answer.ref.id] = key
        bens = await server.say(general, server.user("ben"), "hello")
        await server.say(general, ada, "to Ben", reply_to=bens)
        reply = await server.say(general, ada, "go on", reply_to=answer.ref.id)
        await box.until(lambda: box.messages)
    assert box.texts() == ["go on"]
    assert box.messages[0].key == key
    assert box.messages[0].place == Place(general, reply_to=reply)


async def test_a_reply_may_overtake_what_the_worker_writes_down(server: DiscordServer, box: Box) -> None:
    """A reply that comes before the store knows the answered message still continues its conversation."""
    general, ada = server.channel("general"), server.user("ada")
    key = ThreadKey("discord", server.guild_id, "1")
    async with listening(server, box) as adapter:
        answer = await adapter.platform.post(Place(general), Content("an answer"), "n")
        asyncio.get_running_loop().call_later(0.2, box.ours.__setitem__, answer.ref.id, key)
        await server.say(general, ada, "go on", reply_to=answer.ref.id)
        await box.until(lambda: box.messages)
    assert box.messages[0].key == key


async def test_a_question_about_someone_s_message_brings_it_along(server: DiscordServer, box: Box) -> None:
    """Replying to a chain of messages and mentioning the bot makes the chain the question's background."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box) as adapter:
        first = await server.say(general, ada, "first")
        second = await server.say(general, server.user("ben"), "second", reply_to=first)
        third = await server.say(general, ada, "third", reply_to=second)
        id_ = await server.say(general, ada, mention(server, "is that so?"), reply_to=third)
        await box.until(lambda: box.messages)
        asked = box.messages[0]
        before = await adapter.platform.thread_before(asked)
    assert asked.mid_thread
    assert asked.place == Place(general, root=id_)
    assert [said.text for said in before] == ["first", "second", "third"]


async def test_a_forgotten_answer_of_the_bot_is_background(server: DiscordServer, box: Box) -> None:
    """A reply to a message of ours whose conversation has expired begins one that knows that message."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box) as adapter:
        answer = await adapter.platform.post(Place(general), Content("long ago"), "n")
        await server.say(general, ada, "go on", reply_to=answer.ref.id)
        await box.until(lambda: box.messages)
        before = await adapter.platform.thread_before(box.messages[0])
    assert [said.text for said in before] == ["long ago"]


async def test_edits_reach_the_core_and_unfurled_links_do_not(server: DiscordServer, box: Box) -> None:
    """Only a changed text is an edit; it carries the key of the question."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box):
        await server.unfurl(general, await server.say(general, ada, "https://example.com"))
        id_ = await server.say(general, ada, mention(server, "https://example.com"))
        await server.unfurl(general, id_)
        await server.edit(general, id_, mention(server, "better"))
        await server.unfurl(general, id_)
        await server.say(general, ada, mention(server, "next"))
        await box.until(lambda: len(box.messages) == 2)
    assert [(str(edit.key), edit.text) for edit in box.edits] == [(str(box.messages[0].key), "better")]


async def test_an_edit_is_told_with_its_time(server: DiscordServer, box: Box) -> None:
    """By Discord's clock, so that the newest is asked whatever order edits come in."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box):
        id_ = await server.say(general, ada, mention(server, "one"))
        for text in ("two", "three"):
            server.advance(60)
            await server.edit(general, id_, mention(server, text))
        await box.until(lambda: len(box.edits) == 2)
    first, second = box.edited_at
    assert second - first >= 60
    assert first - box.messages[0].sent_at >= 60


async def test_edits_of_what_people_say_to_one_another_go_nowhere(server: DiscordServer, box: Box) -> None:
    """Of talk in a channel, in threads the bot takes no part in, and to others by a reply, no new text is handed on."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box):
        talk = await server.say(general, ada, "among ourselves")
        thread = await server.open_thread(general, ada, "talk", message=talk)
        said = [
            (general, talk),
            (general, await server.say(general, server.user("ben"), "quite", reply_to=talk)),
            (thread, await server.say(thread, ada, "here, too")),
        ]
        for channel, id_ in said:
            await server.edit(channel, id_, "edited")
        await server.say(general, ada, mention(server, "now"))
        await box.until(lambda: box.messages)
    assert box.edits == []


async def test_edits_of_what_an_earlier_process_took_in_reach_the_core(server: DiscordServer, box: Box) -> None:
    """Also of a follow-up that never named the bot, and of a question that no longer does."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box) as adapter:
        root = await server.say(general, ada, mention(server, "question"))
        thread = await server.open_thread(general, ada, "question", message=root)
        follow_up = await server.say(thread, ada, "and thn?")
        server.advance(60)  # so much later, that nothing of this is read again
        last = await server.say(general, ada, mention(server, "another"))
        await box.until(lambda: box.cursors[adapter.installation] == last)
    async with listening(server, box):
        await server.edit(general, root, "never mind")
        await server.edit(thread, follow_up, "and then?")
        await box.until(lambda: len(box.edits) == 2)
    assert [(edit.id, edit.text) for edit in box.edits] == [(root, "never mind"), (follow_up, "and then?")]


async def test_deletions_by_people_reach_the_core(server: DiscordServer, box: Box) -> None:
    """A question taken back, and an answer of the bot deleted by a person, with their conversation's key."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box) as adapter:
        id_ = await server.say(general, ada, mention(server, "question"))
        await box.until(lambda: box.messages)
        key = box.messages[0].key
        answer = (await adapter.platform.post(Place(general), Content("…"), "n1")).ref
        own = (await adapter.platform.post(Place(general), Content("…"), "n2")).ref
        box.ours |= {answer.id: key, own.id: key}
        await adapter.platform.delete(Place(general), own)
        await server.delete(general, answer.id)
        await server.delete(general, id_)
        direct = server.dm(ada)
        await server.delete(direct, await server.say(direct, ada, "never mind"))
        await box.until(lambda: len(box.deletions) == 3)
    assert box.deletions[:2] == [(str(key), answer.id), (str(key), id_)]
    assert box.deletions[2][0] == f"discord:@me:{direct}"


@pytest.mark.parametrize("count", [40])
async def test_a_channel_s_messages_keep_their_order(server: DiscordServer, box: Box, count: int) -> None:
    """However fast they come, they are handed in as they were written."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box):
        for number in range(count):
            await server.say(general, ada, mention(server, str(number)))
        await box.until(lambda: len(box.messages) == count)
    assert box.texts() == [str(number) for number in range(count)]
