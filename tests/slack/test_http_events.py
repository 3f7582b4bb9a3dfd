"""Events over HTTP, end to end: signed, small, and accepted before they are answered."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from adapters.slack import SlackAdapter
from adapters.slack.endpoint import LARGEST_BODY, is_signed
from sandbox.journal import Journal
from sandbox.slack import SlackServer
from sandbox.slack.http_events import HttpPush, signature
from tests.slack.memory_inbox import MemoryInbox

BODY = {"type": "event_callback", "event": {"type": "reaction_added"}}


@pytest.fixture
async def adapter(slack: SlackServer) -> AsyncIterator[SlackAdapter]:
    """Without an app-level token."""
    adapter = SlackAdapter(slack.bot_token, None, slack.signing_secret, api_url=slack.url)
    await adapter.start()
    yield adapter
    await adapter.close()


@pytest.fixture
async def address(adapter: SlackAdapter) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes(adapter.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    await runner.cleanup()


@pytest.fixture
async def push(adapter: SlackAdapter, address: str, slack: SlackServer, inbox: MemoryInbox) -> HttpPush:
    await adapter.listen(inbox)
    return await slack.push_to(address)  # with the url_verification handshake


async def test_a_mention(push: HttpPush, slack: SlackServer, inbox: MemoryInbox, journal: Journal) -> None:
    """A mention comes in once, both its events are answered, and other events as well."""
    await slack.say("general", "ada", f"<@{slack.workspace.bot.id}> hello")
    await slack.say("general", "ada", "just talking")
    await slack.events.idle()
    assert inbox.texts == ["hello"]
    assert len(list(journal.of("slack", "ack"))) == 3


async def test_store_away(push: HttpPush, slack: SlackServer, inbox: MemoryInbox, journal: Journal) -> None:
    """While the store is away Slack gets a 5xx, and delivers again."""
    inbox.failures = 1
    assert (await push.send({**BODY, "event": mention(slack)})).status == 503
    inbox.failures = 1
    await slack.say("general", "ada", f"<@{slack.workspace.bot.id}> hello", tell=("app_mention",))
    await slack.events.idle()
    assert inbox.texts == ["hello"]
    assert [entry["reason"] for entry in journal.of("slack", "unacked")] == ["http_error"]


def mention(slack: SlackServer) -> dict[str, str]:
    text = f"<@{slack.workspace.bot.id}> hello"
    return {"type": "app_mention", "channel": "C1", "ts": "100.000001", "user": "U1", "text": text}


@pytest.mark.parametrize("shift", [-301, 301, -10_000_000])
async def test_old_signature(push: HttpPush, inbox: MemoryInbox, slack: SlackServer, shift: float) -> None:
    """A request whose time is more than five minutes off is refused, or it could be replayed."""
    answer = await push.send({**BODY, "event": mention(slack)}, timestamp=time.time() + shift)
    assert answer.status == 401
    assert inbox.messages == []


async def test_wrong_secret(
    push: HttpPush, inbox: MemoryInbox, slack: SlackServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A request signed with another secret is refused; the operator is told which one to look at, but not each time."""
    for _ in range(3):
        assert (await push.send({**BODY, "event": mention(slack)}, secret="another")).status == 401
    assert inbox.messages == []
    assert [record.message for record in caplog.records if "SLACK_SIGNING_SECRET" in record.message] == [
        "a request was not signed with SLACK_SIGNING_SECRET (Basic Information > Signing Secret), or is old"
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Slack-Signature": ""},
        {"X-Slack-Signature": "v0="},
        {"X-Slack-Signature": "v0=\xe4\xf6"},
        {"X-Slack-Request-Timestamp": ""},
        {"X-Slack-Request-Timestamp": "soon"},
        {"X-Slack-Request-Timestamp": "-1"},
        {"X-Slack-Request-Timestamp": "\u0661\u0662"},
        {"X-Slack-Request-Timestamp": "9" * 5000},
    ],
)
async def test_malformed_signature(push: HttpPush, headers: dict[str, str]) -> None:
    """A signature or time that cannot be one is refused like a wrong one."""
    assert (await push.send(BODY, headers=headers)).status == 401


