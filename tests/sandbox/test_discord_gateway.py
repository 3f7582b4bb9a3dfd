"""The gateway of the Discord stand-in, through the real discord.py."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

import aiohttp
import pytest

from sandbox.discord import DiscordServer
from sandbox.discord.compression import ZlibStream, ZstdStream
from sandbox.faults import Fault
from sandbox.journal import Journal
from tests.sandbox.discord_harness import Client, Sharded, connected, discord, intents, logged_in, point_to


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer(Journal()) as running:
        yield running


async def test_a_client_becomes_ready_and_knows_the_guild(server: DiscordServer) -> None:
    """After READY and GUILD_CREATE the client knows the guild, its channels, its own permissions and its flags."""
    async with connected(server) as client:
        guild = client.get_guild(int(server.guild_id))
        assert [channel.name for channel in guild.text_channels] == ["general", "random"]
        assert guild.me.id == int(server.bot_id)
        granted = guild.text_channels[0].permissions_for(guild.me)
        assert granted.send_messages
        assert granted.create_public_threads
        assert not granted.manage_messages
        assert client.application.flags.gateway_message_content_limited
        assert not client.application.flags.gateway_guild_members_limited


async def test_a_sharded_client_asks_for_the_gateway_and_hears_each_event_once() -> None:
    """With two shards a guild's event and a direct message arrive once each, on the shard that owns them."""
    async with DiscordServer(Journal(), shards=2) as server, connected(server, Sharded) as client:
        await server.say(server.channel("general"), server.user("ada"), "in the guild")
        await server.say(server.dm(server.user("ada")), server.user("ada"), "direct")
        await client.until(lambda: len(client.texts()) >= 2)
        assert sorted(client.texts()) == ["direct", "in the guild"]
        assert client.shard_count == 2


async def test_content_is_hidden_without_the_intent_except_where_discord_shows_it(server: DiscordServer) -> None:
    """Without MESSAGE_CONTENT only DMs, mentions of the bot and its own messages carry their text."""
    ada, general = server.user("ada"), server.channel("general")
    async with connected(server, wanted=intents(message_content=False)) as client:
        await server.say(general, ada, "overheard")
        await server.say(general, ada, f"<@{server.bot_id}> asked")
        await server.say(server.dm(ada), ada, "direct")
        await client.get_channel(int(general)).send("own")
        await client.until(lambda: len(client.texts()) == 4)
        assert client.texts() == ["", f"<@{server.bot_id}> asked", "direct", "own"]


async def test_intents_decide_which_events_arrive(server: DiscordServer) -> None:
    """A client without DIRECT_MESSAGES hears the guild and no direct message."""
    ada = server.user("ada")
    async with connected(server, wanted=intents(dm_messages=False)) as client:
        await server.say(server.dm(ada), ada, "direct")
        await server.say(server.channel("general"), ada, "in the guild")
        await client.until(client.texts)
        assert client.texts() == ["in the guild"]


async def test_a_privileged_intent_that_is_off_is_final() -> None:
    """A client that asks for an intent which is not switched on is closed with 4014."""
    async with DiscordServer(Journal(), privileged_intents=()) as server:
        point_to(server)
        client = discord.Client(intents=intents())
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await asyncio.wait_for(client.start(server.bot_token), 5)
        await client.close()


async def test_a_bad_token_is_refused_by_rest_and_by_the_gateway(server: DiscordServer) -> None:
    """A wrong token fails at login; one revoked after login is closed with 4004."""
    point_to(server)
    client = discord.Client(intents=intents())
    with pytest.raises(discord.LoginFailure):
        await client.login("wrong")
    await client.close()
    async with logged_in(server) as late:
        server.revoke_token()
        with pytest.raises(discord.ConnectionClosed) as closed:
            await asyncio.wait_for(late.connect(), 5)
        assert closed.value.code == 4004


