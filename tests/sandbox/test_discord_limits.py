"""Rate limits of the Discord stand-in: what the headers say, what is refused, and what discord.py makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.discord import DiscordServer
from sandbox.discord.ratelimits import RateLimit, RateLimits
from sandbox.faults import Fault
from sandbox.journal import Journal
from sandbox.limits import Counting, Limiter
from tests.sandbox.discord_harness import Http, discord, http, logged_in


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer(Journal()) as running:
        yield running


async def test_the_sixth_post_in_a_window_is_refused_with_what_clients_need(server: DiscordServer, api: Http) -> None:
    """Five go through with a falling remainder; the sixth is a 429 with body, Via, scope and Retry-After."""
    general = server.channel("general")
    answers = [await api.post(general, content=str(index)) for index in range(6)]
    assert [status for status, _, _ in answers] == [200] * 5 + [429]
    headers = [each for _, _, each in answers]
    assert [each["X-RateLimit-Remaining"] for each in headers] == ["4", "3", "2", "1", "0", "0"]
    assert {each["X-RateLimit-Limit"] for each in headers} == {"5"}
    assert len({each["X-RateLimit-Bucket"] for each in headers}) == 1
    assert all(4.0 < float(each["X-RateLimit-Reset-After"]) <= 5.0 for each in headers)
    body, last = answers[5][1], headers[5]
    assert body["message"] == "You are being rate limited."
    assert 4.0 < body["retry_after"] <= 5.0
    assert body["global"] is False
    assert (last["Via"], last["X-RateLimit-Scope"], last["Retry-After"]) == ("1.1 google", "user", "5")
    assert last["Content-Type"] == "application/json"
    refused = list(server.journal.of("discord", "refused"))
    assert [(entry["call"], entry["scope"], entry["channel"]) for entry in refused] == [
        ("POST message", "user", general)
    ]
    assert server.invalid_requests == 1


async def test_after_the_time_the_headers_named_all_go_again(server: DiscordServer, api: Http) -> None:
    """When the reset has passed the whole limit is there."""
    general = server.channel("general")
    answers = [await api.post(general, content="x") for _ in range(5)]
    server.advance(float(answers[-1][2]["X-RateLimit-Reset-After"]))
    assert [(await api.post(general, content="y"))[0] for _ in range(6)] == [200] * 5 + [429]


async def test_buckets_are_per_call_and_per_channel(server: DiscordServer, api: Http) -> None:
    """Posts do not use up edits, nor one channel or thread another's."""
    general, ada = server.channel("general"), server.user("ada")
    thread = await server.open_thread(general, ada, "t")
    posts = [await api.post(place, content="x") for place in (general, thread, server.dm(ada)) for _ in range(5)]
    assert {status for status, _, _ in posts} == {200}
    path = f"/channels/{general}/messages/{posts[0][1]['id']}"
    edits = [await api("PATCH", path, json={"content": str(index)}) for index in range(6)]
    assert [status for status, _, _ in edits] == [200] * 5 + [429]
    assert edits[0][2]["X-RateLimit-Bucket"] != posts[0][2]["X-RateLimit-Bucket"]
    assert (await api("DELETE", path))[0] == 204


async def test_the_whole_bot_has_fifty_a_second(server: DiscordServer, api: Http) -> None:
    """The 51st call within a second is a global 429, whatever it calls."""
    answers = [await api("GET", "/users/@me") for _ in range(51)]
    assert [status for status, _, _ in answers] == [200] * 50 + [429]
    _, body, headers = answers[50]
    assert body["global"] is True
    assert (headers["X-RateLimit-Global"], headers["X-RateLimit-Scope"]) == ("true", "global")
    assert "X-RateLimit-Bucket" not in headers


@pytest.mark.parametrize("counting", ["anchored", "sliding", "fixed", "bucket"])
async def test_limits_can_be_halved_in_secret(counting: Counting) -> None:
    """With a share of a half the headers go on promising five, and the third call is refused."""
    async with DiscordServer(Journal(), counting=counting) as server, http(server) as api:
        server.limits.share = 0.5
        answers = [await api.post(server.channel("general"), content="x") for _ in range(3)]
        assert [status for status, _, _ in answers] == [200, 200, 429]
        assert [headers["X-RateLimit-Limit"] for _, _, headers in answers] == ["5", "5", "5"]
        assert int(answers[1][2]["X-RateLimit-Remaining"]) == 3


async def test_limits_can_be_switched_off(server: DiscordServer, api: Http) -> None:
    """Without limits nothing is refused and no header speaks of them."""
    server.limits.enforced = False
    answers = [await api.post(server.channel("general"), content="x") for _ in range(60)]
    assert {status for status, _, _ in answers} == {200}
    assert not [name for name in answers[0][2] if name.startswith("X-RateLimit")]


