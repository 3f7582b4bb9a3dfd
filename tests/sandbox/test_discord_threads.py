"""Threads of the Discord stand-in, through the real discord.py."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sandbox.discord import DiscordServer
from sandbox.journal import Journal
from tests.sandbox.discord_harness import Http, connected, discord


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer(Journal(), enforce_limits=False) as running:
        yield running


async def opened(server: DiscordServer, client: discord.Client) -> tuple[str, discord.Thread]:
    """A question of Ada's and the thread the bot opened from it."""
    general = server.channel("general")
    asked = await server.say(general, server.user("ada"), "a question")
    channel = await client.fetch_channel(int(general))
    assert isinstance(channel, discord.TextChannel)
    return asked, await channel.create_thread(name="a question", message=discord.Object(int(asked)))


async def test_a_thread_takes_its_message_s_id_and_opens_once(server: DiscordServer, client: discord.Client) -> None:
    """The thread's id is the message's; a second one from the same message is 160004."""
    asked, thread = await opened(server, client)
    assert thread.id == int(asked)
    parent = await client.fetch_channel(int(server.channel("general")))
    assert isinstance(parent, discord.TextChannel)
    with pytest.raises(discord.HTTPException) as exists:
        await parent.create_thread(name="again", message=discord.Object(int(asked)))
    assert exists.value.code == 160004
    await thread.send("in the thread")
    shown = server.journal.messages("discord", thread=str(thread.id))
    assert [(one.channel, one.text) for one in shown] == [(str(thread.id), "in the thread")]


async def test_a_connected_client_sees_the_thread_and_what_is_said_in_it(server: DiscordServer) -> None:
    """The thread, its starter message and follow-ups arrive; the parent message carries the thread."""
    async with connected(server) as client:
        asked, _ = await opened(server, client)
        await server.say(asked, server.user("ben"), "and this?")
        await client.until(lambda: "and this?" in client.texts())
        kinds = [(message.type, message.content) for message in client.of("message")]
        assert kinds == [
            (discord.MessageType.default, "a question"),
            (discord.MessageType.thread_starter_message, ""),
            (discord.MessageType.default, "and this?"),
        ]
        assert client.of("message")[1].reference.resolved.content == "a question"
        assert isinstance(client.of("message")[2].channel, discord.Thread)
        assert client.of("thread_create")[0].me is not None
        parent = await client.get_channel(int(server.channel("general"))).fetch_message(int(asked))
        assert parent.flags.has_thread
        assert parent.thread.name == "a question"


async def test_archived_threads_refuse_edits_and_open_for_posts(server: DiscordServer, client: discord.Client) -> None:
    """Editing and deleting in an archived thread is 50083; posting there un-archives it."""
    _, thread = await opened(server, client)
    message = await thread.send("one")
    await server.archive(str(thread.id))
    for change in (message.edit(content="two"), message.delete(), message.add_reaction("👍")):
        with pytest.raises(discord.HTTPException) as refused:
            await change
        assert (refused.value.status, refused.value.code) == (400, 50083)
    await thread.send("three")
    await message.edit(content="two")


async def test_a_locked_thread_takes_nothing_from_the_bot(server: DiscordServer, client: discord.Client) -> None:
    """Posting is 50083 when locked and archived, 160005 when only locked, and works for who manages threads."""
    _, thread = await opened(server, client)
    await server.lock(str(thread.id))
    with pytest.raises(discord.HTTPException) as archived:
        await thread.send("hello?")
    assert archived.value.code == 50083
    await server.unarchive(str(thread.id))
    with pytest.raises(discord.HTTPException) as locked:
        await thread.send("hello?")
    assert locked.value.code == 160005
    await server.allow(server.channel("general"), "manage_threads")
    await thread.send("moderating")


async def test_permissions_of_the_parent_hold_in_its_threads(server: DiscordServer, client: discord.Client) -> None:
    """Opening needs CREATE_PUBLIC_THREADS, writing SEND_MESSAGES_IN_THREADS, and SEND_MESSAGES is not asked for."""
    general = server.channel("general")
    _, thread = await opened(server, client)
    await server.deny(general, "send_messages")
    await thread.send("fine")
    await server.deny(general, "send_messages_in_threads", "create_public_threads")
    with pytest.raises(discord.Forbidden) as writing:
        await thread.send("no")
    with pytest.raises(discord.Forbidden) as opening:
        await opened(server, client)
    assert writing.value.code == opening.value.code == 50013


