"""The whole bot, and plain bots beside it, each in a sandbox of its own, over the platforms' real client libraries.

A plain bot has the same adapters, the same Claude client and the same layout of text, and shows it by one of the plain
policies. It keeps nothing and recovers from nothing but refusals.
"""

from __future__ import annotations

import asyncio
import math
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.seen import Heard, Posted, Sight, look
from bot.app.app import App, adapters, claude
from bot.app.settings import Settings, read
from bot.conversation import Delta, Finished, Message, MessageRef, Place, ThreadKey
from bot.errors import OutcomeUnknown, RateLimited, Unavailable
from bot.pacing.pacer import Pacer
from bot.ports import Content, Model, Observed, Platform, RateLimit, Request, Said
from bot.text import Layout
from bot.turn.reply import PLACEHOLDER
from sandbox.app import Sandbox
from sandbox.claude.script import Asked, Script
from sandbox.journal import Shown
from tests.stages.stage import SLACK, Stream
from tests.stages.stage import Platform as Simulated
from tests.stages.stage import Policy as Plain
from tests.stages.traces import Trace

_NUMBER = re.compile(r"#(\d+)")
ARRIVAL = Trace("live", ((0.0, 0),))
"""A live stream's arrival is not known beforehand."""


class Heeding:
    """A Model that notes when each delta came and when the stream ended, by the number in the question (`#7`)."""

    def __init__(self, model: Model, heard: dict[int, Heard]) -> None:
        self._model = model
        self._heard = heard

    async def stream(self, request: Request) -> AsyncIterator[Delta | Finished]:
        """As the model's own."""
        heard = self._heard[number_of(request.messages[-1][1])] = Heard()
        async for event in self._model.stream(request):
            if isinstance(event, Delta):
                heard.deltas.append((time.time(), event.text))
            else:
                heard.ended_at = time.time()
            yield event

    async def ask(self, request: Request) -> Finished:
        """As the model's own."""
        return await self._model.ask(request)


def number_of(question: str) -> int:
    """The number in a question; raises ValueError when there is none."""
    found = _NUMBER.findall(question)
    if not found:
        raise ValueError(f"no number in {question!r:.100}")
    return int(found[-1])


class Venue:
    """Where people ask and answers appear: one sandbox.

    Args:
        box: the sandbox, running.
        where: "slack" (a thread in a channel of its own for every question), "slack threads" (all in one channel),
            "discord threads", or "discord channel" (replies in one channel where no thread may be opened).
        latency: seconds every call of the platform takes.
        halved: whether half of the limits is granted without a word.
    """

    def __init__(self, box: Sandbox, where: str, latency: float, *, halved: bool) -> None:
        self._box = box
        self.journal = box.journal
        self._where = where
        self.service = where.partition(" ")[0]
        self._latency = latency
        self._halved = halved
        self._asked: dict[int, str] = {}
        self.asked_at: dict[int, float] = {}

    async def prepare(self, questions: int) -> None:
        """Make the channels, then let the platform be as slow and as strict as it is to be."""
        if self.service == "slack":
            slack = self._box.slack
            bot, ada = slack.workspace.bot.id, slack.workspace.user("ada").id
            for number in range(questions):
                slack.workspace.add_channel(f"room-{number}", members=[bot, ada])
            slack.latency = self._latency
            if self._halved:
                slack.rates.change(factor=0.5)
            return
        discord = self._box.discord
        if self._where == "discord channel":
            await discord.deny(discord.channel("general"), "create_public_threads")
        discord.latency = self._latency
        discord.limits.share = 0.5 if self._halved else 1.0

    async def ask(self, number: int) -> None:
        """Let a person ask question `number`."""
        text = f"Tell me about #{number}"
        self.asked_at[number] = time.time()
        if self.service == "slack":
            slack = self._box.slack
            channel = slack.workspace.channel("general" if self._where == "slack threads" else f"room-{number}").id
            person = slack.workspace.user("ada").id
            self._asked[number] = await slack.say(channel, person, f"<@{slack.workspace.bot.id}> {text}")
        else:
            discord = self._box.discord
            channel, person = discord.channel("general"), discord.user("ada")
            self._asked[number] = await discord.say(channel, person, f"<@{discord.bot_id}> {text}")

    def answer(self, number: int) -> list[Posted]:
        """The messages of the answer to question `number`, in the order of posting, deleted ones included."""
        asked, journal = self._asked[number], self.journal
        found: Sequence[Shown]
        if self.service == "slack":
            bot = self._box.slack.workspace.bot.id
            found = journal.messages("slack", thread=asked, author=bot, with_deleted=True)
        else:
            bot = self._box.discord.bot_id
            found = journal.messages("discord", author=bot, with_deleted=True)
            found = [each for each in found if asked in (each.channel, each.extra.get("reply_to"))]
        return [Posted(tuple(each.versions), each.deleted_at) for each in found]

    def sight(self, number: int, heard: Heard) -> Sight:
        """What readers saw of the answer to question `number`."""
        opened = self.journal.of("discord", "answer", call="POST thread", message=self._asked[number])
        opened_at = max((entry.at + self._latency / 2 for entry in opened), default=-math.inf)
        return look(heard, self.answer(number), self.asked_at[number], self._latency, opened_at)

    def writes(self) -> tuple[int, int]:
        """How many edits and posts of the bot had an effect."""
        bot = self._box.slack.workspace.bot.id if self.service == "slack" else self._box.discord.bot_id
        ours = self.journal.messages(self.service, author=bot, with_deleted=True)
        return sum(len(each.versions) - 1 for each in ours), len(ours)

    def refusals(self) -> dict[str, list[float]]:
        """When (Unix s) calls were refused, by the bucket that refused them."""
        refused: dict[str, list[float]] = {}
        for entry in self.journal.of(self.service, "refused"):
            method = entry["method"] or entry["call"]
            workspace_wide = method in ("chat.update", "chat.delete")
            bucket = method if workspace_wide else f"{method} {entry['channel'] or ''}"
            refused.setdefault(bucket, []).append(entry.at)
        return refused


