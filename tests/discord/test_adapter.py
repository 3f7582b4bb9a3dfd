"""The adapter as the program sees it: starting, being refused, saying why, and ending."""

from __future__ import annotations

import asyncio
import gc
import time

import aiohttp
import discord
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from adapters.discord import DiscordAdapter
from adapters.discord.intake import Intake
from bot.errors import SettingsError
from bot.intake import Access, Reception
from bot.ports import Content, Posted
from bot.testing.store import MemoryStore
from sandbox.discord import DiscordServer
from sandbox.faults import Fault
from sandbox.journal import Journal
from tests.discord.harness import Box, adapter_for, listening, logged_in, place

JSON = "application/json"


async def test_it_says_who_it_is_and_how_it_is(server: DiscordServer, box: Box) -> None:
    """The installation is the application's; the state of the connection is told truly all along."""
    adapter = adapter_for(server)
    assert adapter.health == "not listening"
    await adapter.start()
    assert adapter.installation == adapter.platform.installation == f"discord:{server.application_id}"
    assert not adapter.connected
    await adapter.listen(box)
    assert adapter.connected
    assert adapter.health == "connected as assistant#0000"
    await adapter.close()
    assert not adapter.connected
    assert adapter.health == "not listening"
    await adapter.closed()
    await adapter.close()


@pytest.mark.parametrize("token", ["wrong", "", "two words", "with\nnewline", "ünï"])
async def test_a_wrong_token_is_named_and_not_shown(server: DiscordServer, token: str) -> None:
    """The error says which variable it is and where the right one is found."""
    adapter = DiscordAdapter(token, api_url=server.url)
    with pytest.raises(SettingsError, match=r"DISCORD_BOT_TOKEN.* Bot page") as refused:
        await adapter.start()
    assert not token or token not in str(refused.value)
    await adapter.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/api/v10", "nonsense"])
async def test_an_api_that_is_not_there_is_named(url: str) -> None:
    """DISCORD_API_URL is what to mend."""
    adapter = DiscordAdapter("token", api_url=url)
    with pytest.raises(SettingsError, match="DISCORD_API_URL"):
        await adapter.start()
    del adapter
    gc.collect()  # what it left open would complain, and that fails a test


async def test_answers_whose_type_names_a_charset_are_read(server: DiscordServer) -> None:
    """A proxy that makes `application/json; charset=utf-8` of the type changes nothing, at login or in reading."""

    async def forward(request: web.Request) -> web.Response:
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        address = URL(server.url).with_path(request.path).with_query(request.query)
        async with session.request(request.method, address, data=await request.read(), headers=headers) as answer:
            body = await answer.read()
            return web.Response(status=answer.status, body=body, headers={"Content-Type": f"{JSON}; charset=utf-8"})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", forward)
    async with aiohttp.ClientSession() as session, TestServer(application) as proxy:
        adapter = DiscordAdapter(server.bot_token, api_url=str(proxy.make_url("/api/v10")))
        await adapter.start()
        try:
            receipt = await adapter.platform.post(place(server), Content("there"), "n")
            assert receipt.stored == "there"
            assert await adapter.platform.own_since(place(server), "n", 0.0, ()) == (Posted(receipt.ref, "there"),)
        finally:
            await adapter.close()


async def test_a_missing_intent_is_foretold_and_then_refused(box: Box) -> None:
    """A check finds what Discord will close with 4014 for; both name the intent and where it is switched on."""
    async with DiscordServer(Journal(), privileged_intents=()) as server, logged_in(server) as adapter:
        with pytest.raises(SettingsError) as foretold:
            await adapter.check()
        for text in ("Message Content Intent", "discord.com/developers/applications", "FOLLOW_UPS=mention"):
            assert text in str(foretold.value)
        with pytest.raises(SettingsError, match=r"Message Content Intent.*discord\.com/developers"):
            await adapter.listen(box)
        with pytest.raises(SettingsError, match="Message Content Intent"):
            await adapter.closed()


async def test_without_the_intent_it_answers_those_who_mention_it(box: Box) -> None:
    """With FOLLOW_UPS=mention the privileged intent is not asked for."""
    async with DiscordServer(Journal(), privileged_intents=()) as server, listening(server, box, "mention") as adapter:
        assert await adapter.check() == []
        await server.say(server.channel("general"), server.user("ada"), f"<@{server.bot_id}> hello")
        await box.until(lambda: box.messages)
    assert box.texts() == ["hello"]


async def test_with_the_intent_even_replies_without_a_ping_can_be_read(server: DiscordServer, box: Box) -> None:
    """Where the application has the intent it is used, whatever FOLLOW_UPS says."""
    async with listening(server, box, "mention"):
        (identified,) = server.journal.of("discord", "call", call="GATEWAY IDENTIFY")
    assert identified["intents"] & discord.Intents(message_content=True).value


@pytest.mark.parametrize(("code", "named"), [(4004, "DISCORD_BOT_TOKEN"), (4011, "sharding"), (4013, "intents")])
async def test_a_final_close_ends_the_listening_and_says_why(
    server: DiscordServer, box: Box, code: int, named: str
) -> None:
    """No new connection is tried, and `closed` raises what a person can act on."""
    async with listening(server, box) as adapter:
        await server.drop_sockets(code)
        with pytest.raises(SettingsError, match=named):
            await adapter.closed()
        assert not adapter.connected
        assert adapter.health == "not listening"


async def test_a_gateway_that_does_not_answer_at_first_is_tried_again(
    server: DiscordServer, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that fails before it began is begun again."""
    server.faults.add(Fault("GATEWAY connect", "status", status=503))
    async with listening(server, box) as adapter:
        assert adapter.connected
    assert "trying again" in caplog.text


async def test_closing_right_after_the_start_is_quick_and_clean(server: DiscordServer, box: Box) -> None:
    """No task is left behind, and nothing waits for the rest of a rate limit's window."""
    before = time.monotonic()
    tasks = asyncio.all_tasks()
    async with listening(server, box) as adapter:
        receipt = await adapter.platform.post(place(server), Content("…"), "n")
        for number in range(5):
            await adapter.platform.edit(place(server), receipt.ref, Content(str(number)))
    assert asyncio.all_tasks() - tasks <= {task for task in asyncio.all_tasks() if "sandbox" in repr(task)}
    assert time.monotonic() - before < 2.0


def intakes() -> set[int]:
    return {id(each) for each in gc.get_objects() if isinstance(each, Intake)}


async def test_who_gets_no_connection_lets_another_try(server: DiscordServer) -> None:
    """Cut off from Discord alone, a process gives its place to one that may not be, and stands by for it."""
    store = MemoryStore(history_ttl=1000.0)
    adapter = DiscordAdapter(server.bot_token, api_url=server.url, identify_delay=0.0, hand_over_after=1.0)
    await adapter.start()
    name, before = adapter.installation, intakes()
    try:
        await adapter.listen(Reception(store, Access()))
        server.faults.add(Fault("GATEWAY connect", "status", status=503, times=None))
        await server.drop_sockets(4000)
        async with asyncio.timeout(20):
            while not await store.lead(name, "another", 60.0):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)
            while not adapter.connected:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            assert adapter.health.startswith("standing by")
            server.faults.clear()
            await store.lead(name, "another", 0.0)
            while adapter.health != "connected as assistant#0000":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        gc.collect()
        assert len(intakes() - before) == 1, "of the earlier connection nothing is kept"
    finally:
        await adapter.close()
