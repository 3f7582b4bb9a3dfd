"""Messages, threads and direct messages of the Discord stand-in, through the real discord.py."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import pytest

from sandbox.discord import DiscordServer, Upload
from sandbox.journal import Journal
from tests.sandbox.discord_harness import Http, connected, discord, http, logged_in


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer(Journal(), enforce_limits=False) as running:
        yield running


def place(client: discord.Client, channel: str) -> discord.PartialMessageable:
    return client.get_partial_messageable(int(channel))


async def test_a_message_can_be_posted_edited_read_and_deleted(server: DiscordServer, client: discord.Client) -> None:
    """Every version is in the journal, and the API reads back the newest."""
    general = server.channel("general")
    message = await place(client, general).send("one")
    edited = await message.edit(content="two", suppress=True)
    assert edited.content == "two"
    assert edited.edited_at is not None
    assert (await place(client, general).fetch_message(message.id)).content == "two"
    shown = server.journal.message("discord", general, str(message.id))
    assert [text for _, text in shown.versions] == ["one", "two"]
    assert shown.author == server.bot_id
    assert shown.extra["embeds_suppressed"]
    await message.delete()
    assert shown.deleted_at is not None
    with pytest.raises(discord.NotFound) as missing:
        await message.edit(content="three")
    assert missing.value.code == 10008


async def test_content_is_trimmed_and_measured_in_code_points(server: DiscordServer, client: discord.Client) -> None:
    """White space at both ends goes, 2,000 code points fit, 2,001 are refused and name the field."""
    general = place(client, server.channel("general"))
    assert (await general.send("  kept \n")).content == "kept"
    assert len((await general.send("🦜" * 2000)).content) == 2000
    with pytest.raises(discord.HTTPException) as refused:
        await general.send("x" * 2001)
    assert refused.value.code == 50035
    assert "In content: Must be 2000 or fewer in length." in refused.value.text


@pytest.mark.parametrize("body", [{"content": ""}, {"content": " \n"}, {}])
async def test_an_empty_message_is_refused(server: DiscordServer, api: Http, body: dict[str, str]) -> None:
    """Nothing to show is 50006."""
    status, answer, _ = await api.post(server.channel("general"), **body)
    assert (status, answer["code"]) == (400, 50006)


async def test_a_file_comes_with_its_message(server: DiscordServer, client: discord.Client) -> None:
    """A multipart post keeps the file's name, size and bytes."""
    file = discord.File(io.BytesIO(b"body"), filename="notes.txt")
    message = await place(client, server.channel("general")).send("with a file", file=file)
    assert message.attachments[0].filename == "notes.txt"
    assert await message.attachments[0].read() == b"body"


async def test_an_edit_can_add_and_remove_files(server: DiscordServer, client: discord.Client) -> None:
    """An edit keeps the attachments it names and adds the files it brings."""
    message = await place(client, server.channel("general")).send("a", file=discord.File(io.BytesIO(b"1"), "one.txt"))
    both = await message.add_files(discord.File(io.BytesIO(b"2"), "two.txt"))
    assert [each.filename for each in both.attachments] == ["one.txt", "two.txt"]
    left = await both.remove_attachments(both.attachments[0])
    assert [each.filename for each in left.attachments] == ["two.txt"]


async def test_a_person_s_file_is_described_to_the_bot(server: DiscordServer) -> None:
    """An attachment of a person arrives with name, MIME type and size."""
    async with connected(server) as client:
        upload = Upload("photo.png", b"\x89PNG", "image/png")
        await server.say(server.channel("general"), server.user("ada"), "", attachments=[upload])
        await client.until(lambda: client.of("message"))
        attachment = client.of("message")[0].attachments[0]
        assert (attachment.filename, attachment.content_type, attachment.size) == ("photo.png", "image/png", 4)


