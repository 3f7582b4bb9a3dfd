"""The whole bot in this process, connected to stand-ins over loopback by the real client libraries."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.app.app import App, adapters, jittered
from bot.app.roles import Role
from bot.app.settings import Settings, read
from bot.ports import Adapter, Model
from sandbox.app import Sandbox
from sandbox.journal import Shown


class House:
    """A sandbox and the bot in it."""

    def __init__(self, box: Sandbox, data_dir: Path) -> None:
        self.box = box
        self.journal = box.journal
        self._data_dir = data_dir

    def settings(self, **overrides: Any) -> Settings:
        """The bot's settings: the sandbox's environment, any free port, data of its own, and `overrides`."""
        environment = {name.lower(): value for name, value in self.box.environment().items()}
        return read(**{"_env_file": None, "http_port": 0, "data_dir": self._data_dir, **environment, **overrides})

    @asynccontextmanager
    async def bot(
        self,
        *,
        role: Role = Role.ALL,
        model: Model | None = None,
        waits: Callable[[int, float | None], float] = jittered,
        build: Callable[[Settings, Role], list[Adapter]] = adapters,
        **overrides: Any,
    ) -> AsyncIterator[App]:
        """Run the bot until the end of the block, then shut it down in order."""
        app = App(self.settings(**overrides), role=role, model=model, waits=waits, build=build)
        running = asyncio.create_task(app.run())
        ready = asyncio.create_task(app.ready.wait())
        try:
            await asyncio.wait({running, ready}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            assert app.ready.is_set()
            yield app
        finally:
            ready.cancel()
            app.stop()
            await running

    async def until(self, condition: Callable[[], Any], what: str = "", timeout: float = 30.0) -> Any:
        """Wait until the journal makes `condition` true."""
        return await self.journal.until(condition, timeout=timeout, what=what)


class Side:
    """One platform as a person and a reader meet it; the same words for both."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.journal = house.journal

    name: str
    bot: str
    person: str

    async def ask(self, text: str, **more: Any) -> str:
        """Mention the bot in a channel; returns the message's id."""
        raise NotImplementedError

    async def direct(self, text: str) -> str:
        """Write the bot a direct message; returns the message's id."""
        raise NotImplementedError

    async def follow_up(self, root: str, text: str) -> str:
        """Go on in the thread of `root` without a mention."""
        raise NotImplementedError

    async def delete(self, shown: Shown) -> None:
        """Delete a message as a person."""
        raise NotImplementedError

    def buttons(self, shown: Shown) -> list[str]:
        """What stands on the buttons below a message."""
        raise NotImplementedError

    async def press(self, shown: Shown, label: str, *, user: str | None = None, gone: Any = None) -> None:
        """Press a button as a person; `gone` is one that stood there before, as `button` returned it."""
        raise NotImplementedError

    def button(self, shown: Shown, label: str) -> Any:
        """A button, to be pressed when it may have gone."""
        raise NotImplementedError

    async def submit(self, words: str) -> None:
        """Send the form that is shown to the person."""
        raise NotImplementedError

    def told_privately(self, user: str | None = None) -> list[str]:
        """What the bot said to one person alone."""
        told = self.journal.of(self.name, "ephemeral")
        return [it.data["text"] for it in told if it.data["user"] == (user or self.person)]

    @property
    def other(self) -> str:
        """The id of somebody else."""
        raise NotImplementedError

    @property
    def edit_call(self) -> str:
        """The name of the call that edits a message, for faults."""
        raise NotImplementedError

    @property
    def post_call(self) -> str:
        """The name of the call that posts a message, for faults."""
        raise NotImplementedError

    def answers(self, *, with_deleted: bool = False) -> list[Shown]:
        """What the bot shows anywhere, in the order of posting."""
        return self.journal.messages(self.name, author=self.bot, with_deleted=with_deleted)

    @property
    def texts(self) -> list[str]:
        """What readers see of the bot now."""
        return [shown.text for shown in self.answers()]

    async def shows(self, *texts: str, timeout: float = 30.0) -> None:
        """Wait until readers see exactly these messages of the bot."""
        await self.house.until(lambda: self.texts == list(texts), f"{texts!r:.300}", timeout)

    async def shows_text(self, text: str, timeout: float = 30.0) -> Shown:
        """Wait until a message of the bot holds this text."""
        return await self.house.until(
            lambda: next((shown for shown in self.answers() if text in shown.text), None), f"{text!r:.300}", timeout
        )

    def pings(self) -> list[Any]:
        """Whom the bot's messages pinged in any version."""
        return [ping for shown in self.answers(with_deleted=True) for ping in shown.extra.get("pings") or ()]