async def test_a_thread_needs_a_fitting_place_and_name(server: DiscordServer, api: Http) -> None:
    """No thread in a thread or a direct message, from a system message or an unknown one, nor with a long name."""
    ada, general = server.user("ada"), server.channel("general")
    asked = await server.say(general, ada, "question")
    thread = await server.open_thread(general, ada, "hers", message=asked)
    inside = await server.say(thread, ada, "inside")
    dm = server.dm(ada)
    direct = await server.say(dm, ada, "direct")
    other = await server.say(general, ada, "other")
    for channel, message, name, code in (
        (thread, inside, "x", 50024),
        (dm, direct, "x", 50024),
        (general, "1", "x", 10008),
        (general, other, "", 50035),
        (general, other, "x" * 101, 50035),
    ):
        status, answer, _ = await api("POST", f"/channels/{channel}/messages/{message}/threads", json={"name": name})
        assert answer["code"] == code, (channel, message, status)


async def test_too_many_active_threads_are_refused(server: DiscordServer, client: discord.Client) -> None:
    """At the guild's limit a new thread is 160006 until one is archived."""
    server.active_thread_limit = 1
    _, first = await opened(server, client)
    with pytest.raises(discord.HTTPException) as refused:
        await opened(server, client)
    assert refused.value.code == 160006
    await server.archive(str(first.id))
    await opened(server, client)


async def test_active_and_archived_threads_are_listed(server: DiscordServer, client: discord.Client) -> None:
    """The guild lists what is active with the bot's memberships, the channel what is archived."""
    _, thread = await opened(server, client)
    quiet = await server.open_thread(server.channel("general"), server.user("ada"), "without the bot")
    guild = await client.fetch_guild(int(server.guild_id))
    active = {each.id: each.me is not None for each in await guild.active_threads()}
    assert active == {thread.id: True, int(quiet): False}
    await server.archive(quiet)
    assert [each.id for each in await guild.active_threads()] == [thread.id]
    parent = await client.fetch_channel(int(server.channel("general")))
    assert isinstance(parent, discord.TextChannel)
    assert [each.id async for each in parent.archived_threads()] == [int(quiet)]


async def test_the_bot_joins_and_leaves_threads(server: DiscordServer) -> None:
    """Joining is told once, and the thread's members can be fetched."""
    async with connected(server) as client:
        thread = await server.open_thread(server.channel("general"), server.user("ada"), "hers")
        await client.until(lambda: client.of("thread_create"))
        seen = client.of("thread_create")[0]
        await seen.join()
        await client.until(lambda: seen.me is not None)
        await seen.join()
        await seen.send("a member already")
        told = list(server.journal.of("discord", "event", type="THREAD_MEMBERS_UPDATE"))
        assert len(told) == 1
        assert {member.id for member in await seen.fetch_members()} == {int(server.user("ada")), client.user.id}
        await seen.leave()
        assert server.bot_id not in server.world.channels[thread].members


async def test_archiving_and_deleting_are_told(server: DiscordServer) -> None:
    """THREAD_UPDATE and THREAD_DELETE reach the client."""
    async with connected(server) as client:
        thread = await server.open_thread(server.channel("general"), server.user("ada"), "hers")
        await server.archive(thread)
        await client.until(lambda: client.of("thread_update"))
        await server.delete_channel(thread)
        await client.until(lambda: client.of("raw_thread_delete"))
        assert client.of("raw_thread_delete")[0].thread_id == int(thread)


async def test_the_bot_may_archive_its_own_threads_only(server: DiscordServer, client: discord.Client) -> None:
    """Archiving a thread of its own works; another's needs MANAGE_THREADS."""
    _, own = await opened(server, client)
    assert (await own.edit(archived=True)).archived
    theirs = await server.open_thread(server.channel("general"), server.user("ada"), "hers")
    thread = await client.fetch_channel(int(theirs))
    assert isinstance(thread, discord.Thread)
    with pytest.raises(discord.Forbidden) as refused:
        await thread.edit(archived=True)
    assert refused.value.code == 50013
