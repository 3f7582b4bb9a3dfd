"""Odd frames from Discord's gateway, through discord.py and the adapter."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import Any

from sandbox.discord import DiscordServer
from sandbox.journal import Journal
from tests.discord.harness import Box, ask, listening
from tests.fuzz.mutate import ODD, cut, dumped, mutated
from tests.fuzz.watching import Watch

WARM_UP = 300
ANSWER_WITHIN = 2.0
BATCH = 500
MOST_SESSIONS = 10
SETTLING = 0.3
"""Seconds in which the last frames are handled."""

CODES = (99, 2, 6, "x", None, -1)
SEQUENCES = ("x", -1, 10**18, 1.5, [], True, 0)


def frames(server: DiscordServer) -> list[dict[str, Any]]:
    """Return what the stand-in has sent so far, and what no test of it asks for."""
    sent = [json.loads(text) for session in server.sessions for _, text in session.kept]
    guild, channel = server.world.guild_id, server.channel("general")
    archive = {"archived": False, "auto_archive_duration": 60, "locked": False}
    archive["archive_timestamp"] = "2026-01-01T00:00:00+00:00"
    thread = {"id": "77", "guild_id": guild, "parent_id": channel, "owner_id": "5", "type": 11, "name": "t"}
    thread |= {"message_count": 1, "member_count": 1, "rate_limit_per_user": 0, "thread_metadata": archive}
    at = {"channel_id": channel, "guild_id": guild}
    more = {
        "THREAD_CREATE": thread,
        "THREAD_UPDATE": thread,
        "THREAD_DELETE": {"id": "77", "guild_id": guild, "parent_id": channel, "type": 11},
        "THREAD_LIST_SYNC": {"guild_id": guild, "threads": [thread], "members": []},
        "MESSAGE_DELETE": {**at, "id": "9"},
        "MESSAGE_DELETE_BULK": {**at, "ids": ["9", "10"]},
        "MESSAGE_REACTION_ADD": {**at, "user_id": "5", "message_id": "9", "emoji": {"id": None, "name": "x"}},
        "CHANNEL_UPDATE": {"id": channel, "guild_id": guild, "type": 0, "name": "general", "position": 1},
        "TYPING_START": {"channel_id": channel, "user_id": "5", "timestamp": 1},
        "GUILD_ROLE_DELETE": {"guild_id": guild, "role_id": "3"},
    }
    return sent + [{"op": 0, "t": name, "s": None, "d": data} for name, data in more.items()]


class Stranger:
    """A gateway that sends odd frames."""

    def __init__(self, server: DiscordServer, box: Box, seed: int) -> None:
        self._server = server
        self._box = box
        self._known = frames(server)
        self._chance = random.Random(seed)  # noqa: S311 - a test's

    async def many(self, count: int) -> None:
        """Send that many odd frames, and forget what the stand-ins remember of them."""
        for start in range(0, count, BATCH):
            for _ in range(min(BATCH, count - start)):
                await self._send(self._odd())
            await asyncio.sleep(SETTLING)
            self._box.messages.clear()
            self._box.offered.clear()
            self._server.journal.entries.clear()

    async def _send(self, text: str) -> None:
        for _ in range(1_000):
            for session in self._server.sessions:
                if session.link is not None:
                    session.link.send(text)
                    return
            await asyncio.sleep(0.01)
        raise TimeoutError("nobody is connected any more")

    def _odd(self) -> str:
        chance = self._chance
        frame = chance.choice(self._known)
        match chance.randrange(14):
            case 0:
                return cut(dumped(frame), chance).decode("utf-8", "replace")
            case 1 | 2:
                return dumped({**frame, "s": chance.choice(SEQUENCES)}).decode()
            case 3:
                return dumped({**frame, "op": chance.choice(CODES)}).decode()
            case 4:
                return dumped({"op": 11, "d": chance.choice(ODD), "s": None, "t": None}).decode()
            case _:
                return dumped({**frame, "d": mutated(frame["d"], chance), "s": None}).decode()


async def fuzz(count: int, seed: int) -> list[str]:
    """Send `count` odd frames and an ordinary mention; return what went wrong."""
    wrong: list[str] = []
    box = Box()
    async with DiscordServer(Journal()) as server, listening(server, box):
        for word in ("one", "two"):
            asked = await ask(server, word)
            await server.edit(server.channel("general"), asked, f"<@{server.bot_id}> {word} edited")
        stranger = Stranger(server, box, seed)
        await stranger.many(min(count, WARM_UP))
        with Watch(wrong):
            await stranger.many(count)
        if (sessions := len(list(server.sessions))) > MOST_SESSIONS:
            wrong.append(f"{sessions} sessions")
        began = time.monotonic()
        last = await ask(server, "still there?")
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await box.until(lambda: last in box.offered)
        except TimeoutError:
            wrong.append(f"the mention after it was not taken in within {time.monotonic() - began:.1f} s")
    return wrong


def run(count: int, seed: int) -> list[str]:
    """Send `count` odd frames; return what went wrong."""
    return asyncio.run(fuzz(count, seed))