@pytest.mark.parametrize("code", [1000, 1001, 4000, 4009, None])
async def test_nothing_is_lost_over_a_dropped_socket(server: DiscordServer, code: int | None) -> None:
    """What happens while the client reconnects is replayed by RESUME, in order and once."""
    ada, general = server.user("ada"), server.channel("general")
    async with connected(server) as client:
        await server.say(general, ada, "before")
        await client.until(client.texts)
        await server.drop_sockets(code)
        for index in range(3):
            await server.say(general, ada, f"missed {index}")
        await client.until(lambda: client.of("resumed"))
        await server.say(general, ada, "after")
        await client.until(lambda: "after" in client.texts())
        assert client.texts() == ["before", "missed 0", "missed 1", "missed 2", "after"]
        assert len(list(server.journal.of("discord", "call", call="GATEWAY IDENTIFY"))) == 1


async def test_a_reconnect_request_is_resumed(server: DiscordServer) -> None:
    """After op 7 the client resumes and goes on."""
    async with connected(server) as client:
        await server.request_reconnect()
        await client.until(lambda: client.of("resumed"))


async def test_an_invalid_session_may_be_resumable(server: DiscordServer) -> None:
    """After op 9 with true the client resumes and loses nothing."""
    async with connected(server) as client:
        await server.invalidate_sessions(resumable=True)
        await server.say(server.channel("general"), server.user("ada"), "meanwhile")
        await client.until(lambda: client.of("resumed") and client.texts())
        assert client.texts() == ["meanwhile"]


async def test_an_invalidated_session_loses_what_came_between_and_history_has_it(server: DiscordServer) -> None:
    """After op 9 with false the client identifies anew; the messages between are only in the channel's history."""
    ada, general = server.user("ada"), server.channel("general")
    async with connected(server) as client:
        seen = await server.say(general, ada, "before")
        await client.until(client.texts)
        await server.invalidate_sessions()
        await server.say(general, ada, "lost")
        await client.until(lambda: len(client.of("ready")) == 2)
        assert client.texts() == ["before"]
        after = discord.Object(int(seen))
        channel = client.get_channel(int(general))
        assert [m.content async for m in channel.history(after=after)] == ["lost"]


async def test_a_session_left_too_long_cannot_be_resumed(server: DiscordServer) -> None:
    """A RESUME minutes later is answered with op 9, and the client identifies anew."""
    async with connected(server) as client:
        stop = server.journal.listen(lambda entry: server.advance(3600) if entry["type"] == "CLOSE" else None)
        await server.drop_sockets(4000)
        stop()
        await client.until(lambda: len(client.of("ready")) == 2)
        assert not client.of("resumed")


@pytest.mark.parametrize(("code", "answer"), [(None, "RESUMED"), (4000, "RESUMED"), (1000, None), (1001, None)])
async def test_only_a_client_that_says_goodbye_ends_its_session(
    server: DiscordServer, code: int | None, answer: str | None
) -> None:
    """A connection that breaks without a word is resumed as one closed with 4000 is; after 1000 or 1001 nothing is."""
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(server.gateway_url)
        await socket.receive()
        await socket.send_json({"op": 2, "d": {"token": server.bot_token, "intents": 0}})
        ready = await socket.receive_json()
        if code is not None:
            await socket.close(code=code)
    async with asyncio.timeout(5):
        while server.connections:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
    async with aiohttp.ClientSession() as session, session.ws_connect(server.gateway_url) as socket:
        await socket.receive()
        resume = {"token": server.bot_token, "session_id": ready["d"]["session_id"], "seq": ready["s"]}
        await socket.send_json({"op": 6, "d": resume})
        said = await socket.receive_json()
        assert (said["op"], said["t"]) == ((0, answer) if answer else (9, None))


async def test_a_silent_gateway_is_noticed_by_missing_heartbeats() -> None:
    """A connection that answers nothing is given up by the client, which resumes on another."""
    async with (
        DiscordServer(Journal(), heartbeat=0.05) as server,
        connected(server, heartbeat_timeout=0.2) as client,
    ):
        await server.silence_heartbeats()
        await server.say(server.channel("general"), server.user("ada"), "into the void")
        await client.until(lambda: client.of("resumed"))
        await client.until(client.texts)
        assert client.texts() == ["into the void"]


