"""Socket Mode and the events that go over it, through the real slack-sdk and slack-bolt clients."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.faults import Fault
from sandbox.journal import Journal
from sandbox.slack import SlackServer


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer(Journal(), ack_timeout=0.5, retry_delays=(0.0, 0.01, 0.02)) as server:
        yield server


class Bot:
    """A Socket Mode client that keeps what it gets, and acknowledges it while told to."""

    def __init__(self, slack: SlackServer) -> None:
        web = AsyncWebClient(base_url=slack.url, retry_handlers=[])
        self.client = SocketModeClient(app_token=slack.app_token, web_client=web, ping_interval=0.1)
        self.client.socket_mode_request_listeners.append(self.listen)
        self.got: list[SocketModeRequest] = []
        self.acks = True
        self.arrived = asyncio.Event()

    async def listen(self, _: Any, request: SocketModeRequest) -> None:
        self.got.append(request)
        self.arrived.set()
        if self.acks:
            await self.client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))

    @property
    def events(self) -> list[dict[str, Any]]:
        return [request.payload["event"] for request in self.got]


Connect = Callable[[], Coroutine[Any, Any, Bot]]


@pytest.fixture
async def connect(slack: SlackServer) -> AsyncIterator[Connect]:
    bots: list[Bot] = []

    async def go() -> Bot:
        bots.append(Bot(slack))
        open_before = len(slack.sockets.open)
        await bots[-1].client.connect()
        await slack.journal.until(lambda: len(slack.sockets.open) > open_before)
        return bots[-1]

    yield go
    for bot in bots:
        await bot.client.close()


@asynccontextmanager
async def raw_socket(slack: SlackServer) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    web = AsyncWebClient(base_url=slack.url, retry_handlers=[])
    url = (await web.apps_connections_open(app_token=slack.app_token))["url"]
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        yield socket


def bot_mention(slack: SlackServer) -> str:
    return f"<@{slack.workspace.bot.id}>"


async def test_hello_comes_first(slack: SlackServer) -> None:
    """The first frame of a connection is hello, with the number of connections and the app's id."""
    async with raw_socket(slack) as socket:
        hello = json.loads(await socket.receive_str(timeout=2))
    assert (hello["type"], hello["num_connections"]) == ("hello", 1)
    assert hello["connection_info"] == {"app_id": slack.workspace.app_id}


async def test_ticket_works_once(slack: SlackServer) -> None:
    """A used ticket, and one that was never handed out, open no connection."""
    web = AsyncWebClient(base_url=slack.url, retry_handlers=[])
    url = (await web.apps_connections_open(app_token=slack.app_token))["url"]
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url):
            pass
        for bad in (url, url.replace("ticket=", "ticket=0")):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(bad)


async def test_new_tickets_can_be_refused(slack: SlackServer) -> None:
    """apps.connections.open answers the code it is told to."""
    slack.sockets.refusing = "internal_error"
    web = AsyncWebClient(base_url=slack.url, retry_handlers=[])
    with pytest.raises(SlackApiError, match="internal_error"):
        await web.apps_connections_open(app_token=slack.app_token)


async def test_handshake_can_fail(slack: SlackServer) -> None:
    """A fault on socket.connect refuses or cuts the WebSocket itself."""
    slack.faults.add(Fault("socket.connect", "status", status=503))
    slack.faults.add(Fault("socket.connect", "reset", times=2))  # aiohttp tries a GET once more by itself
    for error in (aiohttp.WSServerHandshakeError, aiohttp.ClientConnectionError):
        with pytest.raises(error):
            async with raw_socket(slack):
                pass


