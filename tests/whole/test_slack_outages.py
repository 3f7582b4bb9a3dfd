"""Slack that delivers nothing for a while, and the whole bot: what was missed is answered, and answered once."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from adapters.slack import SlackAdapter
from bot.app.roles import Role
from bot.app.settings import Settings
from bot.conversation import Delta, Finished, StopReason, Usage
from bot.ports import Adapter, Request
from sandbox.slack.delivery import SUBSCRIPTIONS
from tests.whole.house import Slack
from tests.whole.test_roles import processes


class Answers:
    """A model that answers `q<number>` with `a<number>`, and `go on` word by word until `enough` is set."""

    def __init__(self) -> None:
        self.enough = asyncio.Event()

    async def stream(self, request: Request) -> AsyncIterator[Delta | Finished]:
        asked = re.findall(r"\bq\d+|go on", request.messages[-1].text)
        text = f"a{asked[-1][1:]}"
        if asked[-1] == "go on":
            text = "So"
            yield Delta(text)
            while not self.enough.is_set():
                await asyncio.sleep(0.05)
                text += " on"
                yield Delta(" on")
        else:
            yield Delta(text)
        yield Finished(text=text, stop=StopReason.END_TURN, usage=Usage(), model="m", request_id="r", first_token=0.1)

    async def ask(self, request: Request) -> Finished:
        raise NotImplementedError


def slack_with(**more: Any) -> Callable[[Settings, Role], list[Adapter]]:
    """The bot's Slack adapter with other times."""

    def build(settings: Settings, role: Role) -> list[Adapter]:
        assert settings.slack_bot_token
        assert settings.slack_app_token
        token, app_token = settings.slack_bot_token.get_secret_value(), settings.slack_app_token.get_secret_value()
        return [SlackAdapter(token, app_token, api_url=settings.slack_api_url, listens=role.listens, **more)]

    return build


async def test_what_was_asked_in_an_outage_of_twenty_minutes_is_answered_once(slack: Slack):
    """Mentions, added ones too, follow-ups and direct messages are; what was taken back or answered before is not."""
    model, server = Answers(), slack.server
    server.workspace.behind = 25 * 60.0
    async with slack.house.bot(model=model, build=slack_with(clock=lambda: time.time() - server.workspace.behind)):
        root = await slack.ask("q1")
        remark = await slack.server.say(slack.channel, slack.person, "q2 is a remark")
        await slack.shows("a1")
    server.events.subscriptions = set()
    server.workspace.behind = 20 * 60.0
    mention = await slack.ask("q3")
    await slack.follow_up(root, "q4")
    await slack.direct("q5")
    await server.edit(slack.channel, remark, f"<@{slack.bot}> q2 is a question now")
    await server.delete(slack.channel, await slack.ask("q6"))
    await server.say(slack.channel, slack.person, "q7 is for people")
    server.workspace.behind = 0.0
    server.events.subscriptions = set(SUBSCRIPTIONS)
    async with slack.house.bot(model=model):
        await slack.house.until(lambda: {"a2", "a3", "a4", "a5"} <= set(slack.texts), "four answers")
        await slack.ask("q8")
        await slack.shows_text("a8")
    assert sorted(slack.texts) == ["a1", "a2", "a3", "a4", "a5", "a8"]
    threads = {shown.text: (shown.channel, shown.thread) for shown in slack.answers()}
    direct = server.direct(slack.person)
    assert threads == {
        "a1": (slack.channel, root),
        "a2": (slack.channel, remark),
        "a3": (slack.channel, mention),
        "a4": (slack.channel, root),
        "a5": (direct, None),
        "a8": threads["a8"],
    }


async def test_two_processes_that_start_after_an_outage_read_once(slack: Slack, tmp_path: Path):
    """One of them reads each channel, and what was missed has one answer."""
    server = slack.server
    server.workspace.behind = 25 * 60.0
    build = slack_with(clock=lambda: time.time() - server.workspace.behind)
    async with slack.house.bot(model=Answers(), build=build, data_dir=tmp_path / "process"):
        await slack.ask("q1")
        await slack.shows("a1")
    server.events.subscriptions = set()
    server.workspace.behind = 20 * 60.0
    missed = [await slack.ask("short") for _ in range(3)]
    server.workspace.behind = 0.0
    server.events.subscriptions = set(SUBSCRIPTIONS)
    slack.server.latency = 0.2
    async with processes(slack, tmp_path, {"until": b""}, {"until": b""}) as both:
        await slack.house.until(lambda: len(connected(slack)) >= 6, "both connected", timeout=60.0)
        later = await slack.ask("short")
        await slack.house.until(lambda: {*missed, later} <= set(done(slack)), "every answer", timeout=60.0)
        for process in both:
            process.terminate()
            assert await process.wait() == 0
    assert sorted(done(slack)) == sorted([*missed, later])
    for method in ("users.conversations", "conversations.history"):
        calls = [str(call["arguments"]) for call in slack.journal.of("slack", "call", method=method)]
        assert len(calls) == len(set(calls)) > 0


def done(slack: Slack) -> list[str | None]:
    """The threads of the answers that readers see, one for each."""
    return [shown.thread for shown in slack.answers() if len(shown.text) > 20]


async def test_connections_that_went_deaf_are_replaced(slack: Slack):
    """When Slack tells nothing more of what the bot writes, what is asked meanwhile and afterwards is answered."""
    model, server = Answers(), slack.server
    server.events.retry_delays = ()
    async with slack.house.bot(model=model, build=slack_with(quiet=1.0)):
        await slack.ask("q1")
        await slack.shows_text("a1")
        await slack.ask("go on")
        await slack.shows_text("So on")
        assert len(connected(slack)) == 2
        server.sockets.deafen()
        await slack.ask("q2")
        await slack.house.until(lambda: len(connected(slack)) >= 4, "two new connections")
        await slack.ask("q3")
        await slack.shows_text("a3")
        await slack.shows_text("a2")
        assert len(connected(slack)) == 4
        model.enough.set()
    assert sum("So on" in text for text in slack.texts) == 1


def connected(slack: Slack) -> list[Any]:
    """The connections that were opened so far."""
    return list(slack.journal.of("slack", "connected"))