async def test_a_client_that_stops_its_heartbeats_is_closed() -> None:
    """A connection without heartbeats is closed with 4009."""
    async with (
        DiscordServer(Journal(), heartbeat=0.02) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.gateway_url + "?v=10&encoding=json") as socket,
    ):
        hello = await socket.receive_json()
        assert hello == {"op": 10, "d": {"heartbeat_interval": 20, "_trace": ["sandbox"]}, "s": None, "t": None}
        closed = await socket.receive(timeout=5)
        assert closed.data == 4009


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("not json", 4002),
        ('{"op": 99, "d": null}', 4001),
        ('{"op": 3, "d": {}}', 4003),
        ('{"op": 2, "d": {"token": "wrong", "intents": 0}}', 4004),
        ('{"op": 2, "d": {"token": "TOKEN", "intents": -1}}', 4013),
        ('{"op": 2, "d": {"token": "TOKEN", "intents": 2}}', 4014),
        ('{"op": 2, "d": {"token": "TOKEN", "intents": 0, "shard": [2, 2]}}', 4010),
    ],
)
async def test_misuse_of_the_gateway_has_its_close_code(server: DiscordServer, said: str, code: int) -> None:
    """What a client may not say closes the connection with the documented code."""
    async with aiohttp.ClientSession() as session, session.ws_connect(server.gateway_url) as socket:
        await socket.receive()
        await socket.send_str(said.replace("TOKEN", server.bot_token))
        assert (await socket.receive()).data == code


async def test_too_many_gateway_messages_close_the_connection(server: DiscordServer) -> None:
    """The 121st message within a minute closes with 4008."""
    async with aiohttp.ClientSession() as session, session.ws_connect(server.gateway_url) as socket:
        await socket.receive()
        for _ in range(120):
            await socket.send_json({"op": 1, "d": None})
            assert (await socket.receive_json())["op"] == 11
        await socket.send_json({"op": 1, "d": None})
        assert (await socket.receive()).data == 4008


async def test_the_bot_hears_no_channel_it_may_not_view(server: DiscordServer) -> None:
    """Events of a channel without VIEW_CHANNEL do not arrive, and the client sees the overwrite."""
    ada, general = server.user("ada"), server.channel("general")
    async with connected(server) as client:
        await server.deny(general, "view_channel")
        await server.say(general, ada, "secret")
        await server.say(server.channel("random"), ada, "open")
        await client.until(client.texts)
        assert client.texts() == ["open"]
        channel = client.get_channel(int(general))
        assert not channel.permissions_for(channel.guild.me).view_channel


async def test_edits_deletions_typing_and_reactions_arrive(server: DiscordServer) -> None:
    """What people do beside writing reaches the client as its own events."""
    ada, general = server.user("ada"), server.channel("general")
    async with connected(server) as client:
        asked = await server.say(general, ada, "frist")
        await server.edit(general, asked, "first")
        await server.unfurl(general, asked)
        await server.type(general, ada)
        await server.react(general, asked, ada, "👍")
        await server.delete(general, asked)
        await client.until(lambda: client.of("raw_message_delete"))
        edits = [raw.data for raw in client.of("raw_message_edit")]
        assert [(edit["content"], len(edit["embeds"])) for edit in edits] == [("first", 0), ("first", 1)]
        assert edits[0]["edited_timestamp"] == edits[1]["edited_timestamp"] is not None
        assert client.of("typing")
        assert str(client.of("raw_reaction_add")[0].emoji) == "👍"
        assert client.of("raw_message_delete")[0].message_id == int(asked)


async def test_members_are_chunked_on_request() -> None:
    """With the members intent the client fetches everybody and knows their names."""
    async with (
        DiscordServer(Journal(), privileged_intents=("message_content", "guild_members")) as server,
        connected(server, wanted=intents(members=True)) as client,
    ):
        guild = client.get_guild(int(server.guild_id))
        assert guild.chunked
        assert guild.get_member(int(server.user("ben"))).display_name == "Benny"


