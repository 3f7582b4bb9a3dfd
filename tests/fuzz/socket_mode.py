"""Odd frames over Socket Mode, through the adapter's own connections."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import AsyncExitStack

from adapters.slack import SlackAdapter
from sandbox.journal import Journal
from sandbox.slack import SlackServer
from tests.fuzz.mutate import cut, dumped, mutated
from tests.fuzz.slack_events import mention, payloads
from tests.fuzz.watching import Watch
from tests.slack.memory_inbox import MemoryInbox

SETTLING = 0.2
"""Seconds in which the last frames are handled, before anything is measured."""

WARM_UP = 300
ANSWER_WITHIN = 2.0


async def fuzz(count: int, seed: int) -> list[str]:
    """Send `count` odd frames and an ordinary mention; return what went wrong."""
    chance, wrong = random.Random(seed), []  # noqa: S311 - a test's
    async with AsyncExitStack() as stack:
        journal = Journal()
        slack = await stack.enter_async_context(SlackServer(journal))
        inbox = MemoryInbox(journal)
        adapter = SlackAdapter(slack.bot_token, slack.app_token, api_url=slack.url)
        await adapter.start()
        stack.push_async_callback(adapter.close)
        await adapter.listen(inbox)
        await journal.until(lambda: len(list(journal.of("slack", "connected"))) >= 2)
        team, bot = slack.workspace.team_id, slack.workspace.bot.id
        frames = [
            {"type": "events_api", "envelope_id": f"E{number}", "accepts_response_payload": False, "payload": payload}
            for number, payload in enumerate(payloads(team, bot))
        ]
        frames += [{"type": "interactive", "envelope_id": "E", "payload": {"type": "block_actions", "actions": [{}]}}]
        frames += [
            {"type": "hello", "num_connections": 1},
            {"type": "slash_commands", "envelope_id": "E9", "payload": {}},
        ]

        async def send(body: bytes) -> None:
            await journal.until(lambda: bool(slack.sockets.open))
            await slack.sockets.open[0].socket.send_str(body.decode("utf-8", "replace"))

        async def many(number: int) -> None:
            for _ in range(number):
                body = dumped(mutated(chance.choice(frames), chance))
                await send(cut(body, chance) if not chance.randrange(10) else body)
            await asyncio.sleep(SETTLING)

        await many(min(count, WARM_UP))
        with Watch(wrong):
            await many(count)
            inbox.messages.clear()
            journal.entries.clear()  # what the stand-ins remember is not the bot's
        began = time.monotonic()
        asked = {"type": "events_api", "envelope_id": "last", "payload": mention(team, bot, "999.000001")}
        await send(json.dumps(asked).encode())
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await journal.until(lambda: any(message.id == "C1:999.000001" for message in inbox.messages))
        except TimeoutError:
            wrong.append(f"the mention after it was not taken in within {time.monotonic() - began:.1f} s")
    return wrong


def run(count: int, seed: int) -> list[str]:
    """Send `count` odd frames; return what went wrong."""
    return asyncio.run(fuzz(count, seed))