async def test_eleventh_connection_is_one_too_many(slack: SlackServer) -> None:
    """Ten connections are served; the next is told too_many_websockets and closed."""
    async with raw_socket(slack) as first:
        others = [raw_socket(slack) for _ in range(9)]
        for other in others:
            await other.__aenter__()
        async with raw_socket(slack) as eleventh:
            goodbye = json.loads(await eleventh.receive_str(timeout=2))
            assert (goodbye["type"], goodbye["reason"]) == ("disconnect", "too_many_websockets")
            assert (await eleventh.receive(timeout=2)).type is aiohttp.WSMsgType.CLOSE
        assert json.loads(await first.receive_str(timeout=2))["type"] == "hello"
        for other in others:
            await other.__aexit__(None, None, None)


@pytest.mark.parametrize("order", [("message", "app_mention"), ("app_mention", "message")])
async def test_mention_comes_twice(slack: SlackServer, connect: Connect, order: tuple[Any, ...]) -> None:
    """A mention is a message and an app_mention with one ts and two event ids, in the order asked for."""
    bot = await connect()
    ts = await slack.say("general", "ada", bot_mention(slack) + " hello", tell=order)
    await slack.events.idle()
    assert [(event["type"], event["ts"]) for event in bot.events] == [(order[0], ts), (order[1], ts)]
    assert len({request.payload["event_id"] for request in bot.got}) == 2
    message = next(event for event in bot.events if event["type"] == "message")
    assert message["channel_type"] == "channel"
    assert message["blocks"][0]["elements"][0]["elements"][0] == {"type": "user", "user_id": slack.workspace.bot.id}


async def test_mention_event_may_be_missing(slack: SlackServer, connect: Connect) -> None:
    """A mention can be told as a message alone."""
    bot = await connect()
    await slack.say("general", "ada", bot_mention(slack), tell=("message",))
    await slack.events.idle()
    assert [event["type"] for event in bot.events] == ["message"]


async def test_direct_message_is_a_message_only(slack: SlackServer, connect: Connect) -> None:
    """In a direct message a mention makes no app_mention; a group of people has channel type mpim."""
    bot = await connect()
    await slack.say(slack.direct("ada"), "ada", bot_mention(slack))
    await slack.say(slack.direct("ada", "grace"), "grace", "all of us")
    await slack.events.idle()
    assert [(event["type"], event["channel_type"]) for event in bot.events] == [("message", "im"), ("message", "mpim")]


async def test_bot_hears_nothing_where_it_is_not(slack: SlackServer, connect: Connect) -> None:
    """Events come only from channels the bot is in and of kinds the app subscribed to."""
    bot = await connect()
    await slack.say("lonely", "ada", bot_mention(slack))
    slack.events.subscriptions.discard("message.groups")
    await slack.say("secret", "ada", bot_mention(slack))
    await slack.events.idle()
    assert [event["type"] for event in bot.events] == ["app_mention"]


async def test_thread_files_and_broadcast_are_in_the_event(slack: SlackServer, connect: Connect) -> None:
    """A reply names its root and the root's author; files make it a file_share; a broadcast is a thread_broadcast."""
    bot = await connect()
    root = await slack.say("general", "ada", "root")
    pdf = {"name": "a.pdf", "mimetype": "application/pdf", "size": 9}
    await slack.say("general", "grace", "", thread=root, files=[pdf])
    await slack.say("general", "grace", "all", thread=root, broadcast=True)
    await slack.events.idle()
    _, shared, broadcast = bot.events
    assert (shared["thread_ts"], shared["parent_user_id"]) == (root, slack.workspace.user("ada").id)
    assert (shared["subtype"], shared["files"][0]["size"]) == ("file_share", 9)
    assert (broadcast["subtype"], broadcast["root"]["ts"]) == ("thread_broadcast", root)