async def test_a_repeated_nonce_makes_no_second_message(server: DiscordServer, client: discord.Client) -> None:
    """With `enforce_nonce` a repeated post returns the first message, wherever and whatever it says now."""
    general = place(client, server.channel("general"))
    first = await general.send("once", nonce="turn1.0")
    again = await general.send("twice", nonce="turn1.0")
    assert again.id == first.id
    assert again.content == "once"
    server.advance(600)
    later = await general.send("thrice", nonce="turn1.0")
    assert later.id != first.id


async def test_a_repeated_nonce_of_a_deleted_message_is_unknown(server: DiscordServer, client: discord.Client) -> None:
    """A message that was deleted since is not made again: 10008."""
    general = place(client, server.channel("general"))
    await (await general.send("once", nonce="n")).delete()
    with pytest.raises(discord.NotFound) as missing:
        await general.send("once", nonce="n")
    assert missing.value.code == 10008


async def test_a_nonce_is_not_stored(server: DiscordServer, api: Http) -> None:
    """The answer to the post and its event carry the nonce; what is fetched later does not."""
    general = server.channel("general")
    async with connected(server) as client:
        _, posted, _ = await api.post(general, content="x", nonce="n1")
        assert posted["nonce"] == "n1"
        await client.until(lambda: client.of("message"))
        assert client.of("message")[0].nonce == "n1"
    _, fetched, _ = await api("GET", f"/channels/{general}/messages/{posted['id']}")
    assert "nonce" not in fetched
    status, refused, _ = await api.post(general, content="x", nonce="n" * 26)
    assert (status, refused["code"]) == (400, 50035)


async def test_history_pages_by_before_after_and_around(server: DiscordServer, client: discord.Client) -> None:
    """Pages hold the right messages in the right order."""
    general, ada = server.channel("general"), server.user("ada")
    ids = [await server.say(general, ada, str(index)) for index in range(9)]
    channel = place(client, general)

    async def texts(**where: object) -> list[str]:
        return [message.content async for message in channel.history(**where)]  # type: ignore[arg-type]

    at = {index: discord.Object(int(id_)) for index, id_ in enumerate(ids)}
    assert await texts(limit=3) == ["8", "7", "6"]
    assert await texts(limit=2, before=at[4]) == ["3", "2"]
    assert await texts(limit=2, after=at[4]) == ["5", "6"]
    assert await texts(limit=3, around=at[4]) == ["5", "4", "3"]


async def test_a_reply_carries_what_it_answers(server: DiscordServer) -> None:
    """A reply arrives with the message it refers to; to a message that is gone it is refused."""
    general, ada = server.channel("general"), server.user("ada")
    async with connected(server) as client:
        own = await client.get_channel(int(general)).send("mine")
        await server.say(general, ada, "and then?", reply_to=str(own.id))
        await client.until(lambda: len(client.of("message")) == 2)
        reply = client.of("message")[1]
        assert reply.type is discord.MessageType.reply
        assert reply.reference.resolved.content == "mine"
        assert [user.id for user in reply.mentions] == [client.user.id]
        await server.delete(general, str(own.id))
        with pytest.raises(discord.HTTPException) as refused:
            await own.reply("too late")
        assert refused.value.code == 50035
        soft = discord.MessageReference(message_id=own.id, channel_id=own.channel.id, fail_if_not_exists=False)
        assert (await own.channel.send("anyway", reference=soft)).reference is None


async def test_content_of_others_is_hidden_from_rest_without_the_intent() -> None:
    """REST hides what the gateway hides when the application has not the MESSAGE_CONTENT intent."""
    async with DiscordServer(Journal(), privileged_intents=()) as server, http(server) as api:
        general = server.channel("general")
        await server.say(general, server.user("ada"), "overheard")
        await server.say(general, server.user("ada"), f"<@{server.bot_id}> asked")
        _, messages, _ = await api("GET", f"/channels/{general}/messages")
        assert [message["content"] for message in messages] == [f"<@{server.bot_id}> asked", ""]


