"""The main job on the real protocols: mention it, and the answer grows in place; go on, and it remembers."""

from __future__ import annotations

import asyncio

from bot.turn import phrases
from tests.whole.house import Discord, Side, Slack

LONG = "\n\n".join(f"Paragraph {n}. " + "It goes on and on with words that mean little. " * 6 for n in range(30))


async def test_a_mention_is_answered_in_place(side: Side):
    """A mention gets a placeholder at once, which grows into the whole answer in one message."""
    begins, goes_on = asyncio.Event(), asyncio.Event()
    answer = "An answer that grows word by word, until it is whole."
    side.house.box.claude.answer(answer, chunk=6, gates={0: begins, 24: goes_on})
    async with side.house.bot():
        await side.ask("How do you grow?")
        await side.shows("…")
        begins.set()
        await side.shows("An answer that grows wor")
        goes_on.set()
        await side.shows(answer)
    [shown] = side.answers()
    assert shown.versions[0][1] == "…"
    assert side.pings() == []


async def test_a_thread_is_remembered(side: Side):
    """What was said in a thread is sent along when somebody goes on there without a mention."""
    claude = side.house.box.claude
    claude.answer("The first answer.")
    claude.answer("The second answer.")
    async with side.house.bot():
        root = await side.ask("The first question?")
        await side.shows("The first answer.")
        await side.follow_up(root, "The second question?")
        await side.shows("The first answer.", "The second answer.")
    messages = claude.asked()[1]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert "The first question?" in str(messages[0])
    assert "The first answer." in str(messages[1])
    assert "The second question?" in str(messages[2])


async def test_history_outlives_the_process(side: Side):
    """After a restart the conversation goes on where it was."""
    claude = side.house.box.claude
    claude.answer("The first answer.")
    claude.answer("The second answer.")
    async with side.house.bot():
        root = await side.ask("The first question?")
        await side.shows("The first answer.")
    async with side.house.bot():
        await side.follow_up(root, "The second question?")
        await side.shows_text("The second answer.")
    assert len(claude.asked()[1]["messages"]) == 3


async def test_a_direct_message_is_answered(side: Side):
    """A direct message needs no mention and is answered flat."""
    side.house.box.claude.answer("Hello to you.")
    async with side.house.bot():
        await side.direct("Hello?")
        await side.shows("Hello to you.")


async def test_a_long_answer_goes_on_in_more_messages(side: Side):
    """An answer longer than a message is shown whole, in order, over several."""
    long = LONG * (1 if side.name == "discord" else 3)
    side.house.box.claude.answer(long, chunk=400)
    async with side.house.bot():
        await side.ask("Tell me everything.")
        await side.shows_text(long.split()[-1], timeout=30)
        await side.house.until(lambda: " ".join(side.texts).split() == long.split(), "the whole text", 30)
    assert len(side.answers()) > 1


async def test_words_to_the_bot(side: Side):
    """An empty mention gets a greeting, `help` the help; Claude is not asked."""
    async with side.house.bot():
        await side.ask("")
        await side.shows_text(phrases.GREETING)
        await side.ask("help")
        await side.shows_text("start a new conversation here")
    assert side.house.box.claude.asked() == []


async def test_stop_ends_a_running_answer(side: Side):
    """`stop` in the thread ends the running answer with a word; the next question is answered."""
    claude = side.house.box.claude
    claude.answer("One. " * 2000, rate=10)
    claude.answer("The next answer.")
    async with side.house.bot():
        root = await side.ask("Talk.")
        await side.shows_text("One.")
        await side.follow_up(root, "stop")
        await side.shows_text("(Stopped.)")
        await side.follow_up(root, "And now?")
        await side.shows_text("The next answer.")
    assert "(Stopped.)" not in str(claude.asked()[1]["messages"])


async def test_deleting_the_answer_is_stop(side: Side):
    """A reader who deletes the growing message ends the answer, and nothing is posted again."""
    claude = side.house.box.claude
    claude.answer("One. " * 2000, rate=10)
    claude.answer("The next answer.")
    async with side.house.bot():
        root = await side.ask("Talk.")
        shown = await side.shows_text("One.")
        await side.delete(shown)
        await side.follow_up(root, "And now?")
        await side.shows("The next answer.")


async def test_deleting_the_placeholder_is_stop(side: Side):
    """A reader who deletes the placeholder while Claude is silent is believed at once: Claude is not heard out."""
    never = asyncio.Event()
    claude = side.house.box.claude
    claude.answer("Never seen.", gates={0: never})
    claude.answer("The next answer.")
    async with side.house.bot():
        root = await side.ask("Talk.")
        await side.shows("…")
        await side.delete(side.answers()[0])
        await side.follow_up(root, "And now?")
        await side.shows("The next answer.")
    assert len(claude.asked()) == 2


async def test_a_mention_in_the_middle_of_a_thread_knows_what_was_said(slack: Slack):
    """A thread the bot is first mentioned in the middle of is read, so that "what do you think of that?" works."""
    slack.house.box.claude.answer("I think it is blue.")
    async with slack.house.bot():
        root = await slack.server.say(slack.channel, slack.server.workspace.user("grace").id, "The sky is blue.")
        await slack.ask("What do you think of that?", thread=root)
        await slack.shows("I think it is blue.")
    [asked] = slack.house.box.claude.asked()
    assert "The sky is blue." in str(asked["messages"])
    assert "grace" in str(asked["messages"])


async def test_discord_opens_a_thread_named_after_the_question(discord: Discord):
    """A mention in a text channel opens a thread from that message, named after the question in plain text."""
    discord.house.box.claude.answer("Because.")
    async with discord.house.bot():
        root = await discord.ask("Why is **the sky** blue?")
        await discord.shows("Because.")
    [thread] = [place for place in discord.server.channels() if place.kind == "thread"]
    assert (thread.id, thread.name) == (root, "Why is the sky blue?")
    assert discord.answers()[0].channel == root


async def test_discord_replies_where_no_thread_may_be_opened(discord: Discord):
    """Where a thread may not be opened the answer is a reply, and a reply to it goes on with the conversation."""
    claude = discord.house.box.claude
    claude.answer("The first answer.")
    claude.answer("The second answer.")
    await discord.server.deny(discord.channel, "create_public_threads")
    async with discord.house.bot():
        await discord.ask("First?")
        await discord.shows("The first answer.")
        [first] = discord.answers()
        assert first.channel == discord.channel
        await discord.ask("Second?", reply_to=first.id)
        await discord.shows("The first answer.", "The second answer.")
    assert len(claude.asked()[1]["messages"]) == 3