class Slack(Side):
    name = "slack"
    edit_call, post_call = "chat.update", "chat.postMessage"

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.server = house.box.slack
        self.bot = self.server.workspace.bot.id
        self.person = self.server.workspace.user("ada").id
        self.channel = self.server.workspace.channel("general").id

    async def ask(self, text: str, *, channel: str | None = None, thread: str | None = None, user: str | None = None):
        return await self.server.say(
            channel or self.channel, user or self.person, f"<@{self.bot}> {text}", thread=thread
        )

    async def direct(self, text: str) -> str:
        return await self.server.say(self.server.direct(self.person), self.person, text)

    async def follow_up(self, root: str, text: str) -> str:
        return await self.server.say(self.channel, self.person, text, thread=root)

    async def delete(self, shown: Shown) -> None:
        await self.server.delete(shown.channel, shown.id)

    def buttons(self, shown: Shown) -> list[str]:
        return self.server.interactions.buttons(shown.channel, shown.id)

    def button(self, shown: Shown, label: str) -> Any:
        return self.server.interactions.value(shown.channel, shown.id, label)

    async def press(self, shown: Shown, label: str, *, user: str | None = None, gone: Any = None) -> None:
        interactions = self.server.interactions
        assert await interactions.press(shown.channel, shown.id, user or self.person, label, button=gone)

    async def submit(self, words: str) -> None:
        assert await self.server.interactions.submit(self.person, words)

    @property
    def other(self) -> str:
        return self.server.workspace.user("grace").id


class Discord(Side):
    name = "discord"
    edit_call, post_call = "PATCH message", "POST message"

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.server = house.box.discord
        self.bot = self.server.bot_id
        self.person = next(person.id for person in self.server.users() if person.id != self.bot)
        self.channel = next(place.id for place in self.server.channels() if place.kind == "text")

    async def ask(self, text: str, *, channel: str | None = None, reply_to: str | None = None, user: str | None = None):
        return await self.server.say(
            channel or self.channel, user or self.person, f"<@{self.bot}> {text}", reply_to=reply_to
        )

    async def direct(self, text: str) -> str:
        return await self.server.say(self.server.dm(self.person), self.person, text)

    async def follow_up(self, root: str, text: str) -> str:
        return await self.server.say(root, self.person, text)

    async def delete(self, shown: Shown) -> None:
        await self.server.delete(shown.channel, shown.id)

    def buttons(self, shown: Shown) -> list[str]:
        return list(self.server.buttons(shown.channel, shown.id))

    def button(self, shown: Shown, label: str) -> Any:
        return self.server.buttons(shown.channel, shown.id)[label]

    async def press(self, shown: Shown, label: str, *, user: str | None = None, gone: Any = None) -> None:
        custom_id = gone or self.server.buttons(shown.channel, shown.id)[label]
        await self.server.press(shown.channel, shown.id, user or self.person, custom_id)

    async def submit(self, words: str) -> None:
        await self.server.submit(self.person, words)

    @property
    def other(self) -> str:
        people = [person.id for person in self.server.users() if person.id not in (self.bot, self.person)]
        return people[0]


SIDES: dict[str, type[Side]] = {"slack": Slack, "discord": Discord}


@asynccontextmanager
async def furnished(platform: str, data_dir: Path) -> AsyncIterator[Side]:
    """A sandbox of one platform and Claude; the bot is started by the test."""
    async with Sandbox(slack=platform == "slack", discord=platform == "discord", page=False) as box:
        yield SIDES[platform](House(box, data_dir))


async def start_process(
    side: Side, data_dir: Path, *, role: Role = Role.ALL, until: bytes = b" ready ", **environment: str
) -> asyncio.subprocess.Process:
    """The bot as a process of its own, once it is ready. Its port is `port`, what it logs afterwards `said`.

    Args:
        side: what it is connected to.
        data_dir: its data is in a directory below.
        role: what it does.
        until: what it must have logged; empty: nothing.
        environment: more of it, which wins; an empty value takes a variable away.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        "run",
        "--role",
        role.value,
        env={
            **os.environ,
            **side.house.box.environment(),
            "DATA_DIR": str(data_dir / "process"),
            "HTTP_PORT": "0",
            "LEASE_SECONDS": "3s",
            **environment,
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(60):
        while until and until not in (line := await process.stderr.readline()):
            assert line, "the bot ended before it was ready"
            if found := re.search(rb"address=http://[^:]+:(\d+)", line):
                process.port = int(found[1])  # type: ignore[attr-defined]
    process.said = asyncio.create_task(process.stderr.read())  # type: ignore[attr-defined]
    return process