async def test_no_signature(push: HttpPush, address: str, inbox: MemoryInbox, slack: SlackServer) -> None:
    """A request without any signature is refused, even Slack's own handshake."""
    async with aiohttp.ClientSession() as session:
        for body in (
            {**BODY, "event": mention(slack)},
            {"type": "url_verification", "challenge": "x"},
            {"ssl_check": 1},
        ):
            async with session.post(address, json=body) as answer:
                assert answer.status == 401
    assert inbox.messages == []


async def test_too_large(push: HttpPush, address: str, slack: SlackServer) -> None:
    """A body over the cap is refused unread, whether its length was told or not."""
    body = b"x" * LARGEST_BODY + b"y"
    stamp = str(int(time.time()))
    headers = {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": signature(slack.signing_secret, stamp, body),
    }

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    async with aiohttp.ClientSession() as session:
        for data in (io.BytesIO(body), chunks()):
            async with session.post(address, data=data, headers=headers) as answer:
                assert answer.status == 413


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff\xfe", b"null", b'"text"', b'{"event":' * 20_000]
    + [b'{"type":"event_callback","event":%s1%s}' % (b'{"message":' * 979, b"}" * 979)]
    + [b'{"type":"event_callback","event":%s}' % event for event in (b"7", b"null", b"[]")],
)
async def test_odd_bodies(push: HttpPush, address: str, slack: SlackServer, inbox: MemoryInbox, body: bytes) -> None:
    """A signed body that is no event is acknowledged, for no redelivery mends it, and the next event is taken."""
    stamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": signature(slack.signing_secret, stamp, body),
    }
    async with aiohttp.ClientSession() as session, session.post(address, data=body, headers=headers) as answer:
        assert answer.status == 200
    assert (await push.send({**BODY, "event": mention(slack)})).status == 200
    assert inbox.texts == ["hello"]


async def test_slash_commands_are_answered(push: HttpPush, address: str, slack: SlackServer) -> None:
    """Slash commands and buttons come as forms; they are answered and ignored."""
    body = b"command=%2Fask&text=hello&team_id=T1&user_id=U1&response_url=https%3A%2F%2Fx.y"
    stamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": signature(slack.signing_secret, stamp, body),
    }
    async with aiohttp.ClientSession() as session, session.post(address, data=body, headers=headers) as answer:
        assert (answer.status, await answer.text()) == (200, "")


async def test_nobody_listens(adapter: SlackAdapter, address: str, slack: SlackServer, inbox: MemoryInbox) -> None:
    """Before the bot listens, and after it has stopped, Slack is told to come back."""
    push = await slack.push_to(address, verify=False)
    assert (await push.send(BODY)).status == 503
    await adapter.listen(inbox)
    assert adapter.connected
    assert (await push.send(BODY)).status == 200
    await adapter.stop_intake()
    assert not adapter.connected
    assert (await push.send(BODY)).status == 503


async def test_stopping_waits(
    adapter: SlackAdapter, push: HttpPush, slack: SlackServer, inbox: MemoryInbox, journal: Journal
) -> None:
    """Stopping waits for a message that is being stored, even when Slack has hung up meanwhile."""
    inbox.gate.clear()
    sending = asyncio.create_task(push.send({**BODY, "event": mention(slack)}))
    await journal.until(lambda: list(journal.of("inbox", "submit")))
    sending.cancel()
    await asyncio.wait({sending})
    stopping = asyncio.create_task(adapter.stop_intake())
    done, _ = await asyncio.wait({stopping}, timeout=0.1)
    assert not done
    inbox.gate.set()
    await stopping
    assert inbox.texts == ["hello"]


def test_socket_mode_wins(slack: SlackServer) -> None:
    """With an app-level token nothing is served over HTTP."""
    assert SlackAdapter(slack.bot_token, slack.app_token, slack.signing_secret).routes() == []


def test_slacks_own_example() -> None:
    """The signature of Slack's documentation is accepted within five minutes, and no other."""
    secret, stamp = "8f742231b10e8888abcd99yyyzzz85a5", "1531420618"
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
        b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url="
        b"https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&"
        b"trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    good = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert is_signed(secret, body, stamp, good, 1531420618.0)
    assert is_signed(secret, body, stamp, good, 1531420618.0 + 299)
    assert not is_signed(secret, body, stamp, good, 1531420618.0 + 301)
    assert not is_signed(secret, body + b" ", stamp, good, 1531420618.0)
    assert not is_signed(secret, body, stamp, good.upper(), 1531420618.0)