async def test_old_messages_take_few_edits_and_no_header_tells(server: DiscordServer, api: Http) -> None:
    """After an hour the fourth edit in 6 s is a 429 with code 30046, although the bucket has room."""
    general = server.channel("general")
    _, message, _ = await api.post(general, content="x")
    path = f"/channels/{general}/messages/{message['id']}"
    assert (await api("PATCH", path, json={"content": "young"}))[0] == 200
    server.advance(3601)
    answers = [await api("PATCH", path, json={"content": str(index)}) for index in range(4)]
    assert [status for status, _, _ in answers] == [200] * 3 + [429]
    _, body, headers = answers[3]
    assert body["code"] == 30046
    assert 0 < body["retry_after"] <= 6
    assert int(headers["X-RateLimit-Remaining"]) > 0


async def test_a_channel_is_renamed_twice_in_ten_minutes(server: DiscordServer, api: Http) -> None:
    """The third rename is refused for minutes, although the bucket has room."""
    general = server.channel("general")
    await server.allow(general, "manage_channels")
    answers = [await api("PATCH", f"/channels/{general}", json={"name": f"n{index}"}) for index in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 429]
    assert answers[2][1]["retry_after"] > 500


async def test_discord_py_waits_out_a_refusal_and_repeats(server: DiscordServer) -> None:
    """A 429 on order makes the library wait and send again, once."""
    async with logged_in(server) as client:
        server.faults.add(Fault("POST message", "status", status=429, retry_after=0.01))
        await client.get_partial_messageable(int(server.channel("general"))).send("patient")
        assert [e["status"] for e in server.journal.of("discord", "answer", call="POST message")] == [429, 200]


async def test_discord_py_meets_no_refusal_when_it_heeds_the_headers(server: DiscordServer) -> None:
    """Twelve edits at once are spread by the library over the windows the headers describe, none refused."""
    server.limits.rate_limits["PATCH message"] = RateLimit(5, 0.1)
    async with logged_in(server) as client:
        message = await client.get_partial_messageable(int(server.channel("general"))).send("0")
        await asyncio.gather(*(message.edit(content=str(index)) for index in range(1, 13)))
        assert not list(server.journal.of("discord", "refused"))
        shown = server.journal.message("discord", server.channel("general"), str(message.id))
        assert len(shown.versions) == 13


async def test_thread_creation_is_counted_apart(server: DiscordServer, api: Http) -> None:
    """Opening threads has a bucket of its own."""
    server.limits.rate_limits["POST thread"] = RateLimit(1, 300.0)
    general = server.channel("general")
    statuses = []
    for _ in range(2):
        asked = await server.say(general, server.user("ada"), "question")
        answer = await api("POST", f"/channels/{general}/messages/{asked}/threads", json={"name": "t"})
        statuses.append(answer[0])
    assert statuses == [201, 429]


def test_an_anchored_window_opens_with_its_first_call() -> None:
    """Five calls late in a clock's window and five right after its end do not both fit."""
    limiter = Limiter(5, 5.0, "anchored")
    assert [limiter.admit(104.9) for _ in range(5)] == [0.0] * 5
    assert limiter.admit(105.1) == pytest.approx(4.8)
    remaining, reset = limiter.state(106.0)
    assert remaining == 0
    assert reset == pytest.approx(3.9)
    assert limiter.admit(109.9) == 0.0
    assert limiter.state(109.9)[0] == 4
    assert limiter.state(120.0) == (5, 0.0)


def test_who_waits_as_long_as_told_is_let_through() -> None:
    """The wait is rounded up, so that the call made exactly then is not refused."""
    limits = RateLimits(rate_limits={"x": RateLimit(1, 1 / 3)})
    limits.admit("x", "c", 1000.0001)
    refusal, _ = limits.admit("x", "c", 1000.1)
    assert refusal is not None
    assert limits.admit("x", "c", 1000.1 + refusal.retry_after)[0] is None


async def test_bad_tokens_and_refusals_are_counted(server: DiscordServer, api: Http) -> None:
    """Every 401, 403 and 429 counts toward the ban; other failures do not."""
    general = server.channel("general")
    await api("GET", "/users/@me", token="wrong")
    await server.deny(general, "send_messages")
    await api.post(general, content="x")
    await api("GET", "/users/1")
    assert server.invalid_requests == 2
    answers: list[Any] = list(server.journal.of("discord", "answer"))
    assert [entry["status"] for entry in answers] == [401, 403, 404]
    assert isinstance(discord.__version__, str)
