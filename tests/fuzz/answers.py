"""Odd answers to the bot's calls: a proxy before each platform's API that answers nonsense while people ask.

Whatever it answers, each question ends in the whole answer or a visible failure, and when it has stopped an ordinary
mention is answered at once. The whole bot runs in this process, with its real client libraries.
"""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
from aiohttp import web

from bot.conversation import Delta, Finished, StopReason, Usage
from bot.ports import Request
from tests.fuzz.watching import Watch
from tests.whole.house import Discord, Side, Slack, furnished

_QUESTION = re.compile(r"\[q(\d+)\]")

TIMES = ("nan", "-5", "", "soon", "0", "2", "Wed, 21 Oct 2015 07:28:00 GMT")
YEARS = ("1e9", "inf")
"""A rest of years, which is one of five minutes: too long for a quick test."""
BODIES = (
    b"", b"{}", b"[]", b"null", b"true", b'{"ok": "yes"}', b'{"ok": true}', b'{"ok": true, "ts": 5}', b'{"ok": false}',
    b'{"ok": false, "error": null}', b'{"ok": false, "error": ["x"]}', b'{"ok": false, "error": "moon_phase"}',
    b'{"id": 5}', b'{"code": "x", "message": []}', b'{"code": 999999, "message": "?"}', b"<html>hello</html>",
    b"\xff\xfe",     b"[" * 50_000, b'{"a":' * 5_000,
)  # fmt: skip
STATUSES = (200, 201, 204, 302, 304, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 520)
HARMLESS = (401,)
"""Not sent: a token that is refused is refused for good, and rightly said to the operator."""

ENDS_WITHIN = 400.0
"""Seconds: a rest of five minutes, and the turn's own after it."""

AFTER_WITHIN = 20.0
LOOK = 0.2
"""Seconds between two looks at the screen."""

AT_ONCE, ROOMS = 6, 20
MOST_GROWTH = 40 << 20
"""Bytes; the bot and its stand-ins warm up in here, and remember what was said."""


class OddProxy:
    """Passes calls on to an API, and answers nonsense in place of every few of those that write or read."""

    def __init__(self, target: str, session: aiohttp.ClientSession, seed: int, *, years: bool) -> None:
        self.odd = 0
        self.odds = 0.0
        self._times = TIMES + YEARS if years else TIMES
        self._target = target.rstrip("/")
        self._session = session
        self._chance = random.Random(seed)  # noqa: S311 - a test's

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        body = await request.read()
        if self._chance.random() < self.odds and "connections.open" not in request.path:
            self.odd += 1
            return await self._nonsense(request, body)
        return await self._passed_on(request, body)

    async def _passed_on(self, request: web.Request, body: bytes) -> web.Response:
        own = {"host", "content-length"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in own}
        address = f"{self._target}{request.path_qs}"
        async with self._session.request(request.method, address, data=body, headers=headers) as answer:
            kept = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() in {"content-type", "retry-after"} or name.lower().startswith("x-ratelimit")
            }
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    async def _nonsense(self, request: web.Request, body: bytes) -> web.StreamResponse:
        chance = self._chance
        if chance.random() < 0.3:
            await self._passed_on(request, body)  # it was done, and nobody says so
        status = chance.choice([it for it in STATUSES if it not in HARMLESS])
        headers = {"Content-Type": chance.choice(["application/json", "text/html", "application/json; charset=utf-8"])}
        if status == 429 or not chance.randrange(4):
            headers["Retry-After"] = chance.choice(self._times)
        if status in {302, 304}:
            headers["Location"] = str(request.url)
        if not chance.randrange(40):
            return web.Response(status=200, headers=headers, body=b'{"ok": true, "x": "' + b"x" * (5 << 20) + b'"}')
        return web.Response(status=status, headers=headers, body=b"" if status in {204, 304} else chance.choice(BODIES))


