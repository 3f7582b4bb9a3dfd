"""The stand-in's limits and its misbehaviour on order, through the real slack-sdk."""

import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.faults import Fault
from sandbox.journal import Journal
from sandbox.limits import Counting
from sandbox.slack import Rates, SlackServer


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def slack(clock: Clock) -> AsyncIterator[SlackServer]:
    async with SlackServer(Journal(), rates=Rates(clock=clock)) as server:
        yield server


@pytest.fixture
async def web(slack: SlackServer) -> AsyncIterator[AsyncWebClient]:
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[], session=session)


@pytest.fixture
def general(slack: SlackServer) -> str:
    return slack.workspace.channel("general").id


async def refusal(call: Any) -> SlackApiError:
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value


async def test_edits_share_one_minute_in_the_whole_workspace(
    slack: SlackServer, web: AsyncWebClient, clock: Clock, general: str
) -> None:
    """The 51st chat.update of a minute is refused with Retry-After, in whatever channel, and changes nothing."""
    other = slack.workspace.channel("random").id
    posts = [(c, (await web.chat_postMessage(channel=c, text="0"))["ts"]) for c in (general, other)]
    for n in range(50):
        channel, ts = posts[n % 2]
        await web.chat_update(channel=channel, ts=ts, text=str(n))
        clock.now += 0.125
    error = await refusal(web.chat_update(channel=general, ts=posts[0][1], text="too many"))
    assert error.response.status_code == 429
    assert error.response["error"] == "ratelimited"
    wait = int(error.response.headers["Retry-After"])
    assert wait == 54
    assert slack.journal.message("slack", general, posts[0][1]).text == "48"
    assert [entry["code"] for entry in slack.journal.of("slack", "refused")] == ["ratelimited"]
    clock.now += wait
    await web.chat_update(channel=general, ts=posts[0][1], text="later")


async def test_posts_are_counted_per_channel(
    slack: SlackServer, web: AsyncWebClient, clock: Clock, general: str
) -> None:
    """After a short burst a channel takes one message a second; the next channel is not touched by that."""
    slack.rates.change(counting="bucket")
    for _ in range(5):
        await web.chat_postMessage(channel=general, text="x")
    assert (await refusal(web.chat_postMessage(channel=general, text="x"))).response.headers["Retry-After"] == "1"
    await web.chat_postMessage(channel=slack.workspace.channel("random").id, text="x")
    clock.now += 1.0
    await web.chat_postMessage(channel=general, text="x")
    await refusal(web.chat_postMessage(channel=general, text="x"))


@pytest.mark.parametrize(("counting", "after_half_a_minute"), [("sliding", 0), ("fixed", 2), ("bucket", 1)])
def test_ways_of_counting_differ(counting: Counting, after_half_a_minute: int) -> None:
    """After a burst of two a minute, half a minute later, each way of counting lets its own number through."""
    clock = Clock()
    clock.now = 60.0 * 1000 + 30.0
    rates = Rates(counting, limits={"m": (2, 60.0)}, clock=clock)
    assert [rates.admit("m", "") for _ in range(2)] == [0, 0]
    assert rates.admit("m", "") > 0
    clock.now += 30.0
    assert [rates.admit("m", "") for _ in range(3)].count(0) == after_half_a_minute


def test_refused_calls_do_not_count() -> None:
    """Calling on and on against the limit of a channel neither prolongs the wait nor spends the workspace's."""
    clock = Clock()
    rates = Rates(limits={"m": (3, 60.0)}, per_channel={"m": (1, 10.0)}, clock=clock)
    assert rates.admit("m", "a") == 0
    assert [rates.admit("m", "a") for _ in range(5)] == [10] * 5
    assert [rates.admit("m", "b"), rates.admit("m", "c")] == [0, 0]
    assert rates.admit("m", "d") == 60
    clock.now += 60.0
    assert rates.admit("m", "a") == 0


def test_limits_can_be_halved_and_switched_off() -> None:
    """The number of calls can be halved without a word, and the limits switched off."""
    rates = Rates(clock=Clock())
    rates.change(factor=0.5)
    assert [rates.admit("chat.update", "C") for _ in range(26)].count(0) == 25
    rates.enforced = False
    assert rates.admit("chat.update", "C") == 0


async def test_reset_does_nothing_and_lost_does_it(slack: SlackServer, web: AsyncWebClient, general: str) -> None:
    """Both cut the connection; only "lost" has had its effect, and each is noted."""
    slack.faults.add(Fault("chat.postMessage", "reset"))
    slack.faults.add(Fault("chat.postMessage", "lost"))
    for text in ("reset", "lost"):
        with pytest.raises(aiohttp.ClientConnectionError):
            await web.chat_postMessage(channel=general, text=text)
    await web.chat_postMessage(channel=general, text="fine")
    assert [shown.text for shown in slack.journal.messages("slack", general)] == ["lost", "fine"]
    assert [entry["fault"] for entry in slack.journal.of("slack", "fault")] == ["reset", "lost"]


async def test_status_and_error_faults_are_worded_as_slack_does(
    slack: SlackServer, web: AsyncWebClient, general: str
) -> None:
    """A 429 has Retry-After, a 503 is a page, an error is `ok: false` with its code, and none has effect."""
    slack.faults.add(Fault("chat.*", "status", status=429, retry_after=7))
    slack.faults.add(Fault("chat.*", "status", status=503))
    slack.faults.add(Fault("chat.*", "error", code="missing_scope"))
    limited = (await refusal(web.chat_postMessage(channel=general, text="x"))).response
    assert (limited.status_code, limited["error"], limited.headers["Retry-After"]) == (429, "ratelimited", "7")
    assert (await refusal(web.chat_postMessage(channel=general, text="x"))).response.status_code == 503
    scope = (await refusal(web.chat_postMessage(channel=general, text="x"))).response
    assert (scope.status_code, scope["needed"]) == (200, "chat:write")
    assert not slack.journal.messages("slack")


async def test_delay_waits_then_goes_on(slack: SlackServer, web: AsyncWebClient, general: str) -> None:
    """A delayed call takes its time and then has its effect; latency is added to every call."""
    slack.faults.add(Fault("chat.postMessage", "delay", seconds=0.05))
    began = time.monotonic()
    await web.chat_postMessage(channel=general, text="x")
    assert time.monotonic() - began >= 0.05
    slack.latency = 0.04
    began = time.monotonic()
    await web.chat_postMessage(channel=general, text="y")
    assert time.monotonic() - began >= 0.04
    assert [shown.text for shown in slack.journal.messages("slack", general)] == ["x", "y"]
