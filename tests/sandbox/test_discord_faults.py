"""Misbehaviour on order of the Discord stand-in, as clients meet it."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator

import aiohttp
import pytest

from sandbox.discord import DiscordServer
from sandbox.faults import Fault
from sandbox.journal import Journal
from tests.sandbox.discord_harness import Http, discord, logged_in


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer(Journal()) as running:
        yield running


async def test_a_reset_breaks_the_connection_before_anything_is_done(server: DiscordServer, api: Http) -> None:
    """The client sees ECONNRESET and no message was posted."""
    server.faults.add(Fault("POST message", "reset"))
    with pytest.raises(aiohttp.ClientOSError) as broken:
        await api.post(server.channel("general"), content="x")
    assert broken.value.errno == errno.ECONNRESET
    assert server.journal.messages("discord") == []
    assert (await api.post(server.channel("general"), content="x"))[0] == 200


async def test_a_lost_answer_leaves_the_message_posted(server: DiscordServer, api: Http) -> None:
    """The client sees the connection end and the message is there."""
    server.faults.add(Fault("POST message", "lost"))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await api.post(server.channel("general"), content="x")
    assert [shown.text for shown in server.journal.messages("discord")] == ["x"]


async def test_a_post_repeated_after_a_lost_answer_is_the_same_message(server: DiscordServer) -> None:
    """With the nonce of the lost post discord.py gets the message that was posted."""
    general = server.channel("general")
    async with logged_in(server) as client:
        channel = client.get_partial_messageable(int(general))
        server.faults.add(Fault("POST message", "lost"))
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await channel.send("once", nonce="n")
        again = await channel.send("once", nonce="n")
        assert [shown.id for shown in server.journal.messages("discord")] == [str(again.id)]


@pytest.mark.parametrize(
    ("status", "kind"), [(500, "application/json"), (502, "text/html"), (503, "text/html"), (418, "application/json")]
)
async def test_a_status_is_answered_and_nothing_done(server: DiscordServer, api: Http, status: int, kind: str) -> None:
    """The edge's own errors are HTML, the API's JSON, and neither changed anything."""
    server.faults.add(Fault("POST message", "status", status=status))
    answer, _, headers = await api.post(server.channel("general"), content="x")
    assert answer == status
    assert headers["Content-Type"].startswith(kind)
    assert server.journal.messages("discord") == []


@pytest.mark.parametrize(("code", "status"), [(200000, 400), (240000, 400), (50001, 403), (10003, 404), (40001, 401)])
async def test_an_error_on_order_has_its_status(server: DiscordServer, api: Http, code: int, status: int) -> None:
    """Discord's codes come with the status and wording that belong to them."""
    server.faults.add(Fault("* message", "error", code=code))
    answered, body, _ = await api.post(server.channel("general"), content="x")
    assert (answered, body["code"]) == (status, code)
    assert body["message"]


async def test_an_old_message_error_on_order_is_a_429(server: DiscordServer, api: Http) -> None:
    """30046 on order comes as the real one does."""
    server.faults.add(Fault("PATCH message", "error", code=30046, retry_after=2.5))
    general = server.channel("general")
    _, message, _ = await api.post(general, content="x")
    status, body, headers = await api("PATCH", f"/channels/{general}/messages/{message['id']}", json={"content": "y"})
    assert (status, body["code"], body["retry_after"], headers["Via"]) == (429, 30046, 2.5, "1.1 google")


async def test_a_delay_holds_one_call_and_not_the_others(server: DiscordServer, api: Http) -> None:
    """A slow edit lets others pass and takes effect when its time has come."""
    general = server.channel("general")
    _, message, _ = await api.post(general, content="x")
    path = f"/channels/{general}/messages/{message['id']}"
    server.faults.add(Fault("PATCH message", "delay", seconds=0.05))
    slow = asyncio.create_task(api("PATCH", path, json={"content": "slow"}))
    await server.journal.until(lambda: list(server.journal.of("discord", "fault")))
    assert (await api("PATCH", path, json={"content": "fast"}))[0] == 200
    assert (await slow)[0] == 200
    shown = server.journal.message("discord", general, message["id"])
    assert [text for _, text in shown.versions] == ["x", "fast", "slow"]


async def test_faults_choose_by_parameters_and_are_noted(server: DiscordServer, api: Http) -> None:
    """A condition on the body picks the call, and the journal tells which call was hit."""
    server.faults.add(Fault("POST *", "status", when=lambda sent: "boom" in str(sent.get("content"))))
    general = server.channel("general")
    assert (await api.post(general, content="fine"))[0] == 200
    assert (await api.post(general, content="boom"))[0] == 500
    noted = list(server.journal.of("discord", "fault"))
    assert [(entry["call"], entry["fault"], entry["channel"]) for entry in noted] == [
        ("POST message", "status", general)
    ]


async def test_a_threads_call_has_its_own_name(server: DiscordServer) -> None:
    """A fault on thread creation does not hit posts."""
    general = server.channel("general")
    asked = await server.say(general, server.user("ada"), "question")
    server.faults.add(Fault("POST thread", "error", code=160006))
    async with logged_in(server) as client:
        channel = await client.fetch_channel(int(general))
        assert isinstance(channel, discord.TextChannel)
        await channel.send("fine")
        with pytest.raises(discord.HTTPException) as refused:
            await channel.create_thread(name="t", message=discord.Object(int(asked)))
        assert refused.value.code == 160006


async def test_latency_is_spent_before_and_after_the_effect(server: DiscordServer, api: Http) -> None:
    """With a latency the message is shown half-way between request and answer."""
    server.latency = 0.04
    loop = asyncio.get_running_loop()
    begun = loop.time()
    shown_at: list[float] = []
    stop = server.journal.listen(lambda entry: shown_at.append(loop.time()) if entry.kind == "posted" else None)
    await api.post(server.channel("general"), content="x")
    stop()
    assert shown_at[0] - begun >= 0.02
    assert loop.time() - shown_at[0] >= 0.02
