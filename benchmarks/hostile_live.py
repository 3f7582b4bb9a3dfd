"""Twenty live answers, a member and a Claude who write hostile texts: `python -m benchmarks.hostile_live`.

The whole bot runs in this process, against stand-ins on loopback. While nineteen ordinary answers grow, Claude writes
one hostile pattern and a member asks with it. Printed is the longest pause of the event loop beside that of the same
run with plain words of the same length, and how late an ordinary question in another channel is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bot.conversation import Delta, Finished, StopReason, Usage
from bot.ports import Request
from tests.fuzz.hostile import PLAIN, repeated, units
from tests.whole.house import Side, furnished

ANSWERS = 20
SECONDS = 8.0
LENGTH = 12_000
QUESTION = 30_000
PIECES = 160


class Writer:
    """A model that writes one text for the question that names it, and plain words for every other."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def stream(self, request: Request) -> AsyncIterator[Delta | Finished]:
        """Write the text over `SECONDS`."""
        asked = request.messages[-1].text
        quick, hostile = "[quick]" in asked, "[hostile]" in asked
        text = "The quick answer." if quick else self._text if hostile else repeated(PLAIN, 2_000)
        step = max(1, len(text) // PIECES)
        for start in range(0, len(text), step):
            yield Delta(text[start : start + step])
            await asyncio.sleep(0 if quick else SECONDS / PIECES)
        yield Finished(text=text, stop=StopReason.END_TURN, usage=Usage(), model="m", request_id="r", first_token=0.0)

    async def ask(self, request: Request) -> Finished:
        """Nobody asks."""
        raise NotImplementedError


async def _longest_pause(stop: asyncio.Event) -> float:
    longest = 0.0
    while not stop.is_set():
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        longest = max(longest, time.perf_counter() - began - 0.005)
    return longest


async def live(platform: str, unit: str) -> tuple[float, float]:
    """Return the longest pause of the event loop, and how long an ordinary question took (s)."""
    with tempfile.TemporaryDirectory() as folder:
        async with furnished(platform, Path(folder)) as side, side.house.bot(model=Writer(repeated(unit, LENGTH))):
            stop = asyncio.Event()
            pausing = asyncio.create_task(_longest_pause(stop))
            for number in range(ANSWERS - 1):
                await side.ask(f"[plain {number}]")
            await side.ask("[hostile]")
            most = QUESTION if platform == "slack" else 3_900
            await side.direct(f"[member] {repeated(unit, most)}")
            await asyncio.sleep(SECONDS / 2)
            took = await _asked(side)
            await asyncio.sleep(SECONDS / 2)
            stop.set()
            return await pausing, took


async def _asked(side: Side) -> float:
    began = time.perf_counter()
    await side.direct("[quick]")
    await side.house.until(lambda: any("quick answer" in text for text in side.texts), "the quick answer")
    return time.perf_counter() - began


def main() -> None:
    """Print a row for each platform."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patterns", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chosen = ["<a", "|||", "> ![---**", "< ", *list(units(given.patterns, given.seed))[-given.patterns :]]
    for platform in ("slack", "discord"):
        plain, plain_took = asyncio.run(live(platform, PLAIN))
        rows = [(*asyncio.run(live(platform, unit)), unit) for unit in chosen]
        pause, _, unit = max(rows)
        took = max(row[1] for row in rows)
        print(
            f"{platform:8} {len(chosen)} patterns: longest pause {1e3 * pause:.0f} ms ({unit!r}), plain words "
            f"{1e3 * plain:.0f} ms; an ordinary question answered in {took:.2f} s at most, plain {plain_took:.2f} s"
        )


if __name__ == "__main__":
    main()
