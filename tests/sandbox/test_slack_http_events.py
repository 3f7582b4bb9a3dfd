"""The HTTP event push, into the real Bolt app behind a real web server."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.journal import Journal
from sandbox.slack import SlackServer


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer(Journal(), ack_timeout=0.5, retry_delays=(0.0, 0.01, 0.02)) as server:
        yield server


class Endpoint:
    """A Bolt app that keeps the events it hears; `status` answers in its place."""

    def __init__(self, slack: SlackServer) -> None:
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 0
        self.answer: dict[str, str] = {}
        self.url = ""

        async def authorize() -> AuthorizeResult:
            return AuthorizeResult(enterprise_id=None, team_id="T", bot_user_id="U", bot_token=slack.bot_token)

        client = AsyncWebClient(token=slack.bot_token, base_url=slack.url)
        self.app = AsyncApp(client=client, signing_secret=slack.signing_secret, authorize=authorize)

        @self.app.event("message")
        async def message(event: dict[str, Any]) -> None:
            self.got.append(event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        if self.status:
            return web.Response(status=self.status, headers=self.answer)
        return await to_aiohttp_response(await self.app.async_dispatch(await to_bolt_request(request)))


@pytest.fixture
async def endpoint(slack: SlackServer) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(slack)
    app = web.Application()
    app.router.add_post("/slack/events", endpoint.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    yield endpoint
    await runner.cleanup()


async def test_verified_address_gets_signed_events(slack: SlackServer, endpoint: Endpoint) -> None:
    """After the challenge came back events are posted there, and Bolt takes their signature."""
    await slack.push_to(endpoint.url)
    await slack.say("general", "ada", "hi")
    await slack.events.idle()
    await slack.journal.until(lambda: endpoint.got)
    assert [event["text"] for event in endpoint.got] == ["hi"]
    assert "X-Slack-Retry-Num" not in endpoint.headers[-1]


async def test_address_that_does_not_answer_the_challenge_is_refused(slack: SlackServer, endpoint: Endpoint) -> None:
    """An address that answers otherwise gets no events."""
    endpoint.status = 200
    with pytest.raises(ValueError, match="challenge"):
        await slack.push_to(endpoint.url)
    assert slack.events.transport is slack.sockets


async def test_wrong_signature_and_old_timestamp_can_be_sent(slack: SlackServer, endpoint: Endpoint) -> None:
    """Bolt turns away a request signed with another secret, and one signed six minutes ago."""
    push = await slack.push_to(endpoint.url)
    event_id = await slack.send_event({"type": "message", "channel": "C1", "text": "x", "ts": "1.000000"})
    await slack.events.idle()
    body = slack.events.deliveries[event_id].body
    assert (await push.send(body, secret="another")).status == 401
    assert (await push.send(body, timestamp=time.time() - 360)).status == 401
    assert (await push.send(body)).status == 200


async def test_failed_event_is_redelivered_with_its_reason(slack: SlackServer, endpoint: Endpoint) -> None:
    """A 500 brings the event again, with the number and reason of the retry; three times at most."""
    await slack.push_to(endpoint.url, verify=False)
    endpoint.status = 500
    await slack.say("general", "ada", "hi")
    await slack.events.idle()
    assert [headers.get("X-Slack-Retry-Num") for headers in endpoint.headers] == [None, "1", "2", "3"]
    assert endpoint.headers[1]["X-Slack-Retry-Reason"] == "http_error"


async def test_bot_may_ask_for_no_retry(slack: SlackServer, endpoint: Endpoint) -> None:
    """An error answered with X-Slack-No-Retry is not redelivered."""
    await slack.push_to(endpoint.url, verify=False)
    endpoint.status, endpoint.answer = 500, {"X-Slack-No-Retry": "1"}
    await slack.say("general", "ada", "hi")
    await slack.events.idle()
    assert len(endpoint.headers) == 1


async def test_unreachable_address_is_tried_again(slack: SlackServer) -> None:
    """A refused connection is noted as such, and the event is given up in the end."""
    await slack.push_to("http://127.0.0.1:1/slack/events", verify=False)
    await slack.say("general", "ada", "hi")
    await slack.events.idle()
    assert [entry["reason"] for entry in slack.journal.of("slack", "unacked")] == ["connection_failed"] * 4