async def test_an_outage_of_discord_itself_is_survived(server: DiscordServer) -> None:
    """Stopped and started again on its port, the stand-in knows its world and its sessions."""
    ada, general = server.user("ada"), server.channel("general")
    async with connected(server) as client:
        await server.stop()
        await server.say(general, ada, "unheard")
        await server.start()
        await client.until(lambda: client.of("resumed"))
        await client.until(client.texts)
        assert client.texts() == ["unheard"]
        await client.get_channel(int(general)).send("back")


async def test_sessions_left_for_good_are_forgotten(server: DiscordServer) -> None:
    """A client that died without a word costs nothing once its session can no longer be resumed."""
    async with aiohttp.ClientSession() as session, session.ws_connect(server.gateway_url) as socket:
        await socket.receive()
        await socket.send_json({"op": 2, "d": {"token": server.bot_token, "intents": 512}})
        assert (await socket.receive_json())["t"] == "READY"
    await server.journal.until(lambda: all(each.link is None for each in server.sessions))
    server.advance(600)
    await server.say(server.channel("general"), server.user("ada"), "to nobody")
    assert list(server.sessions) == []


async def test_new_members_and_roles_are_told() -> None:
    """Who joins and which role is made reaches a client that may know."""
    async with (
        DiscordServer(Journal(), privileged_intents=("message_content", "guild_members")) as server,
        connected(server, wanted=intents(members=True)) as client,
    ):
        server.add_user("dee", "Dee")
        server.add_role("staff")
        await client.until(lambda: client.of("member_join") and client.of("guild_role_create"))
        assert client.of("member_join")[0].display_name == "Dee"


async def test_two_clients_at_once_hear_the_same(server: DiscordServer) -> None:
    """Each identified session is sent every event (a second one may stand by)."""
    async with connected(server) as one, connected(server) as two:
        await server.say(server.channel("general"), server.user("ada"), "hello")
        await asyncio.gather(one.until(one.texts), two.until(two.texts))
        assert one.texts() == two.texts() == ["hello"]


async def test_the_gateway_may_be_out_of_reach(server: DiscordServer) -> None:
    """A connection that is refused is tried again, and the session goes on."""
    async with connected(server) as client:
        server.faults.add(Fault("GATEWAY connect", "reset"))
        await server.drop_sockets()
        await client.until(lambda: client.of("resumed"))
        assert list(server.journal.of("discord", "fault", call="GATEWAY connect"))


def test_zlib_messages_end_with_the_sync_marker_and_share_one_stream() -> None:
    """Each message is inflated by one decoder that lives as long as the connection."""
    stream, inflate = ZlibStream(), zlib.decompressobj()
    for text in ("one", "two" * 50_000):
        piece = stream.encode(text)
        assert piece.endswith(b"\x00\x00\xff\xff")
        assert inflate.decompress(piece).decode() == text


def test_zstd_messages_are_raw_blocks_of_one_frame() -> None:
    """The stream is one frame (RFC 8878) whose raw blocks, none the last, hold the messages one after the other."""
    stream = ZstdStream()
    texts = ["one", "x" * 300_000, "ü"]
    frame = b"".join(stream.encode(text) for text in texts)
    assert frame[:4] == (0xFD2FB528).to_bytes(4, "little")
    assert frame[4:6] == bytes([0, (17 - 10) << 3])
    rest, found = frame[6:], b""
    while rest:
        head = int.from_bytes(rest[:3], "little")
        assert head & 0b111 == 0
        assert head >> 3 <= 1 << 17
        found, rest = found + rest[3 : 3 + (head >> 3)], rest[3 + (head >> 3) :]
    assert found.decode() == "".join(texts)


async def test_the_client_class_is_the_library_s_own() -> None:
    """The harness adds listening and nothing else to discord.py's client."""
    assert issubclass(Client, discord.Client)