async def test_embeds_and_components_keep_their_limits(server: DiscordServer, client: discord.Client) -> None:
    """4,096 characters of description, 4,000 of component text, and no content beside Components V2."""
    general = place(client, server.channel("general"))
    await general.send(embed=discord.Embed(description="x" * 4096))
    with pytest.raises(discord.HTTPException) as refused:
        await general.send(embed=discord.Embed(description="x" * 4097))
    assert "embeds.0.description" in refused.value.text
    view = discord.ui.LayoutView()
    view.add_item(discord.ui.TextDisplay("x" * 4000))
    await general.send(view=view)
    view.add_item(discord.ui.TextDisplay("y"))
    with pytest.raises(discord.HTTPException) as too_much:
        await general.send(view=view)
    assert too_much.value.code == 50035


async def test_text_that_is_no_unicode_is_no_json(server: DiscordServer, api: Http) -> None:
    """A lone surrogate or broken JSON is 50109."""
    path, head = f"/channels/{server.channel('general')}/messages", {"Content-Type": "application/json"}
    for data in (b'{"content": "\\ud83d"}', b'{"content": ', b'{"content": "\xff"}'):
        async with api.session.post(
            server.url + path, data=data, headers=head | {"Authorization": f"Bot {server.bot_token}"}
        ) as answer:
            assert (answer.status, (await answer.json())["code"]) == (400, 50109)


@pytest.mark.parametrize(
    "body",
    [
        {"content": ["no"]},
        {"content": "x", "allowed_mentions": "none"},
        {"content": "x", "flags": "4"},
        {"content": "x", "message_reference": 7},
        {"embeds": {}},
        {"embeds": ["text"]},
    ],
)
async def test_fields_of_the_wrong_type_are_named(server: DiscordServer, api: Http, body: dict[str, object]) -> None:
    """What is not of the documented type is 50035 under the field's name, on create and on edit."""
    general = server.channel("general")
    _, message, _ = await api.post(general, content="x")
    for method, path in (("POST", ""), ("PATCH", f"/{message['id']}")):
        status, answer, _ = await api(method, f"/channels/{general}/messages{path}", json=body)
        assert (status, answer["code"]) == (400, 50035)
        assert set(answer["errors"]) <= set(body)


async def test_what_does_not_exist_is_not_found(server: DiscordServer, api: Http) -> None:
    """Unknown channels, messages, users and calls have their codes."""
    general = server.channel("general")
    for path, code in (
        ("/channels/1", 10003),
        (f"/channels/{general}/messages/1", 10008),
        ("/users/1", 10013),
        ("/guilds/1", 10004),
        ("/nothing/here", 0),
    ):
        status, answer, headers = await api("GET", path)
        assert (status, answer["code"]) == (404, code)
        assert headers["Content-Type"] == "application/json"


async def test_a_request_over_25_mib_is_too_large(server: DiscordServer, api: Http) -> None:
    """What exceeds the limit is 40005."""
    body = io.BytesIO(b'{"content": "x", "padding": "' + b"y" * (25 * 1024 * 1024) + b'"}')
    status, answer, _ = await api("POST", f"/channels/{server.channel('general')}/messages", data=body)
    assert (status, answer["code"]) == (413, 40005)


async def test_another_s_message_can_only_be_deleted_with_permission(
    server: DiscordServer, client: discord.Client
) -> None:
    """Editing it is 50005, deleting it 50013 until the bot may manage messages."""
    general = server.channel("general")
    asked = await server.say(general, server.user("ada"), "hers")
    theirs = place(client, general).get_partial_message(int(asked))
    with pytest.raises(discord.Forbidden) as not_mine:
        await theirs.edit(content="mine now")
    assert not_mine.value.code == 50005
    with pytest.raises(discord.Forbidden) as not_allowed:
        await theirs.delete()
    assert not_allowed.value.code == 50013
    await server.allow(general, "manage_messages")
    await theirs.delete()


