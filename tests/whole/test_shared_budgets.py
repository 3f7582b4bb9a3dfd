"""Several workers in one workspace: they keep its limits together."""

from __future__ import annotations

import asyncio

from bot.store.embedded import EmbeddedServer
from tests.whole.house import Slack

ANSWERS = [f"Answer number {n} of several, a sentence or two long. " * 3 for n in range(6)]


async def test_two_workers_keep_one_channels_limit(slack: Slack, tmp_path):
    """Six questions at once in one channel, three for each of two bots: no post and no edit is refused."""
    for answer in ANSWERS:
        slack.house.box.claude.answer(answer, rate=30)
    async with (
        EmbeddedServer(tmp_path / "far") as server,
        slack.house.bot(redis_url=server.url, max_concurrent_turns=3),
        slack.house.bot(redis_url=server.url, max_concurrent_turns=3),
    ):
        await asyncio.gather(*(slack.ask(f"Question {n}?") for n in range(6)))
        await slack.house.until(lambda: sorted(slack.texts) == sorted(map(str.strip, ANSWERS)), "answers", timeout=40)
    assert list(slack.journal.of("slack", "refused")) == []
