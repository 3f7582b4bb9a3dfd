"""Odd frames over Socket Mode, against the whole bot."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from sandbox.slack import SlackServer
from tests.fuzz.mutate import cut, dumped, mutated
from tests.fuzz.process import answered, running, script
from tests.fuzz.slack_events import Scene
from tests.whole.house import Slack, furnished

WARM_UP = 2_000
BATCH = 2_000
RECONNECTS = 5_000
"""One frame in so many asks for a new connection: Slack does every few hours."""


class Stranger:
    """A Slack that sends odd frames."""

    def __init__(self, slack: SlackServer, seed: int) -> None:
        self._slack = slack
        self._scene = Scene.of(slack)
        self._chance = random.Random(seed)  # noqa: S311 - a test's
        self._sent = 0

    async def many(self, count: int) -> None:
        """Send that many odd frames, by one connection and the other."""
        for _ in range(count):
            await self._slack.journal.until(lambda: bool(self._slack.sockets.open), timeout=30.0)
            socket = self._chance.choice(self._slack.sockets.open).socket
            with contextlib.suppress(ConnectionError):
                if self._chance.randrange(100):
                    await socket.send_str(self._odd())
                else:
                    await socket.send_bytes(bytes(self._chance.randrange(256) for _ in range(40)))

    def _odd(self) -> str:
        chance = self._chance
        if not chance.randrange(RECONNECTS):
            return dumped({"type": "disconnect", "reason": chance.choice(["refresh_requested", 5, None])}).decode()
        frame = self._frame()
        if chance.randrange(2):
            frame = mutated(frame, chance)
        body = dumped(frame)
        return (body if chance.randrange(10) else cut(body, chance)).decode("utf-8", "replace")

    def _frame(self) -> dict[str, Any]:
        chance = self._chance
        self._sent += 1
        frame = {"type": "events_api", "envelope_id": f"E{self._sent}", "accepts_response_payload": False}
        match chance.randrange(12):
            case 0:
                return {**frame, "type": "interactive", "payload": {"type": "block_actions", "actions": [{}]}}
            case 1:
                return {**frame, "type": "slash_commands", "payload": {"command": "/ask", "text": "x"}}
            case 2:
                return {"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A1"}}
            case _:
                return {**frame, "payload": self._scene.nonsense(chance)}


async def fuzz(count: int, seed: int) -> tuple[list[str], str]:
    """Send `count` odd frames and ask an ordinary question; return what went wrong, and the figures."""
    with tempfile.TemporaryDirectory() as folder:
        async with furnished("slack", Path(folder)) as side:
            assert isinstance(side, Slack)
            slack = side.server
            side.house.box.claude.handle(script)
            async with running(side, Path(folder)) as bot:
                stranger = Stranger(slack, seed)
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
    """Send `count` odd frames; return what went wrong."""
    return asyncio.run(fuzz(count, seed))[0]


def main() -> int:
    """Send odd frames, and print what they came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    wrong, figures = asyncio.run(fuzz(given.count, given.seed))
    sys.stdout.write("\n  ".join([f"{given.count} frames: {figures}", *wrong]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
