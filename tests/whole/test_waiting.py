"""More questions than a process may answer at once: who waits sees that they were heard, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from bot.conversation import Delta, Finished, StopReason, Usage
from bot.ports import Request
from bot.turn import phrases
from tests.whole.house import Discord, Slack


class Gate:
    """A model whose answers end when the gate is opened; `asked` are the questions in the order they came to it."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.asked: list[str] = []

    async def stream(self, request: Request) -> AsyncIterator[Delta | Finished]:
        question = re.findall(r"\b(q\d|flood\d+|quiet)\b", request.messages[-1][1])[-1]
        self.asked.append(question)
        await self.opened.wait()
        text = f"Answer to {question}"
        yield Delta(text)
        yield Finished(text=text, stop=StopReason.END_TURN, usage=Usage(), model="m", request_id="r", first_token=0.1)

    async def ask(self, request: Request) -> Finished:
        raise NotImplementedError


def statuses(slack: Slack) -> list[str]:
    """The threads that were told to wait, one for each time."""
    return [entry["thread"] for entry in slack.journal.of("slack", "status", text=phrases.WAITING)]


async def test_who_waits_sees_at_once_that_they_were_heard(slack: Slack):
    """Of six questions two are begun at once, the other four get a status in their threads; all are answered."""
    model = Gate()
    async with slack.house.bot(model=model, max_concurrent_turns=2):
        roots = [await slack.ask(f"q{n}") for n in range(6)]
        waiting = await slack.house.until(lambda: len(told := statuses(slack)) >= 4 and told, "four statuses")
        begun = {roots[int(question[1:])] for question in model.asked}
        assert len(begun) == 2
        assert sorted(waiting) == sorted(set(roots) - begun), "each of them once, and none whose turn began"
        model.opened.set()
        await slack.house.until(
            lambda: sorted(slack.texts) == [f"Answer to q{n}" for n in range(6)], "six answers", timeout=30
        )
    answered: set[str | None] = set()
    for entry in slack.journal.entries:
        if (entry.service, entry.kind) == ("slack", "posted") and entry["author"] == slack.bot:
            answered.add(entry["thread"])
        elif (entry.service, entry.kind) == ("slack", "status") and entry["text"] == phrases.WAITING:
            assert entry["thread"] not in answered


async def test_one_channel_shows_one_typing_for_all_who_wait_in_it(discord: Discord):
    """Where a status shows for the whole channel it is shown once, however many wait there."""
    model = Gate()
    busy, quiet = discord.channel, discord.server.add_channel("quiet")

    def typing() -> int:
        return sum(1 for _ in discord.journal.of("discord", "call", call="POST typing", channel=quiet))

    async with discord.house.bot(model=model, max_concurrent_turns=2):
        for n in range(2):
            await discord.ask(f"q{n}", channel=busy)
        await discord.house.until(lambda: len(model.asked) == 2, "two begun")
        for n in range(2, 6):
            await discord.ask(f"q{n}", channel=quiet)
        await discord.house.until(typing, "typing")
        model.opened.set()
        await discord.house.until(
            lambda: sorted(discord.texts) == [f"Answer to q{n}" for n in range(6)], "six answers", timeout=30
        )
    calls = [
        entry["call"]
        for entry in discord.journal.of("discord", "call", channel=quiet)
        if entry["call"] in ("POST typing", "POST thread")
    ]
    assert calls.index("POST thread") == 1, "once, before the first turn there began"


async def test_a_flood_does_not_keep_another_waiting(slack: Slack):
    """Who asks once behind twenty questions of one person in the same channel is answered after one or two of them."""
    model = Gate()
    async with slack.house.bot(model=model, max_concurrent_turns=2, drain_seconds=0):
        for n in range(20):
            await slack.ask(f"flood{n}")
        await slack.ask("quiet", user=slack.server.workspace.user("grace").id)
        events = len(list(slack.journal.of("slack", "event")))
        await slack.house.until(lambda: len(list(slack.journal.of("slack", "ack"))) >= events, "all accepted")
        model.opened.set()
        await slack.shows_text("Answer to quiet", timeout=30)
    assert model.asked.index("quiet") <= 4