@asynccontextmanager
async def venue(
    where: str, latency: float, script: Callable[[int], Script], data_dir: Path, *, halved: bool = False
) -> AsyncIterator[tuple[Venue, Settings]]:
    """Open a sandbox, and read the settings with which a bot connects to it."""
    slack = where.startswith("slack")
    async with Sandbox(slack=slack, discord=not slack, page=False) as box:

        def answer(asked: Asked) -> Script:
            return script(number_of(asked.question))

        box.claude.handle(answer)
        environment = {name.lower(): value for name, value in box.environment().items()}
        options: dict[str, Any] = {"_env_file": None, "http_port": 0, "data_dir": data_dir, "notify_after": 0}
        yield Venue(box, where, latency, halved=halved), read(**options, **environment)


@asynccontextmanager
async def our_bot(settings: Settings, heard: dict[int, Heard]) -> AsyncIterator[None]:
    """Run the bot as it is; at the end of the block its running answers are carried to their end."""
    model = claude(settings)
    app = App(settings, model=Heeding(model, heard))
    running = asyncio.create_task(app.run())
    ready = asyncio.create_task(app.ready.wait())
    try:
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield
    finally:
        ready.cancel()
        app.stop()
        await running
        await model.close()


@asynccontextmanager
async def plain_bot(settings: Settings, heard: dict[int, Heard], policy: Plain) -> AsyncIterator[None]:
    """Run a plain bot; answers that run at the end of the block are given up."""
    async with AsyncExitStack() as stack:
        model = claude(settings)
        stack.push_async_callback(model.close)
        (adapter,) = adapters(settings)
        stack.push_async_callback(adapter.close)
        await adapter.start()
        inbox = PlainInbox(adapter.platform, Heeding(model, heard), policy)
        stack.push_async_callback(inbox.close)
        await adapter.listen(inbox)
        yield
        await adapter.stop_intake()


class PlainInbox:
    """Answers every message it is given, at once, by one policy."""

    def __init__(self, platform: Platform, model: Model, policy: Plain) -> None:
        self._platform = platform
        self._model = model
        self._policy = policy
        self._seen: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, message: Message) -> bool:
        """Begin to answer; False for a message that came before."""
        if message.id in self._seen:
            return False
        self._seen.add(message.id)
        self._tasks.add(asyncio.create_task(self._answer(message)))
        return True

    async def close(self) -> None:
        """Give up what still runs. Raises what went wrong in an answer."""
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _answer(self, message: Message) -> None:
        stream = Stream(ARRIVAL)
        place = message.place
        if place.root is not None:
            place = await self._platform.open(place, "An answer")
        shown = PlainReply(self._platform, place, stream)
        async with asyncio.TaskGroup() as group:
            group.create_task(shown.begin())
            group.create_task(self._policy(stream, shown, Pacer(), ""))
            request = Request(messages=(Said("user", message.text),))
            async for event in self._model.stream(request):
                if isinstance(event, Delta):
                    shown.layout.feed(event.text)
                    stream.received += len(event.text)
                else:
                    stream.ended = True
                stream.changed.set()

    # What a plain bot does not do.

    async def takes_part(self, key: ThreadKey) -> bool:
        """No: it answers mentions alone."""
        return False

    async def key_of(self, installation: str, message_id: str) -> ThreadKey | None:
        """Nothing is known."""
        return None

    async def edited(self, message: Message, *, at: float | None = None) -> None:
        """Ignored."""

    async def deleted(self, key: ThreadKey, installation: str, message_id: str) -> None:
        """Ignored."""

    async def cursor(self, installation: str) -> str | None:
        """Nothing is backfilled."""
        return None

    async def move_cursor(self, installation: str, value: str) -> None:
        """Ignored."""


class PlainReply(Simulated):
    """One answer's messages, written as a policy says: one call brings all of them up to the newest text."""

    def __init__(self, platform: Platform, place: Place, stream: Stream) -> None:
        super().__init__(SLACK)
        self.layout = Layout(platform.dialect(place))
        self._platform = platform
        self._place = place
        self._stream = stream
        self._there = asyncio.Event()
        self._messages: list[tuple[MessageRef, str]] = []

    async def begin(self) -> None:
        """Post the placeholder, however often it takes."""
        while wait := await self._tried(lambda: self._post(PLACEHOLDER)):  # noqa: ASYNC110 - as the platform says
            await asyncio.sleep(wait)
        self._there.set()

    async def call(self, rate_limit: RateLimit) -> tuple[float, Observed | None]:
        """Show the newest text. Returns the seconds to wait when that was refused, else 0.0."""
        await self._there.wait()
        return await self._tried(self._bring_up), None

    async def _bring_up(self) -> None:
        for index, page in enumerate(self.layout.pages(final=self._stream.ended)):
            if index == len(self._messages):
                await self._post(page)
            elif self._messages[index][1] != page:
                ref = self._messages[index][0]
                await self._platform.edit(self._place, ref, Content(page))
                self._messages[index] = (ref, page)

    async def _post(self, text: str) -> None:
        receipt = await self._platform.post(self._place, Content(text), secrets.token_hex(12))
        self._messages.append((receipt.ref, text))

    async def _tried(self, work: Callable[[], Awaitable[None]]) -> float:
        try:
            await work()
        except (RateLimited, Unavailable, OutcomeUnknown) as error:
            return error.retry_after or 1.0
        return 0.0
