"""Odd requests to Slack's address, signed and not, good HTTP and bad, against the whole bot."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from sandbox.slack.http_events import signature
from tests.fuzz import crude
from tests.fuzz.mutate import cut, dumped
from tests.fuzz.process import BotProcess, answered, running, script
from tests.fuzz.slack_events import Scene
from tests.whole.house import Slack, furnished

AT_ONCE = 16
WARM_UP = 3_000
BATCH = 2_000
LATE = 5.0
ENCODINGS = ("gzip", "br", "deflate", "zstd", "x", "identity")


class Stranger:
    """Sends requests to one address, and notes what went wrong."""

    def __init__(self, session: aiohttp.ClientSession, secret: str, scene: Scene, bot: BotProcess, seed: int) -> None:
        self._session = session
        self._secret = secret
        self._bot = bot
        self._scene = scene
        self._chance = random.Random(seed)  # noqa: S311 - a test's

    async def many(self, count: int) -> None:
        """Send that many odd requests, some at a time."""
        for _ in range(0, count, AT_ONCE):
            await asyncio.gather(*(self._send_one() for _ in range(AT_ONCE)))

    async def _send_one(self) -> None:
        body, headers = self._odd()
        if self._chance.randrange(12):
            await self._send(body, headers)
        elif wrong := await crude.send(self._bot.port, crude.requests(body, headers, self._chance)):
            self._bot.wrong.append(wrong)

    async def _send(self, body: bytes, headers: dict[str, str]) -> None:
        began, what = time.monotonic(), f"{headers} {body[:160]!r}"
        address = f"http://127.0.0.1:{self._bot.port}{crude.PATH}"
        try:
            async with self._session.post(address, data=body, headers=headers) as answer:
                await answer.read()
                if answer.status >= 500:
                    self._bot.wrong.append(f"HTTP {answer.status}: {what}")
        except aiohttp.ClientError as error:
            self._bot.wrong.append(f"{type(error).__name__}: {what}")
        if time.monotonic() - began > LATE:
            self._bot.wrong.append(f"late: {what}")

    def _signed(self, body: bytes) -> dict[str, str]:
        at = str(int(time.time()))
        return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": signature(self._secret, at, body)}

    def _odd(self) -> tuple[bytes, dict[str, str]]:
        chance = self._chance
        body = dumped(self._scene.nonsense(chance))
        headers = {"Content-Type": "application/json"}
        match chance.randrange(12):
            case 0:
                body = cut(body, chance)
            case 1:
                headers["Content-Encoding"] = chance.choice(ENCODINGS)
            case 2:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
                body = b"payload=" + body
            case 3:
                headers["X-Slack-Retry-Num"] = chance.choice(["1", "x", "-1", "9" * 30])
            case _:
                pass
        if chance.randrange(20):
            return body, headers | self._signed(body)
        return body, headers | {"X-Slack-Request-Timestamp": chance.choice(["5", "x", ""]), "X-Slack-Signature": "v0=x"}


async def fuzz(count: int, seed: int) -> tuple[list[str], str]:
    """Send `count` odd requests and ask an ordinary question; return what went wrong, and the figures."""
    with tempfile.TemporaryDirectory() as folder:
        async with furnished("slack", Path(folder)) as side:
            assert isinstance(side, Slack)
            slack, box = side.server, side.house.box
            box.claude.handle(script)
            secrets = {"SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": slack.signing_secret}
            async with running(side, Path(folder), **secrets) as bot, aiohttp.ClientSession() as session:
                await slack.push_to(f"http://127.0.0.1:{bot.port}{crude.PATH}")
                stranger = Stranger(session, slack.signing_secret, Scene.of(slack), bot, seed)
                await stranger.many(min(count, WARM_UP))
                bot.watch()
                for _ in range(0, count, BATCH):
                    await stranger.many(min(count, BATCH))
                    side.journal.entries.clear()  # what the stand-ins remember is not the bot's
                random_channel, grace = slack.workspace.channel("random").id, slack.workspace.user("grace").id
                took = await answered(side, bot, random_channel, grace)
                figures = f"{bot.judge()}, a mention answered in {took:.2f} s"
            return bot.wrong, figures


def run(count: int, seed: int) -> list[str]:
    """Send `count` odd requests; return what went wrong."""
    return asyncio.run(fuzz(count, seed))[0]


def main() -> int:
    """Send odd requests, and print what they came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    wrong, figures = asyncio.run(fuzz(given.count, given.seed))
    sys.stdout.write("\n  ".join([f"{given.count} requests: {figures}", *wrong]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
