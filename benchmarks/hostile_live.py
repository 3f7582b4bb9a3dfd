"""Twenty live answers, a member and a Claude who write hostile texts: `python -m benchmarks.hostile_live`.

The whole bot runs in this process with its real client libraries, against the stand-ins on loopback. While nineteen
ordinary answers grow, Claude writes one pattern, and a member sends it and goes on in that conversation, so that it is
read again with every later question. The same is done with plain words of the same length. Printed is the longest pause
of the event loop beside that of the plain run (the stand-ins share the loop, so what they do counts, too), the answers
that had to be begun again, and how late the others were whole.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import machine
from sandbox.claude import Asked, Script
from tests.fuzz.hostile import KNOWN, PLAIN, repeated, units
from tests.whole.house import Side, furnished

ANSWERS = 20
SECONDS = 10.0
"""How long each answer is written."""

RATE = 20.0
"""Deltas a second."""

LENGTH = 40_000
"""Characters of the hostile text, from Claude and from the member: as many as Slack stores of a message."""

MEMBER = {"slack": LENGTH, "discord": 3_900}
"""Characters a member can send at once, the mark that tells the stand-in for Claude who asks left out."""

ORDINARY = 2_000
"""Characters of every other answer."""

PROBE = 0.005
"""Seconds between two looks at the clock."""

LEASE = "3s"
"""Shorter than usual, so that a pause of some seconds would cost leases."""

_ASKED = re.compile(r"\[(plain \d+|hostile|member|later \d+|quick)\]")


class Outcome(NamedTuple):
    """What one run showed. Times in seconds."""

    pause: float
    """The longest pause of the event loop."""
    busy: float
    """The most processor time between two looks at the clock: the pause without what other processes took."""
    again: int
    """Requests to Claude beyond one a question: answers that were begun again."""
    late: float
    """When the last of the ordinary answers was whole, from the first question on."""
    quick: float
    """How long a question took that came while everything was under way."""
    unit: str


@dataclass(slots=True)
class Probe:
    """Looks at the clocks every few milliseconds, in the event loop."""

    pause: float = 0.0
    busy: float = 0.0
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Look until `stop` is set."""
        while not self.stop.is_set():
            wall, spent = time.perf_counter(), time.thread_time()
            await asyncio.sleep(PROBE)
            self.pause = max(self.pause, time.perf_counter() - wall - PROBE)
            self.busy = max(self.busy, time.thread_time() - spent)


async def live(
    platform: str, unit: str, *, answers: int = ANSWERS, length: int = LENGTH, seconds: float = SECONDS
) -> Outcome:
    """Return what happened while Claude and a member wrote `unit` repeated.

    Args:
        platform: "slack" or "discord".
        unit: what is repeated.
        answers: how many are live at once.
        length: characters of the hostile texts; a member's on Discord is at most as long as Discord allows.
        seconds: how long each answer is written.
    """
    asked: list[str] = []
    hostile = repeated(unit, length)

    def script(question: Asked) -> Script:
        name = _ASKED.findall(question.question)[-1]
        asked.append(name)
        if name.startswith(("quick", "later")):
            return Script(text=f"The end of {name}.")
        text = hostile if name == "hostile" else f"{repeated(PLAIN, ORDINARY)}The end of {name}."
        return Script(text=text, rate=RATE, chunk=max(1, round(len(text) / (RATE * seconds))))

    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        side = await stack.enter_async_context(furnished(platform, folder))
        side.house.box.claude.handle(script)
        await stack.enter_async_context(side.house.bot(lease_seconds=LEASE))
        probe, began = Probe(), time.time()
        probing = asyncio.create_task(probe.run())
        await side.ask("[hostile]")
        for number in range(answers - 1):
            await side.ask(f"[plain {number}]")
        await side.direct(f"{repeated(unit, min(length, MEMBER[platform]))} [member]")
        await asyncio.sleep(seconds / 2)
        quick = await _quick(side)
        ends = [f"The end of plain {number}." for number in range(answers - 1)]
        late = max([await _whole(side, end) for end in ends]) - began
        await _whole(side, "The end of member.")
        for number in range(2):
            await side.direct(f"[later {number}]")
            await _whole(side, f"The end of later {number}.")
        probe.stop.set()
        await probing
        return Outcome(probe.pause, probe.busy, len(asked) - len(set(asked)), late, quick, unit)


async def _quick(side: Side) -> float:
    began = time.perf_counter()
    await side.ask("[quick]")
    await side.shows_text("The end of quick.")
    return time.perf_counter() - began


async def _whole(side: Side, end: str) -> float:
    """Return when readers saw that end of an answer first (Unix s)."""
    shown = await side.shows_text(end, timeout=120.0)
    return next(at for at, text in shown.versions if end in text)


def _apart(platform: str, unit: str) -> Outcome:
    """Run in a process of its own, so that no garbage of an earlier run is collected in this one."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_run, platform, unit).result()


def _run(platform: str, unit: str) -> Outcome:
    return asyncio.run(live(platform, unit))


def report(platform: str, plain: Sequence[Outcome], rows: Sequence[Outcome]) -> str:
    """Return what the hostile runs show beside the plain ones."""
    slowest, busiest = max(rows, key=lambda row: row.pause), max(rows, key=lambda row: row.busy)
    usual, used = max(row.pause for row in plain), max(row.busy for row in plain)
    return "\n".join(
        [
            f"{platform}: {len(rows)} patterns of {LENGTH:,} characters",
            f"  longest pause   {1e3 * slowest.pause:5.0f} ms ({slowest.unit!r}); plain words {1e3 * usual:.0f} ms",
            (
                f"  processor time  {1e3 * busiest.busy:5.0f} ms ({busiest.unit!r}); plain words {1e3 * used:.0f} ms "
                f"({busiest.busy / used:.1f} ×)"
            ),
            f"  begun again     {sum(row.again for row in rows)} answers",
            (
                f"  others whole    {max(row.late for row in rows):.1f} s after the first question, "
                f"plain {max(row.late for row in plain):.1f} s; one asked meanwhile took "
                f"{max(row.quick for row in rows):.2f} s, plain {max(row.quick for row in plain):.2f} s"
            ),
        ]
    )


def main() -> None:
    """Print a few rows for each platform."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patterns", type=int, default=6, help="random patterns besides those that were slow once")
    parser.add_argument("--known", type=int, default=4, help="how many of those that were slow once")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chosen = ["< ", "<@U1", *KNOWN[: given.known], *list(units(given.patterns, given.seed))[-given.patterns :]]
    print(machine())
    for platform in ("slack", "discord"):
        print(report(platform, [_apart(platform, PLAIN) for _ in range(2)], [_apart(platform, it) for it in chosen]))
    print(machine())


if __name__ == "__main__":
    main()
