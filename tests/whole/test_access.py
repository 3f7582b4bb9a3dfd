"""Who may not ask is told so once, in one polite sentence; Claude is not asked, and nothing else follows from it."""

from __future__ import annotations

from bot.turn import phrases
from tests.whole.house import Side, Slack


def stranger(side: Side) -> str:
    """Somebody else than the person who may ask."""
    return side.server.workspace.user("grace").id if isinstance(side, Slack) else side.server.user("ben")


async def writes(side: Side, user: str, root: str, text: str) -> str:
    """Go on below `root`: in its thread, or with a reply to what the bot said there."""
    if isinstance(side, Slack):
        return await side.server.say(side.channel, user, text, thread=root)
    if any(place.id == root for place in side.server.channels()):
        return await side.server.say(root, user, text)
    return await side.server.say(side.channel, user, text, reply_to=side.answers()[0].id)


async def taken_in(side: Side) -> None:
    """Wait until the bot has judged everything that was written: Slack's events are acknowledged by then.

    Discord's are handled one after the other: there the next answer is the proof.
    """
    await side.house.until(
        lambda: len(list(side.journal.of("slack", "event"))) == len(list(side.journal.of("slack", "ack")))
    )


async def direct(side: Side, user: str, text: str) -> None:
    """Write the bot a direct message."""
    place = side.server.direct(user) if isinstance(side, Slack) else side.server.dm(user)
    await side.server.say(place, user, text)


async def test_a_stranger_is_told_once(side: Side):
    """A mention by a stranger gets one sentence in its thread, without Claude; going on there, nothing more."""
    side.house.box.claude.answer("Yes.")
    other = stranger(side)
    async with side.house.bot(allowed_users=side.person):
        root = await side.ask("May I?", user=other)
        await side.shows(phrases.STRANGER)
        await writes(side, other, root, "And now?")
        await writes(side, other, root, f"<@{side.bot}> And now?")
        if isinstance(side, Slack):
            await writes(side, side.person, root, "They may not.")
            assert side.answers()[0].thread == root
        await taken_in(side)
        await side.ask("May I?")
        await side.shows(phrases.STRANGER, "Yes.")
    [asked] = side.house.box.claude.asked()
    assert "now" not in str(asked["messages"])
    assert side.pings() == []


async def test_a_refusal_opens_no_thread(discord):
    """On Discord a stranger is told in a reply: a thread would be open to everybody and named by a stranger."""
    async with discord.house.bot(allowed_users=discord.person):
        root = await discord.ask("May I?", user=stranger(discord))
        await discord.shows(phrases.STRANGER)
    [refusal] = discord.answers()
    assert (refusal.channel, refusal.extra["reply_to"]) == (discord.channel, root)
    assert not [place for place in discord.server.channels() if place.kind == "thread"]


async def test_strangers_in_a_thread_of_others(side: Side):
    """In a thread of others a stranger is passed over unless they mention the bot, and their words go nowhere."""
    claude = side.house.box.claude
    claude.answer("A first answer that takes a while. " * 3, rate=20)
    claude.answer("The second answer.")
    other = stranger(side)
    async with side.house.bot(allowed_users=side.person):
        root = await side.ask("First question?")
        await side.shows_text("A first answer")
        for text in ("stop", "A stranger's question?", f"<@{side.bot}> reset", f"<@{side.bot}> A stranger's question?"):
            await writes(side, other, root, text)
        await side.shows_text(phrases.STRANGER)
        await side.shows_text(("A first answer that takes a while. " * 3).strip())
        await taken_in(side)
        await side.follow_up(root, "Second question?")
        await side.shows_text("The second answer.")
    assert side.texts.count(phrases.STRANGER) == 1
    assert len(claude.asked()) == 2
    assert len(claude.asked()[1]["messages"]) == 3
    assert "stranger" not in str(claude.asked()[1]["messages"])


async def test_strangers_who_do_not_speak_to_the_bot(side: Side):
    """A stranger who goes on in a thread of others without naming the bot hears nothing of it."""
    claude = side.house.box.claude
    claude.answer("The first answer.")
    claude.answer("The second answer.")
    async with side.house.bot(allowed_users=side.person):
        root = await side.ask("First question?")
        await side.shows("The first answer.")
        await writes(side, stranger(side), root, "What a good question.")
        await taken_in(side)
        await side.follow_up(root, "Second question?")
        await side.shows_text("The second answer.")
    assert phrases.STRANGER not in side.texts


async def test_direct_messages_of_strangers(side: Side):
    """However often a stranger writes directly, they are told once; who may ask is answered."""
    side.house.box.claude.answer("Yes.")
    other = stranger(side)
    async with side.house.bot(allowed_users=side.person):
        for text in ("May I?", "help", "Hello?", ""):
            await direct(side, other, text)
        await side.shows(phrases.STRANGER)
        await taken_in(side)
        await side.direct("May I?")
        await side.shows(phrases.STRANGER, "Yes.")
    assert len(side.house.box.claude.asked()) == 1


async def test_only_some_channels(side: Side):
    """Outside of the channels named, directly too, there is the sentence; in them and their threads, an answer."""
    claude = side.house.box.claude
    claude.answer("Yes.")
    claude.answer("Still yes.")
    there = side.server.workspace.channel("random").id if isinstance(side, Slack) else side.server.channel("random")
    async with side.house.bot(allowed_channels=f"{there}, C0OTHER"):
        await side.ask("May I?")
        await side.shows(phrases.STRANGER)
        await side.direct("May I?")
        await side.shows(phrases.STRANGER, phrases.STRANGER)
        root = await side.ask("May I?", channel=there)
        await side.shows_text("Yes.")
        if isinstance(side, Slack):
            await side.server.say(there, side.person, "Still?", thread=root)
        else:
            await side.server.say(root, side.person, "Still?")
        await side.shows_text("Still yes.")
    assert len(claude.asked()) == 2


async def test_only_some_workspaces(side: Side, tmp_path):
    """Only in the workspaces named Claude is asked."""
    claude = side.house.box.claude
    claude.answer("Yes.")
    own = side.server.workspace.team_id if isinstance(side, Slack) else side.server.guild_id
    async with side.house.bot(allowed_workspaces="T0ELSEWHERE"):
        await side.ask("May I?")
        await side.shows(phrases.STRANGER)
    async with side.house.bot(allowed_workspaces=f"T0ELSEWHERE {own}", data_dir=tmp_path / "other"):
        await side.ask("May I?")
        await side.shows(phrases.STRANGER, "Yes.")
    assert len(claude.asked()) == 1