@pytest.mark.parametrize(
    ("permission", "code"),
    [("view_channel", 50001), ("send_messages", 50013), ("send_messages_in_threads", None)],
)
async def test_permissions_decide_who_posts(
    server: DiscordServer, client: discord.Client, permission: str, code: int | None
) -> None:
    """Without VIEW_CHANNEL a post is 50001, without SEND_MESSAGES 50013; the one for threads does not matter here."""
    general = server.channel("general")
    await server.deny(general, permission)
    if code is None:
        await place(client, general).send("fine")
        return
    with pytest.raises(discord.Forbidden) as refused:
        await place(client, general).send("no")
    assert refused.value.code == code
    await server.allow(general, permission)
    await place(client, general).send("again")


async def test_without_history_there_is_nothing_to_read_or_to_reply_to(
    server: DiscordServer, client: discord.Client
) -> None:
    """Without READ_MESSAGE_HISTORY history is empty and a reply is 160002."""
    general = server.channel("general")
    asked = await server.say(general, server.user("ada"), "question")
    await server.deny(general, "read_message_history")
    assert [m async for m in place(client, general).history()] == []
    with pytest.raises(discord.Forbidden) as refused:
        await place(client, general).get_partial_message(int(asked)).reply("answer")
    assert refused.value.code == 160002


@pytest.mark.parametrize("code", [50007, 50278])
async def test_closed_direct_messages_refuse_the_post_only(
    server: DiscordServer, client: discord.Client, code: int
) -> None:
    """Opening the channel works, writing in it does not."""
    ben = server.user("ben")
    user = await client.fetch_user(int(ben))
    assert (await user.send("hello")).channel.id == int(server.dm(ben))
    await server.close_dms(ben, code)
    with pytest.raises(discord.Forbidden) as refused:
        await user.send("hello?")
    assert refused.value.code == code
    await server.open_dms(ben)
    await user.send("again")


async def test_a_bot_that_was_removed_has_no_access(server: DiscordServer) -> None:
    """After the bot was kicked the guild is gone for it and its channels are 50001."""
    async with connected(server) as client:
        channel = client.get_channel(int(server.channel("general")))
        await server.kick_bot()
        await client.until(lambda: client.of("guild_remove"))
        with pytest.raises(discord.Forbidden) as refused:
            await channel.send("hello?")
        assert refused.value.code == 50001


async def test_a_deleted_channel_is_unknown(server: DiscordServer) -> None:
    """Writing in a channel that was deleted is 10003, and readers see its messages no more."""
    async with connected(server) as client:
        general = server.channel("general")
        channel = client.get_channel(int(general))
        await channel.send("here")
        await server.delete_channel(general)
        with pytest.raises(discord.NotFound) as refused:
            await channel.send("hello?")
        assert refused.value.code == 10003
        assert server.journal.messages("discord", general) == []


async def test_a_new_channel_is_announced(server: DiscordServer) -> None:
    """CHANNEL_CREATE lets the client write there at once."""
    async with connected(server) as client:
        created = server.add_channel("new")
        await client.until(lambda: client.of("guild_channel_create"))
        await client.get_channel(int(created)).send("first")


async def test_commands_can_be_registered(server: DiscordServer) -> None:
    """The command tree syncs, globally and for a guild."""
    async with logged_in(server) as client:
        tree = discord.app_commands.CommandTree(client)

        @tree.command(name="ask", description="Ask")
        async def ask(_: discord.Interaction[discord.Client], text: str) -> None:
            raise NotImplementedError(text)

        assert [command.name for command in await tree.sync()] == ["ask"]
        assert [command.name for command in await tree.fetch_commands()] == ["ask"]


async def test_guild_members_and_roles_can_be_fetched(server: DiscordServer) -> None:
    """Names come with the guild: nickname before display name before username."""
    async with logged_in(server) as client:
        guild = await client.fetch_guild(int(server.guild_id))
        names = [(await guild.fetch_member(int(server.user(name)))).display_name for name in ("ada", "ben")]
        assert names == ["Ada", "Benny"]
        assert {role.name for role in await guild.fetch_roles()} == {"@everyone", "assistant"}
        assert [channel.name for channel in await guild.fetch_channels()] == ["general", "random"]
        assert [each.name async for each in client.fetch_guilds()] == ["Sandbox"]
