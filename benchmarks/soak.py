"""Whether one process's memory stays flat: thousands of threads on both platforms, with short answers.

The bot as `python -m bot run` starts it, in a process of its own, against the stand-ins with their limits lifted. Its
own pacing stays: most questions come where it allows most, in Discord's direct messages and threads. After a warm-up,
in which caches fill, resident memory is to stay within 5 % of its median.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.draw import curve
from benchmarks.machine import OUT, machine
from sandbox.app import Sandbox
from sandbox.claude import ClaudeServer
from sandbox.claude.script import Script
from sandbox.discord import DiscordServer
from sandbox.journal import Entry, Journal
from sandbox.slack import SlackServer
from sandbox.slack.rates import Rates

ANSWER = "Yes. That is the short answer, and there is no longer one."
EVERY = 500
"""Turns between two samples."""

BAND = 0.05
"""What of its median memory may be off after the warm-up, as a share of it."""

TOGETHER = 48
"""Questions that are open at once."""

IDLE = 500
"""Conversations of a kind that people go on with; older Discord threads are archived, as Discord does after a day."""


class Crowd:
    """People who ask all the time, in new conversations and on in old ones, each of which has one question at a time.

    Args:
        box: where.
        seed: decides who asks where.

    Attributes:
        open: conversations in which a question waits for its answer.
    """

    def __init__(self, box: Sandbox, seed: int) -> None:
        self._box = box
        self._random = random.Random(seed)
        self.open: set[str] = set()
        self.answered = 0
        self.conversations = 0
        self.changed = asyncio.Event()
        slack, discord = box.slack, box.discord
        self._bot = {"slack": slack.workspace.bot.id, "discord": discord.bot_id}
        persons = [user.id for user in slack.workspace.users.values() if not user.is_bot]
        rooms = [slack.workspace.add_channel(f"s{n}", members=[*persons, self._bot["slack"]]).id for n in range(60)]
        guests = [person.id for person in discord.users() if not person.bot]
        halls = [discord.add_channel(f"d{n}") for n in range(200)]
        self._rooms = [(room, person) for room in rooms for person in persons]
        self._halls = [(hall, guest) for hall in halls for guest in guests]
        self._idle: dict[str, deque[tuple[str, str, str]]] = {it: deque() for it in ("slack", "guild", "private")}
        self._begun: dict[str, tuple[str, tuple[str, str, str]]] = {}
        box.journal.listen(self._note)

    def _note(self, entry: Entry) -> None:
        if entry.kind not in ("posted", "edited") or ANSWER not in entry.data.get("text", ""):
            return
        shown = self._box.journal.message(entry.service, entry["channel"], entry["id"])
        # Where many threads are opened the bot replies instead; nobody goes on with those.
        replied = shown.extra.get("reply_to")
        name = replied or (shown.thread if entry.service == "slack" else shown.channel) or ""
        if name in self.open:
            self.open.remove(name)
            where, conversation = self._begun.pop(name)
            if not replied:
                self._idle[where].append(conversation)
            self.answered += 1
            self.changed.set()

    async def ask(self) -> None:
        """Let somebody ask something somewhere."""
        where = self._random.choices(("slack", "guild", "private"), (0.12, 0.38, 0.5))[0]
        idle = self._idle[where]
        if len(idle) > IDLE:
            forgotten = idle.popleft()
            if where == "guild":
                await self._box.discord.archive(forgotten[1])
        if idle and self._random.random() < 0.5:
            channel, root, person = idle[self._random.randrange(len(idle))]
            idle.remove((channel, root, person))
        else:
            channel, root, person = self._new(where)
        self.conversations += not root
        text = f"Is that so, number {self.answered + len(self.open)}?"
        if where == "slack":
            text = text if root else f"<@{self._bot['slack']}> {text}"
            said = await self._box.slack.say(channel, person, text, thread=root or None)
        else:
            text = text if root or where == "private" else f"<@{self._bot['discord']}> {text}"
            said = await self._box.discord.say(root or channel, person, text)
        root = root or (channel if where == "private" else said)
        self.open.add(root)
        self._begun[root] = (where, (channel, root, person))

    def _new(self, where: str) -> tuple[str, str, str]:
        """A place for a new conversation, and a person."""
        if where == "private":
            person = self._box.discord.add_user(f"stranger{self.conversations}")
            return self._box.discord.dm(person), "", person
        channel, person = self._random.choice(self._rooms if where == "slack" else self._halls)
        return channel, "", person


@asynccontextmanager
async def the_bot(box: Sandbox, folder: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The bot as a process, once it listens to both platforms; ended in order."""
    names = {"HTTP_PORT": "0", "DATA_DIR": folder, "LOG_LEVEL": "info", "NOTIFY_AFTER": "0"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        "run",
        env={**os.environ, **box.environment(), **names},
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    lines = process.stderr or asyncio.StreamReader()
    reading: asyncio.Task[None] | None = None
    try:
        for _ in range(2):
            while b"listening" not in (line := await lines.readline()):
                if not line:
                    raise RuntimeError("the bot ended before it listened")
        reading = asyncio.create_task(_heed(lines))
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        if reading is not None:
            await reading


async def _heed(lines: asyncio.StreamReader) -> None:
    """Pass on what the bot complains of."""
    while line := await lines.readline():
        if b"error    ]" in line or b"Traceback" in line:
            sys.stderr.write(line.decode(errors="replace"))


def resident(pid: int) -> float:
    """Resident memory of a process, MB."""
    with Path(f"/proc/{pid}/statm").open() as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def soak(turns: int, seed: int) -> list[dict[str, float]]:
    """Ask `turns` questions and return the samples."""
    journal = Journal()
    box = Sandbox(
        journal,
        slack=SlackServer(journal, rates=Rates(enforced=False)),
        discord=DiscordServer(journal, enforce_limits=False),
        claude=ClaudeServer(journal),
        page=False,
    )
    box.claude.handle(lambda _asked: Script(text=ANSWER, chunk=20))
    box.discord.active_thread_limit = 10 * IDLE
    samples: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        async with box:
            crowd = Crowd(box, seed)
            async with the_bot(box, folder) as process:
                begun = time.monotonic()
                while crowd.answered < turns:
                    crowd.changed.clear()
                    while len(crowd.open) < TOGETHER and crowd.answered + len(crowd.open) < turns:
                        await crowd.ask()
                    async with asyncio.timeout(300):
                        await crowd.changed.wait()
                    if crowd.answered >= EVERY * (len(samples) + 1):
                        journal.entries.clear()  # this process is not the one that is measured, but it has its limits
                        samples.append(
                            {
                                "turns": crowd.answered,
                                "conversations": crowd.conversations,
                                "rss_mb": resident(process.pid),
                                "seconds": time.monotonic() - begun,
                            }
                        )
                        show(samples[-1])
    return samples


def show(sample: dict[str, float]) -> None:
    """Print one line of the table."""
    rate = sample["turns"] / sample["seconds"]
    print(f"{sample['turns']:7.0f} {sample['conversations']:13.0f} {sample['rss_mb']:9.1f} {rate:8.1f}", flush=True)


def judge(samples: list[dict[str, float]], warm: float) -> dict[str, Any]:
    """What became of memory after the first `warm` turns."""
    kept = [sample for sample in samples if sample["turns"] >= warm]
    sizes = [sample["rss_mb"] for sample in kept]
    median = statistics.median(sizes)
    slope = statistics.linear_regression([sample["turns"] for sample in kept], sizes).slope if len(kept) > 1 else 0.0
    off = max(abs(size - median) for size in sizes) / median
    return {
        "median_mb": median,
        "lowest_mb": min(sizes),
        "highest_mb": max(sizes),
        "off": off,
        "kb_per_1000_turns": slope * 1e6,
        "flat": off <= BAND,
    }


def main() -> int:
    """Run, print and write; exit status 1 when memory is not flat."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=10_000)
    parser.add_argument("--warm-up", type=int, default=3_000, help="turns after which memory is to be flat")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    before = machine()
    print(f"{'turns':>7} {'conversations':>13} {'RSS (MB)':>9} {'turns/s':>8}")
    samples = asyncio.run(soak(arguments.turns, arguments.seed))
    verdict = judge(samples, arguments.warm_up)
    print(
        f"after {arguments.warm_up} turns: median {verdict['median_mb']:.1f} MB, {verdict['lowest_mb']:.1f} to "
        f"{verdict['highest_mb']:.1f}, off by {verdict['off']:.1%} at most, "
        f"{verdict['kb_per_1000_turns']:.0f} KB per 1,000 turns: {'flat' if verdict['flat'] else 'NOT flat'}"
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    report = {"machine": before, "after": machine(), "samples": samples, "verdict": verdict}
    (arguments.out / "soak.json").write_text(json.dumps(report, indent=1) + "\n")
    median = verdict["median_mb"]
    picture = curve(
        [(sample["turns"], sample["rss_mb"]) for sample in samples],
        warm=arguments.warm_up,
        band=(median * (1 - BAND), median * (1 + BAND)),
        title="Resident memory (MB) over turns; grey: 5 % about the median after the warm-up",
    )
    (arguments.out / "soak.svg").write_text(picture)
    return 0 if verdict["flat"] else 1


if __name__ == "__main__":
    sys.exit(main())