async def test_edit_unfurl_and_delete_are_told(slack: SlackServer, connect: Connect) -> None:
    """A change names both texts, an unfurl has the same text twice and no `edited`, a deletion its ts."""
    bot = await connect()
    ts = await slack.say("general", "ada", "before")
    await slack.edit("general", ts, "after")
    await slack.unfurl("general", ts)
    await slack.delete("general", ts)
    await slack.events.idle()
    edit, unfurl, delete = bot.events[1:]
    assert edit["subtype"] == unfurl["subtype"] == "message_changed"
    assert (edit["previous_message"]["text"], edit["message"]["text"]) == ("before", "after")
    assert edit["message"]["edited"]["user"] == slack.workspace.user("ada").id
    assert unfurl["message"]["text"] == unfurl["previous_message"]["text"]
    assert unfurl["message"]["edited"] == unfurl["previous_message"]["edited"]
    assert (delete["subtype"], delete["deleted_ts"]) == ("message_deleted", ts)


async def test_root_with_replies_leaves_a_tombstone(slack: SlackServer, connect: Connect) -> None:
    """Deleting a root that has replies is told as a change to a tombstone; the last reply takes the stone along."""
    bot = await connect()
    root = await slack.say("general", "ada", "root")
    reply = await slack.say("general", "grace", "reply", thread=root)
    await slack.delete("general", root)
    await slack.delete("general", reply)
    await slack.events.idle()
    stone, gone, last = bot.events[2:]
    assert (stone["subtype"], stone["message"]["subtype"], stone["message"]["ts"]) == (
        "message_changed",
        "tombstone",
        root,
    )
    assert (gone["deleted_ts"], last["deleted_ts"]) == (reply, root)
    assert not slack.workspace.channel("general").posts


async def test_own_writes_come_back(slack: SlackServer, connect: Connect) -> None:
    """What the bot posts and edits comes back as events that carry its bot_id."""
    bot = await connect()
    web = AsyncWebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[])
    post = await web.chat_postMessage(channel=slack.workspace.channel("general").id, text="x")
    await web.chat_update(channel=post["channel"], ts=post["ts"], text="y")
    await slack.events.idle()
    posted, changed = bot.events
    assert posted["bot_id"] == changed["message"]["bot_id"] == slack.workspace.bot_id
    assert changed["subtype"] == "message_changed"


async def test_unacknowledged_event_is_redelivered(slack: SlackServer, connect: Connect) -> None:
    """Without an acknowledgement an event comes again, same event id, new envelope, counted, three times at most."""
    slack.events.ack_timeout = 0.02
    bot = await connect()
    bot.acks = False
    await slack.say("general", "ada", "hi")
    await slack.events.idle()
    assert [(request.retry_attempt, request.retry_reason) for request in bot.got] == [
        (0, ""),
        (1, "timeout"),
        (2, "timeout"),
        (3, "timeout"),
    ]
    assert len({request.payload["event_id"] for request in bot.got}) == 1
    assert len({request.envelope_id for request in bot.got}) == 4


async def test_acknowledged_event_comes_once_unless_redelivered(slack: SlackServer, connect: Connect) -> None:
    """An acknowledged event rests, until it is redelivered on purpose under its old id."""
    bot = await connect()
    event_id = await slack.send_event({"type": "app_home_opened", "user": "U1", "tab": "messages"})
    await slack.events.idle()
    assert len(bot.got) == 1
    await slack.redeliver(event_id)
    await slack.events.idle()
    assert [request.retry_attempt for request in bot.got] == [0, 1]
    assert {request.payload["event_id"] for request in bot.got} == {event_id}


async def test_each_event_goes_to_one_connection(slack: SlackServer, connect: Connect) -> None:
    """With two connections no event comes twice, and both get some."""
    bots = [await connect(), await connect()]
    for n in range(6):
        await slack.say("general", "ada", str(n))
    await slack.events.idle()
    assert sorted(event["text"] for bot in bots for event in bot.events) == list("012345")
    assert all(bot.got for bot in bots)


async def test_event_waits_for_a_connection(slack: SlackServer, connect: Connect) -> None:
    """An event sent while nobody is connected is delivered to the first who comes."""
    slack.events.ack_timeout = 5.0
    await slack.say("general", "ada", "anyone?")
    bot = await connect()
    await slack.events.idle()
    assert [event["text"] for event in bot.events] == ["anyone?"]