@asynccontextmanager
async def between(target: str, seed: int, *, years: bool) -> AsyncIterator[tuple[OddProxy, str]]:
    """Put a proxy before an API; yields it and its address, whose path is the API's."""
    scheme, _, rest = target.partition("://")
    host, _, path = rest.partition("/")
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
        proxy = OddProxy(f"{scheme}://{host}", session, seed, years=years)
        application = web.Application(client_max_size=64 << 20)
        application.router.add_route("*", "/{path:.*}", proxy.handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield proxy, f"http://127.0.0.1:{runner.addresses[0][1]}/{path}"


class Echo:
    """A model that answers with the numbers of the questions, the last of them at the end of its answer."""

    async def stream(self, request: Request) -> AsyncIterator[Delta | Finished]:
        """Answer in three pieces."""
        numbers = " ".join(re.findall(r"\[q\d+\]", request.messages[-1].text))
        text = f"The whole answer to {numbers}."
        for piece in (text[:10], text[10:20], text[20:]):
            yield Delta(piece)
            await asyncio.sleep(0.02)
        yield Finished(text=text, stop=StopReason.END_TURN, usage=Usage(), model="m", request_id="r", first_token=0.0)

    async def ask(self, request: Request) -> Finished:
        """Nobody asks."""
        raise NotImplementedError


async def fuzz(
    platform: str, count: int, seed: int, *, odds: float = 0.25, years: bool = True, at_once: int = AT_ONCE
) -> list[str]:
    """Ask until `count` odd answers were given, heal, and ask once more; return what went wrong."""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        async with furnished(platform, Path(folder)) as side:
            rooms = _rooms(side)
            target = side.house.box.slack.url if platform == "slack" else side.house.box.discord.url
            async with (
                between(target, seed, years=years) as (proxy, address),
                side.house.bot(model=Echo(), **{f"{platform}_api_url": address}),
            ):
                with Watch(wrong, MOST_GROWTH):
                    await _converse(side, rooms, proxy, count, odds, at_once, wrong)
    return wrong


def _rooms(side: Side) -> list[str]:
    """Make channels, since each has limits of its own: in one alone a few thousand calls would take hours."""
    if isinstance(side, Slack):
        members = [side.person, side.bot]
        return [side.server.workspace.add_channel(f"room{number}", members=members).id for number in range(ROOMS)]
    assert isinstance(side, Discord)
    return [side.server.world.add_channel(f"room{number}").id for number in range(ROOMS)]


async def _converse(
    side: Side, rooms: list[str], proxy: OddProxy, count: int, odds: float, at_once: int, wrong: list[str]
) -> None:
    asked = 0
    while proxy.odd < count:
        proxy.odds = odds
        roots = [
            await side.ask(f"[q{asked + number}] say so", channel=rooms[number % len(rooms)])
            for number in range(at_once)
        ]
        asked += len(roots)
        all_ended = partial(_all_ended, side, asked)
        await _until(all_ended, ENDS_WITHIN / 5)
        proxy.odds = 0.0
        if not await _until(all_ended, ENDS_WITHIN):
            wrong.append(f"{_open(side, asked)} of {asked} questions did not end: {side.texts[-3:]!r}"[:300])
            return
    began = time.monotonic()
    await side.ask("[q999999] say so")
    if not await _until(lambda: any("q999999" in text for text in side.texts), AFTER_WITHIN):
        wrong.append("the mention after it was not answered")
    took = time.monotonic() - began
    if took > AFTER_WITHIN:
        wrong.append(f"the mention after it was answered after {took:.1f} s")


def _all_ended(side: Side, asked: int) -> bool:
    return _open(side, asked) == 0


def _open(side: Side, asked: int) -> int:
    """How many of the first `asked` questions have neither an answer nor a failure on the screen."""
    answered: set[str] = set()
    failures = 0
    for text in side.texts:
        failures += text.startswith("(")
        if text.endswith("."):
            answered.update(_QUESTION.findall(text))
    return max(0, asked - len(answered) - failures)


async def _until(condition: Callable[[], bool], seconds: float) -> bool:
    for _ in range(int(seconds / LOOK)):
        if condition():
            return True
        await asyncio.sleep(LOOK)
    return condition()


def run(count: int, seed: int) -> list[str]:
    """Give `count` odd answers on both platforms; return what went wrong."""
    return [line for platform in ("slack", "discord") for line in asyncio.run(fuzz(platform, count // 2, seed))]
