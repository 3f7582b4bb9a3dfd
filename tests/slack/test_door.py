"""What strangers send to the two doors, and how slowly: nothing of it breaks, fills or holds anything."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from adapters.slack import SlackAdapter
from adapters.slack.endpoint import LARGEST_BODY, ROOM_FOR_BODIES, EventsEndpoint
from adapters.slack.payloads import OddPayload, read_envelope, read_event, read_frame, read_json, typed
from adapters.slack.sockets import AT_ONCE
from bot.app.http import serve
from bot.conversation import Place
from bot.errors import PlaceClosed
from bot.log_limit import EVERY, LimitedLog
from bot.ports import Content
from sandbox.journal import Journal
from sandbox.slack import SlackServer
from tests.fuzz import http, socket_mode
from tests.slack.memory_inbox import MemoryInbox


async def test_odd_requests_do_no_harm() -> None:
    """Hundreds of odd requests, signed and not: no 5xx, no traceback, and a mention is answered right after."""
    wrong, _ = await http.fuzz(600, seed=3)
    assert wrong == []


async def test_odd_frames_do_no_harm() -> None:
    """Hundreds of odd frames over Socket Mode: no traceback, and a mention is answered right after."""
    wrong, _ = await socket_mode.fuzz(600, seed=3)
    assert wrong == []


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "message", "text": 5},
        {"type": "message", "channel": "<!here>"},
        {"type": "message", "subtype": "message_changed", "message": "x"},
        {"type": "message", "subtype": "message_deleted", "previous_message": [1]},
        {"type": "message", "ts": "tomorrow"},
        {"type": "message", "files": {"0": {}}},
        [],
        None,
    ],
)
def test_a_value_of_another_type_makes_a_payload_odd(payload: object) -> None:
    """Whatever is of another type than Slack says is found at the door, and the error tells where, not what."""
    with pytest.raises(OddPayload, match=r"^\w+(\.\w+)*: "):
        read_event(payload)


def test_what_is_missing_or_null_is_not_odd() -> None:
    """Slack leaves fields out and sends null for others: both are the default."""
    event = read_event(
        {"type": "message", "thread_ts": None, "bot_profile": None, "files": None, "user": "U1", "new": 1}
    )
    assert event == {"type": "message", "thread_ts": "", "files": [], "user": "U1"}
    assert read_envelope({"event": None}).event is None
    assert read_frame({"type": "hello", "payload": None}).payload == {}


@pytest.mark.parametrize("levels", [101, 491, 979, 982, 20_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"message":', "}"), ('{"elements":[', "]}")])
def test_what_is_nested_too_deep_is_odd(opening: str, closing: str, levels: int) -> None:
    """Depth breaks nothing: what is deeper than Slack ever nests is found before anybody goes down there."""
    with pytest.raises(OddPayload, match=r"^JSON: "):
        read_json(opening * levels + "{}" + closing * levels)


def test_what_slack_nests_is_not_too_deep() -> None:
    """A table in a list in a quote is far from the bound."""
    assert read_json('{"elements":[' * 20 + "{}" + "]}" * 20)


@pytest.mark.parametrize("field", ["user", "channel", "text"])
def test_a_stranger_makes_up_no_kinds(field: str) -> None:
    """Lines are counted by the fields that Slack has, wherever they stand: a log cannot be filled with new paths."""
    for levels in range(1, 30):
        event: dict[str, object] = {field: 5}
        for _ in range(levels):
            event = {"type": "message", "message": event}
        with pytest.raises(OddPayload) as caught:
            typed({"type": "event_callback", "event": event})
        assert caught.value.field == field


def endpoint_headers(length: int) -> bytes:
    now = str(int(time.time())).encode()
    return (
        b"POST /slack/events HTTP/1.1\r\nHost: x\r\nX-Slack-Signature: v0=x\r\nX-Slack-Request-Timestamp: "
        + now
        + b"\r\nContent-Length: %d\r\n\r\n" % length
    )


@asynccontextmanager
async def listening_endpoint(endpoint: EventsEndpoint) -> AsyncIterator[int]:
    application = web.Application()
    application.router.add_post(endpoint.PATH, endpoint.handle)
    async with serve(application, "127.0.0.1", 0) as port, asyncio.timeout(10):
        yield port


async def test_a_body_that_is_slow_is_refused() -> None:
    """A body that drips is answered 408 when its time is over."""
    async with listening_endpoint(EventsEndpoint("secret", body_within=0.3)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(endpoint_headers(100_000))

        async def drip() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        assert (await reader.readline()).split()[1] == b"408"
        dripping.cancel()
        writer.close()


async def test_large_bodies_share_one_room() -> None:
    """Strangers who send many large bodies at once fill no memory; an event of usual size finds room beside them."""
    async with listening_endpoint(EventsEndpoint("secret", body_within=5.0)) as port:
        large = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
        for _, writer in large:
            writer.write(endpoint_headers(LARGEST_BODY) + bytes(LARGEST_BODY - 1))
        answers = [asyncio.create_task(reader.readline()) for reader, _ in large]
        done, _ = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        assert {answer.result().split()[1] for answer in done} == {b"503"}
        assert len(done) <= 12 - ROOM_FOR_BODIES // LARGEST_BODY
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(endpoint_headers(5_000) + bytes(5_000))
        assert (await reader.readline()).split()[1] == b"401"
        for answer in answers:
            answer.cancel()
        for _, other in (*large, (reader, writer)):
            other.transport.abort()


async def test_an_unsigned_body_is_not_read() -> None:
    """Without a signature, or with an old one, a request is refused before its body is there."""
    async with listening_endpoint(EventsEndpoint("secret")) as port:
        for missing in (b"X-Slack-Signature", b"X-Slack-Request-Timestamp"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(endpoint_headers(1_000_000).replace(missing, b"X-Other"))
            assert (await reader.readline()).split()[1] == b"401"
            writer.transport.abort()


async def ask(slack: SlackServer, channel: str) -> None:
    text = f"<@{slack.workspace.bot.id}> hello"
    event = {"type": "app_mention", "channel": channel, "user": slack.workspace.user("ada").id, "text": text}
    await slack.send_event({**event, "ts": slack.workspace.ts()})
    await slack.events.idle()


@pytest.mark.parametrize(
    "opening",
    [
        {"type": "message", "subtype": "channel_join", "user": "the bot"},
        {"type": "message", "subtype": "group_join", "user": "the bot"},
        {"type": "message", "subtype": "channel_unarchive", "user": "U1"},
        {"type": "member_joined_channel", "user": "the bot"},
        {"type": "channel_unarchive", "user": "U1"},
    ],
)
async def test_what_is_asked_where_nothing_can_be_written_is_left_out_until_it_can(
    listening: SlackAdapter,
    slack: SlackServer,
    inbox: MemoryInbox,
    caplog: pytest.LogCaptureFixture,
    opening: dict[str, str],
) -> None:
    """After a refusal nothing is taken in from that channel, with one line; once Slack says that it is open, all is."""
    lonely = slack.workspace.channel("lonely").id
    with pytest.raises(PlaceClosed):
        await listening.platform.post(Place(lonely), Content("text"), "n.0")
    for _ in range(3):
        await ask(slack, lonely)
    await ask(slack, slack.workspace.channel("general").id)
    assert len(inbox.messages) == 1
    assert len([record for record in caplog.records if getattr(record, "kind", "") == "closed"]) == 1
    who = {"user": slack.workspace.bot.id} if opening["user"] == "the bot" else {}
    await slack.send_event({**opening, **who, "channel": lonely, "ts": slack.workspace.ts()})
    await slack.events.idle()
    await ask(slack, lonely)
    assert len(inbox.messages) == 2


async def test_somebody_else_who_joins_opens_no_channel(
    listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox
) -> None:
    """That a person joined says nothing of the bot."""
    lonely = slack.workspace.channel("lonely").id
    with pytest.raises(PlaceClosed):
        await listening.platform.post(Place(lonely), Content("text"), "n.0")
    joined = {"type": "message", "subtype": "channel_join", "user": slack.workspace.user("ada").id}
    await slack.send_event({**joined, "channel": lonely, "ts": slack.workspace.ts()})
    await ask(slack, lonely)
    assert inbox.messages == []


async def test_only_so_many_envelopes_are_handled_at_once(
    listening: SlackAdapter, slack: SlackServer, inbox: MemoryInbox, journal: Journal
) -> None:
    """However fast Slack sends, a connection has few envelopes in hand at once, and all are handled in the end."""
    slack.events.ack_timeout = 30.0
    inbox.gate.clear()
    count = 4 * AT_ONCE
    for _ in range(count):
        event = {"type": "app_mention", "channel": "C1", "user": "U1", "text": "hello", "ts": slack.workspace.ts()}
        await slack.send_event(event)
    await journal.until(lambda: len(list(journal.of("inbox", "submit"))) >= 2 * AT_ONCE)
    with pytest.raises(TimeoutError):
        await journal.until(lambda: len(list(journal.of("inbox", "submit"))) > 2 * AT_ONCE, timeout=0.3)
    inbox.gate.set()
    await journal.until(lambda: len(inbox.messages) == count)
    await slack.events.idle()


def test_one_line_a_kind_and_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Of many warnings of a kind one is written a minute, and the next says how many were held back."""
    now = 0.0
    limited = LimitedLog(logging.getLogger("adapters.slack.test"), clock=lambda: now)
    for _ in range(1_000):
        limited.warning("one", "odd")
        limited.warning("two", "odd")
    now = EVERY
    limited.warning("one", "odd")
    assert len(caplog.records) == 3
    assert caplog.records[-1].held_back == 999
    for number in range(10_000):
        limited.warning(f"kind {number}", "odd")
    assert len(caplog.records) < 300
