"""The whole bot as a process of its own, its log and its memory: what must hold while somebody sends it nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sandbox.claude.script import Asked, Script
from tests.whole.house import Side

MOST_GROWTH = 10 << 20
"""Bytes of memory that nonsense may leave behind."""

ANSWER_WITHIN = 2.0
"""Seconds to the whole answer to an ordinary mention."""

PATIENCE = 90.0
STARTS_WITHIN = 60.0
STOPS_WITHIN = 90.0


class BotProcess:
    """A running bot.

    Attributes:
        port: where its HTTP server listens.
        wrong: what must not be, as far as it was seen.
        log_bytes: how much it wrote to its log.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.port = 0
        self.wrong: list[str] = []
        self.log_bytes = 0
        self._process = process
        self._ready = asyncio.Event()
        self._kinds: Counter[str] = Counter()
        self._began = 0.0
        self._memory = 0
        self._listening = asyncio.create_task(self._listen(), name="log")

    async def ready(self) -> None:
        """Return when it takes events in. Raises AssertionError when it ended before."""
        waiting = asyncio.create_task(self._ready.wait())
        await asyncio.wait({waiting, self._listening}, timeout=STARTS_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        assert self._ready.is_set(), f"the bot did not start: {self.wrong}"

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.log_bytes += len(line)
            try:
                record = json.loads(line)
            except ValueError:
                self._fail(f"no log line of the bot's: {line[:300]!r}")
                continue
            self._take(record)

    def _take(self, record: dict[str, Any]) -> None:
        match record["event"]:
            case "ready":
                self._ready.set()
            case "health on http":
                self.port = int(record["address"].rpartition(":")[2])
        if "exception" in record:
            self._fail(f"traceback: {record['event']}: {record['exception'][-300:]}")
        if record["level"] not in ("debug", "info"):
            self._kinds[f"{record['logger']}: {record['event']}: {record.get('kind', '')}"] += 1

    def _fail(self, what: str) -> None:
        if len(self.wrong) < 50:
            self.wrong.append(what)

    def watch(self) -> None:
        """Begin to count log lines and memory: everything was warmed up."""
        self._kinds.clear()
        self._began, self._memory = time.monotonic(), self.memory

    def judge(self) -> str:
        """Note what was too much since `watch`; returns a line with the figures."""
        elapsed, grown = time.monotonic() - self._began, self.memory - self._memory
        if grown > MOST_GROWTH:
            self._fail(f"memory grew by {grown / 2**20:.1f} MB")
        allowed = 1 + int(elapsed // 60)
        self.wrong += [f"{count} lines: {kind}" for kind, count in self._kinds.items() if count > allowed]
        return (
            f"{elapsed:.0f} s, memory {self._memory / 2**20:.1f} MB {grown / 2**20:+.1f} MB, "
            f"{sum(self._kinds.values())} warnings of {len(self._kinds)} kinds, {self.log_bytes} bytes of log"
        )

    @property
    def memory(self) -> int:
        """The bytes of memory that the process holds now."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    async def stop(self) -> None:
        """Shut it down, in order; twice, for nobody waits for what nonsense began."""
        for _ in range(2):
            if not self._listening.done():
                # Not by `send_signal`: it looks first whether the process ended, and then asyncio cannot learn how.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._process.pid, signal.SIGTERM)
                await asyncio.wait({self._listening}, timeout=1.0)
        try:
            async with asyncio.timeout(STOPS_WITHIN):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            self._fail("it did not stop")
        await self._listening
        if self._process.returncode:
            self._fail(f"it ended with status {self._process.returncode}")


@asynccontextmanager
async def running(side: Side, folder: Path, **environment: str) -> AsyncIterator[BotProcess]:
    """Run the bot, connected to `side`, until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "run"),
        env={
            **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            **side.house.box.environment(),
            "DATA_DIR": str(folder / "data"),
            "HTTP_PORT": "0",
            "LOG_FORMAT": "json",
            **environment,
        },
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 22,
    )
    bot = BotProcess(process)
    try:
        await bot.ready()
        yield bot
    finally:
        await bot.stop()


WHOLE = "The whole answer."


def script(asked: Asked) -> Script:
    """What Claude answers: nonsense shortly, and the question that counts in its own words."""
    return Script(text=WHOLE if "still there" in asked.question else "Yes.")


async def answered(side: Side, bot: BotProcess, channel: str, user: str) -> float:
    """Mention the bot there; returns the seconds to the whole answer, which is to be there in time."""
    began = time.monotonic()
    root = await side.ask("are you still there?", channel=channel, user=user)

    def shown() -> bool:
        messages = side.journal.messages(side.name, channel, author=side.bot)
        return any(message.text == WHOLE and message.thread == root for message in messages)

    try:
        await side.journal.until(shown, timeout=PATIENCE)
    except TimeoutError:
        bot.wrong.append("the mention after it was not answered")
    if (took := time.monotonic() - began) > ANSWER_WITHIN:
        bot.wrong.append(f"the mention after it was answered after {took:.1f} s")
    return took
