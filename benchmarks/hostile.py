"""What hostile texts cost beside plain words of the same length: `python -m benchmarks.hostile --count 20000`.

Each text is a short random unit of Markdown, entities or white space, repeated to 40,000 characters. It is laid out in
every dialect at once (final), and as it comes, an edit every 400 characters (growing). One call of the layout holds the
event loop, so the longest single call is what others wait for.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

from adapters.discord.rendering import rendered
from adapters.slack.rendering import MARKDOWN, MRKDWN, SHORT_MARKDOWN
from bot.text import Dialect, Layout, utf16
from tests.fuzz.hostile import PLAIN, repeated, units

LENGTH = 40_000
STEP = 400
DEAR, LONG, AGAIN = 6.0, 0.04, 3
"""Times the cost of plain words, and seconds of one call, above which a text is measured again, and how often."""

DIALECTS = (MARKDOWN, SHORT_MARKDOWN, MRKDWN, Dialect("discord", 2_000, utf16, rendered))


class Cost(NamedTuple):
    """Processor seconds: of the longest single call, and of all."""

    longest: float
    total: float
    unit: str


def final(dialect: Dialect, text: str) -> tuple[float, float]:
    """Lay the text out at once."""
    layout = Layout(dialect)
    layout.feed(text)
    took = _timed(lambda: layout.pages(final=True))
    return took, took


def growing(dialect: Dialect, text: str) -> tuple[float, float]:
    """Lay the text out as it comes."""
    layout, took = Layout(dialect), []
    for start in range(0, len(text), STEP):
        layout.feed(text[start : start + STEP])
        took.append(_timed(layout.pages))
    return max(took), sum(took)


def _timed(call: Callable[[], object]) -> float:
    began = time.thread_time()
    call()
    return time.thread_time() - began


def main() -> None:
    """Print a row for each dialect and way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="random units besides those that were slow once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=12.0, help="stop after that long, whatever the count")
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    plain = repeated(PLAIN, LENGTH)
    rows = [(dialect, way) for dialect in DIALECTS for way in (final, growing)]
    bases = [min(way(dialect, plain)[1] for _ in range(5)) for dialect, way in rows]
    calls = [min(way(dialect, plain)[0] for _ in range(5)) for dialect, way in rows]
    worst = [(Cost(0, 0, ""), Cost(0, 0, "")) for _ in rows]
    tried = 0
    for unit in units(given.count, given.seed):
        text = repeated(unit, LENGTH)
        for index, (dialect, way) in enumerate(rows):
            cost = Cost(*way(dialect, text), unit)
            for _ in range(AGAIN):  # so that it is the text that is dear, and not the moment
                if cost.total > DEAR * bases[index] or cost.longest > LONG:
                    longest, total = way(dialect, text)
                    cost = Cost(min(longest, cost.longest), min(total, cost.total), unit)
            longest, dearest = worst[index]
            worst[index] = (
                max(longest, cost),
                max(dearest, cost, key=lambda it: it.total),
            )
        tried += 1
        if time.monotonic() > until:
            break
    print(f"{tried} units, {LENGTH} characters; milliseconds of processor time")
    print(f"{'dialect':22} {'way':8} {'plain':>7} {'worst':>7} {'ratio':>6}  {'longest call':>12} {'beyond plain':>12}")
    for (dialect, way), base, call, (longest, dearest) in zip(rows, bases, calls, worst, strict=True):
        print(
            f"{dialect.name:22} {way.__name__:8} {1e3 * base:7.1f} {1e3 * dearest.total:7.1f} "
            f"{dearest.total / base:6.1f}  {1e3 * longest.longest:12.1f} {1e3 * (longest.longest - call):12.1f}"
            f"   {dearest.unit!r} {longest.unit!r}"
        )


if __name__ == "__main__":
    main()