async def test_refresh_makes_the_client_come_back(slack: SlackServer, connect: Connect) -> None:
    """Asked to refresh, the SDK opens a new connection with a new ticket, and no event goes to the old one."""
    bot = await connect()
    await slack.sockets.refresh(grace=5.0)
    await slack.say("general", "ada", "meanwhile")
    await slack.events.idle()
    assert [event["text"] for event in bot.events] == ["meanwhile"]
    assert [connection.number for connection in slack.sockets.open] == [2]


async def test_dropped_socket_loses_no_event(slack: SlackServer, connect: Connect) -> None:
    """A connection cut under an event leads to a redelivery on the next connection."""
    slack.events.ack_timeout = 3.0
    bot = await connect()
    slack.sockets.drop()
    await slack.say("general", "ada", "still there?")
    await slack.events.idle()
    assert [event["text"] for event in bot.events] == ["still there?"]
    assert [entry["code"] for entry in slack.journal.of("slack", "disconnected")] == [1006]


async def test_silent_socket_is_noticed_by_its_pings(slack: SlackServer, connect: Connect) -> None:
    """A connection that is open but dead answers no ping, so that the SDK leaves it for a new one."""
    await connect()
    slack.sockets.silence()
    await slack.journal.until(lambda: len(list(slack.journal.of("slack", "connected"))) == 2)


async def test_a_deaf_connection_lives_and_brings_nothing(slack: SlackServer) -> None:
    """It answers pings, but an event that goes its way is not acknowledged; a connection opened later brings events."""
    web = AsyncWebClient(base_url=slack.url, retry_handlers=[])

    async def connect(session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        socket = await session.ws_connect((await web.apps_connections_open(app_token=slack.app_token))["url"])
        assert json.loads((await socket.receive(timeout=2)).data)["type"] == "hello"
        return socket

    async with aiohttp.ClientSession() as session:
        deaf = await connect(session)
        slack.sockets.deafen()
        assert not (await slack.sockets.deliver({}, 0, "", 0.1)).acked
        hears = await connect(session)
        for _ in range(2):  # each connection in turn
            await slack.sockets.deliver({}, 0, "", 0.1)
        assert json.loads((await hears.receive(timeout=2)).data)["type"] == "events_api"
        await deaf.ping()
        with pytest.raises(TimeoutError):
            await deaf.receive(timeout=0.1)
        assert not deaf.closed


async def test_server_pings(slack: SlackServer) -> None:
    """The server pings a connection by itself."""
    slack.sockets.ping_interval = 0.01
    web = AsyncWebClient(base_url=slack.url, retry_handlers=[])
    url = (await web.apps_connections_open(app_token=slack.app_token))["url"]
    async with aiohttp.ClientSession() as session, session.ws_connect(url, autoping=False) as socket:
        assert (await socket.receive(timeout=2)).type is aiohttp.WSMsgType.TEXT
        assert (await socket.receive(timeout=2)).type is aiohttp.WSMsgType.PING


async def test_bolt_answers_a_mention(slack: SlackServer) -> None:
    """A plain Bolt app in Socket Mode hears a mention and its answer stands in the thread."""
    app = AsyncApp(client=AsyncWebClient(token=slack.bot_token, base_url=slack.url))

    @app.event("app_mention")
    async def mentioned(event: dict[str, Any], say: Any) -> None:
        await say(text="hello", thread_ts=event["ts"])

    @app.event("message")
    async def message() -> None: ...

    handler = AsyncSocketModeHandler(app, slack.app_token)
    await handler.connect_async()
    try:
        ts = await slack.say("general", "ada", bot_mention(slack))
        bot = slack.workspace.bot.id
        answers = await slack.journal.until(lambda: slack.journal.messages("slack", thread=ts, author=bot))
        assert answers[0].text == "hello"
        await slack.events.idle()
        assert not list(slack.journal.of("slack", "unacked"))
    finally:
        await handler.close_async()
