"""What goes wrong, and when: everything is drawn from one seed, and comes as the questions do."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from sandbox.app import Sandbox
from sandbox.faults import Fault
from sandbox.journal import Entry
from tests.chaos.people import People
from tests.chaos.processes import Bot, Server

CALLS = {
    "slack": {"post": "chat.postMessage", "edit": "chat.update", "delete": "chat.delete", "find": "conversations.*"},
    "discord": {"post": "POST message", "edit": "PATCH message", "delete": "DELETE message", "open": "POST thread"},
}

MOMENTS: dict[str, Callable[[Entry], bool]] = {
    "post": lambda entry: entry.kind == "posted" and entry["text"].startswith(("…", "r")),
    "edit": lambda entry: entry.kind == "edited" and entry["text"].startswith("r"),
    "end": lambda entry: entry.kind == "edited" and entry["text"].rstrip().endswith("end"),
    "note": lambda entry: entry.kind == "edited" and entry["text"].endswith("Trying again...)"),
    "deletion": lambda entry: entry.kind == "deleted",
    "request": lambda entry: entry.service == "claude" and entry.kind == "call",
}
"""Moments in which a death hurts most; each is what the journal shows of it, before the bot knows."""

LIFE = 2.0
"""Seconds for which a process is left to itself after its start: no crash of every worker at once for minutes."""

Trouble = Callable[[], Awaitable[None]]


class Mischief:
    """The troubles of one run.

    Args:
        box: the platforms and Claude.
        people: what happens is spread over their questions.
        bots: the processes.
        server: their store.
        environment: what changes from one life of a process to the next, given a source of chance.
        seed: decides what happens.
        kills: how often a bot process is killed; everything else follows from it.
    """

    def __init__(
        self,
        box: Sandbox,
        people: People,
        bots: Sequence[Bot],
        server: Server,
        *,
        seed: int,
        kills: int,
        environment: Callable[[random.Random], dict[str, str]],
    ) -> None:
        self.done: Counter[str] = Counter()
        self.diary: list[tuple[float, str]] = []
        self.progress = 0.0
        """The share of all trouble that is over."""
        self._box = box
        self._people = people
        self._bots = list(bots)
        self._server = server
        self._environment = environment
        self._random = random.Random(f"mischief {seed}")  # noqa: S311
        self._busy: set[Bot] = set()
        self._freed = asyncio.Event()
        self._server_free = asyncio.Lock()
        shares: list[tuple[Trouble, float]] = [
            (self._kill, 1.0),
            (self._sleep_long, 0.35),
            (self._sleep_short, 0.2),
            (self._terminate, 0.25),
            (self._kill_server, 0.2),
            (self._stop_server, 0.2),
            (self._fill_server, 0.2),
            (self._drop_sockets, 0.4),
            (self._storm, 0.3),
            (self._fail_calls, 1.0),
            (self._delay_calls, 0.4),
            (self._redeliver, 0.6),
        ]
        self._list = [trouble for trouble, share in shares for _ in range(int(share * kills + self._random.random()))]
        self._random.shuffle(self._list)

    async def go_on(self) -> None:
        """Make all the trouble; returns when every process is back."""
        async with asyncio.TaskGroup() as group:
            for number, trouble in enumerate(self._list):
                await self._people.until((number + 0.5) / (len(self._list) + 1))
                group.create_task(self._begin(trouble))
                await asyncio.sleep(self._random.uniform(0.0, 1.0))

    async def _begin(self, trouble: Trouble) -> None:
        await trouble()
        self.progress += 1 / len(self._list)

    def _note(self, kind: str, detail: str = "") -> None:
        self.done[kind] += 1
        self.diary.append((time.time(), f"{kind} {detail}"))

    # --- processes ----------------------------------------------------------------------------------------

    async def _take(self) -> Bot:
        """A process that nothing else is being done to; one is left to itself, where there are several."""
        least = min(2, len(self._bots))
        while len(free := [bot for bot in self._bots if bot not in self._busy and bot.alive]) < least:
            self._freed.clear()
            await self._freed.wait()
        bot = self._random.choice(free)
        self._busy.add(bot)
        return bot

    def _free(self, bot: Bot) -> None:
        self._busy.discard(bot)
        self._freed.set()

    async def _moment(self, name: str) -> None:
        """Wait for a moment, at most some seconds."""
        loop = asyncio.get_running_loop()
        came: asyncio.Future[None] = loop.create_future()

        def listen(entry: Entry) -> None:
            if not came.done() and MOMENTS[name](entry):
                came.set_result(None)

        stop = self._box.journal.listen(listen)
        try:
            await asyncio.wait({came}, timeout=4.0)
        finally:
            stop()

    async def _kill(self) -> None:
        """SIGKILL, at a moment that hurts; one time in sixteen all processes at once."""
        chance = self._random.random()
        moment = self._random.choice([*MOMENTS, "now"])
        pause = self._random.choice((0.0, 0.0, 0.5, 1.0, 4.5))
        victims = [await self._take()]
        if chance < 1 / 16:
            victims = [*victims, *(bot for bot in self._bots if bot.alive and bot not in self._busy)]
            self._busy.update(victims)
        if moment != "now":
            await self._moment(moment)
        for bot in victims:
            bot.send(signal.SIGKILL)
            self._note("SIGKILL", bot.name)
        await asyncio.gather(*(self._revive(bot, pause) for bot in victims))

    async def _revive(self, bot: Bot, pause: float) -> None:
        await bot.ended()
        await asyncio.sleep(pause)
        async with self._server_free:  # without its store a bot does not start
            await bot.start(**self._environment(self._random))
        self.diary.append((time.time(), f"{bot.name} is back"))
        await asyncio.sleep(LIFE)
        self._free(bot)

    async def _sleep_long(self) -> None:
        """SIGSTOP until the lease is over, then SIGCONT: a zombie."""
        bot, moment = await self._take(), self._random.choice([*MOMENTS, "now"])
        seconds = self._random.uniform(3.2, 7.0)
        if moment != "now":
            await self._moment(moment)
        await self._sleep(bot, seconds, "SIGSTOP past the lease")

    async def _sleep_short(self) -> None:
        """SIGSTOP within the lease."""
        await self._sleep(await self._take(), self._random.uniform(0.3, 2.5), "SIGSTOP within the lease")

    async def _sleep(self, bot: Bot, seconds: float, name: str) -> None:
        self._note(name, f"{bot.name} for {seconds:.1f} s")
        bot.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self.diary.append((time.time(), f"SIGCONT {bot.name}"))
        bot.send(signal.SIGCONT)
        self._free(bot)

    async def _terminate(self) -> None:
        """SIGTERM; one time in four a second one right after."""
        bot, twice = await self._take(), self._random.random() < 0.25
        pause = self._random.uniform(0.0, 1.0)
        self._note("SIGTERM", bot.name)
        bot.send(signal.SIGTERM)
        if twice:
            await asyncio.sleep(0.3)
            bot.send(signal.SIGTERM)
        await self._revive(bot, pause)

    async def _kill_server(self) -> None:
        """The store dies and comes back with what it had."""
        seconds = self._random.choice((0.1, 1.0, 2.5, 5.0))
        async with self._server_free:
            self._note("store killed", f"for {seconds} s")
            await self._server.kill()
            await asyncio.sleep(seconds)
            await self._server.start()

    async def _stop_server(self) -> None:
        """The store hangs for a while."""
        seconds = self._random.choice((0.3, 1.0, 2.5, 5.0))
        async with self._server_free:
            self._note("store hung", f"for {seconds} s")
            self._server.send(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            self._server.send(signal.SIGCONT)

    async def _fill_server(self) -> None:
        """The store is full for a while, up to some leases long."""
        seconds = self._random.choice((0.3, 2.5, 5.0, 10.0))
        async with self._server_free:
            self._note("store full", f"for {seconds} s")
            await self._server.fill(full=True)
            await asyncio.sleep(seconds)
            await self._server.fill(full=False)

    # --- platforms ----------------------------------------------------------------------------------------

    async def _drop_sockets(self) -> None:
        self._note("sockets dropped")
        if self._random.random() < 0.5:
            self._box.slack.sockets.drop()
        else:
            code = self._random.choice((None, 4000, 4009, 1001))
            await self._box.discord.drop_sockets(code)

    def _order(self, platform: str, fault: Fault) -> None:
        (self._box.slack if platform == "slack" else self._box.discord).faults.add(fault)

    async def _storm(self) -> None:
        """Some calls in a row are refused with 429."""
        platform = self._random.choice(["slack", "discord"])
        call = CALLS[platform][self._random.choice(["post", "edit"])]
        self._note("429 storms")
        times, seconds = self._random.randint(3, 12), self._random.choice((0.5, 1.0, 3.0))
        self._order(platform, Fault(call, "status", times=times, status=429, retry_after=seconds))

    async def _fail_calls(self) -> None:
        """Calls fail, are cut off, or are carried out without an answer."""
        platform = self._random.choice(["slack", "discord"])
        call = CALLS[platform][self._random.choice(["post", "edit", *CALLS[platform]])]
        kind = self._random.choice(["lost", "lost", "reset", "status"])
        times = self._random.randint(1, 3)
        self._note("answers lost" if kind == "lost" else "calls failed", f"{platform} {call} {kind} {times} times")
        self._order(platform, Fault(call, kind, times=times, status=503))

    async def _delay_calls(self) -> None:
        """Calls take long, but less than a lease: what a platform carries out later than that nobody can mend."""
        platform = self._random.choice(["slack", "discord"])
        call = CALLS[platform][self._random.choice(["post", "edit"])]
        times, seconds = self._random.randint(1, 3), self._random.uniform(0.3, 2.0)
        self._note("calls delayed", f"{platform} {call} {times} times by {seconds:.1f} s")
        self._order(platform, Fault(call, "delay", times=times, seconds=seconds))

    async def _redeliver(self) -> None:
        """Events that were acknowledged come again."""
        events = list(self._box.slack.events.deliveries)
        self._note("redeliveries")
        for event in self._random.sample(events, min(len(events), self._random.randint(1, 8))):
            self._box.slack.events.redeliver(event)
