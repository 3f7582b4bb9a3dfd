"""A mention that an edit adds is a mention: asked once, wherever it is added; previews and quotes add none."""

from __future__ import annotations

from sandbox.discord import DiscordServer
from tests.discord.harness import Box, listening
from tests.discord.test_intake import mention


async def test_a_mention_added_in_a_thread_is_asked(server: DiscordServer, box: Box) -> None:
    """Also where the thread's messages have to name the bot, and where the message spoke to somebody else."""
    ada, ben = server.user("ada"), server.user("ben")
    async with listening(server, box, "mention"):
        root = await server.say(server.channel("general"), ada, mention(server, "question"))
        thread = await server.open_thread(server.channel("general"), ada, "question", message=root)
        aside = await server.say(thread, ada, f"<@{ben}> what do you think?")
        await server.edit(thread, aside, mention(server, "what do you think?"))
        await box.until(lambda: len(box.messages) == 2)
    assert (box.messages[1].text, box.messages[1].id, box.messages[1].addressed) == ("what do you think?", aside, True)
    assert box.messages[1].key == box.messages[0].key
    assert box.edits == []


async def test_the_bot_s_own_role_may_be_added_too(server: DiscordServer, box: Box) -> None:
    """People pick it from the list as readily as the bot."""
    own = next(role.id for role in server.world.roles.values() if role.managed_by)
    server.world.roles[own].mentionable = True
    general = server.channel("general")
    async with listening(server, box):
        id_ = await server.say(general, server.user("ada"), "how?")
        await server.edit(general, id_, f"<@&{own}> how?")
        await box.until(lambda: box.messages)
    assert box.texts() == ["how?"]


async def test_a_mention_is_asked_once_however_often_it_is_edited(server: DiscordServer, box: Box) -> None:
    """Taken away and added again it is another text of the same question, also to the process that comes after."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box):
        id_ = await server.say(general, ada, "how?")
        await server.edit(general, id_, mention(server, "how?"))
        await server.edit(general, id_, "never mind")
        await server.edit(general, id_, mention(server, "how then?"))
        await box.until(lambda: len(box.edits) == 2)
    async with listening(server, box):
        await server.edit(general, id_, mention(server, "how at all?"))
        await box.until(lambda: len(box.edits) == 3)
    assert box.texts() == ["how?"]
    assert [edit.text for edit in box.edits] == ["never mind", "how then?", "how at all?"]


async def test_what_another_process_passed_over_is_asked_when_the_mention_comes(
    server: DiscordServer, box: Box
) -> None:
    """A message of before the restart counts as any other."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box) as adapter:
        id_ = await server.say(general, ada, "how?")
        server.advance(60)  # so much later, that it is not read again
        last = await server.say(general, ada, "anybody?")
        await box.until(lambda: box.cursors.get(adapter.installation) == last)
    async with listening(server, box):
        await server.edit(general, id_, mention(server, "how?"))
        await box.until(lambda: box.messages)
    assert box.texts() == ["how?"]


async def test_a_day_later_a_mention_asks_no_more(server: DiscordServer, box: Box) -> None:
    """The store has forgotten by then what was asked; who corrects an old question is not answered anew."""
    general, ada = server.channel("general"), server.user("ada")
    server.advance(-86_400)
    old = await server.say(general, ada, mention(server, "how?"))
    server.advance(86_400)
    async with listening(server, box):
        await server.edit(general, old, mention(server, "how, then?"))
        await server.say(general, ada, mention(server, "now"))
        await box.until(lambda: box.messages)
    assert box.texts() == ["now"]


async def test_neither_a_preview_nor_a_quote_adds_a_mention(server: DiscordServer, box: Box) -> None:
    """A link unfurls in a message that was edited before, and somebody quotes who asked: nobody asks anything."""
    general, ada = server.channel("general"), server.user("ada")
    async with listening(server, box):
        id_ = await server.say(general, ada, "https://example.com")
        await server.edit(general, id_, "see https://example.com")
        await server.unfurl(general, id_)
        await server.edit(general, id_, f"> <@{server.bot_id}> see https://example.com\nhe said")
        await server.say(general, ada, mention(server, "now"))
        await box.until(lambda: box.messages)
    assert box.texts() == ["now"]
    assert box.edits == []
