"""What readers see of the whole bot in the sandbox, beside plain policies: `python -m benchmarks.reader`.

Everything runs in real time, a process for each run, over loopback and the platforms' real client libraries, with the
limits enforced. Prints a table, writes `reader.json` and `reader.svg` into benchmarks/out. What the figures mean is in
benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import multiprocessing
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import uvloop

from benchmarks import draw
from benchmarks.cases import CASES, FAST, QUICK, Case
from benchmarks.machine import OUT, LoopLag, machine
from benchmarks.seen import Heard, Sight, median, most_within, percentile
from benchmarks.whole import Venue, our_bot, plain_bot, venue
from tests.stages.policies import PLAIN
from tests.stages.stage import DISCORD, SLACK
from tests.stages.traces import Trace
from tests.stages.yardstick import best_placement, many_streams, one_stream

LIVE_STREAMS = 40
"""Streams at once, over all runs: more would measure the machine."""
LIVE_STREAMS_PLAIN = 120
"""The same for plain policies, whose streams mostly wait for a limit."""
PROCESSES = 14
"""Runs at once."""
POST_FALLBACK = 120.0
"""Seconds after the last stream's end that answers get to become whole."""
OURS = "ours"


@dataclass(slots=True)
class Row:
    """What came of one run. Times in seconds, those of `leaving` in ms; characters; NaN where nothing was shown."""

    case: str
    policy: str
    streams: int
    refused: int
    refused_in_10_s: int
    edits: int
    posts: int
    first_asked: float
    first_median: float
    first_p95: float
    first_leaving_ms: float
    mean_lag: float
    max_lag: int
    final_median: float
    final_p95: float
    final_leaving_ms: float
    final_leaving_p95_ms: float
    whole: int
    loop_lag_p99_ms: float
    refused_by: dict[str, int]
    ratio: float | None = None
    ratio_first_at_once: float | None = None
    ratio_same_number: float | None = None


@dataclass(slots=True)
class Run:
    """One case with one policy, and what came of it."""

    case: Case
    policy: str
    sights: list[Sight] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)
    row: Row | None = None


class PostedMessages:
    """Admits runs in order while there is room for their streams."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def taken(self, number: int) -> AsyncIterator[None]:
        """Wait for room for `number` streams, and hold it."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._free >= min(number, self._size))
            self._free -= number
        try:
            yield
        finally:
            async with self._changed:
                self._free += number
                self._changed.notify_all()


def play(run: Run) -> Run:
    """Carry out a run; in a process of its own, since discord.py knows one API address a process."""
    with tempfile.TemporaryDirectory() as scratch:
        return uvloop.run(_play(run, Path(scratch)))


async def _play(run: Run, data_dir: Path) -> Run:
    """Let people ask, wait for the answers, and look at them."""
    case = run.case
    heard: dict[int, Heard] = {}
    numbers = range(case.streams)
    async with venue(case.where, case.latency, case.script, data_dir, halved=case.halved) as (place, settings):

        def whole() -> bool:
            return len(heard) == case.streams and all(
                heard[number].ended_at < math.inf and place.sight(number, heard[number]).whole for number in numbers
            )

        await place.prepare(case.streams)
        bot: AbstractAsyncContextManager[None] = (
            our_bot(settings, heard) if run.policy == OURS else plain_bot(settings, heard, PLAIN[run.policy])
        )
        async with bot, LoopLag() as lag:
            for number in numbers:
                await place.ask(number)
                await asyncio.sleep(case.gap)
            await asyncio.sleep(case.seconds + case.stall)
            await _until(whole, POST_FALLBACK)
        run.sights = [place.sight(number, heard[number]) for number in sorted(heard)]
        run.traces = [heard[n].trace() for n in sorted(heard)]
        run.row = measure(run, place, lag.samples)
    return run


async def _until(done: Callable[[], bool], seconds: float) -> None:
    """Wait until `done()` or for `seconds`; looked at rarely, since looking costs."""
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:  # noqa: ASYNC110 - an event would be set at every entry
        await asyncio.sleep(0.5)


def measure(run: Run, place: Venue, loop_lags: Sequence[float]) -> Row:
    """Sum up a run."""
    sights, refusals = run.sights, place.refusals()
    edits, posts = place.writes()
    seconds = sum(max(1e-9, trace.last - trace.first) for trace in run.traces)
    return Row(
        case=run.case.name,
        policy=run.policy,
        streams=run.case.streams,
        refused=sum(map(len, refusals.values())),
        refused_in_10_s=max(map(most_within, refusals.values()), default=0),
        edits=edits,
        posts=posts,
        first_asked=median([sight.first_asked for sight in sights]),
        first_median=median([sight.first for sight in sights]),
        first_p95=percentile([sight.first for sight in sights], 95),
        first_leaving_ms=1000 * median([sight.first_leaving for sight in sights]),
        mean_lag=sum(sight.lag for sight in sights) / seconds,
        max_lag=max(sight.max_lag for sight in sights),
        final_median=median([sight.final for sight in sights]),
        final_p95=percentile([sight.final for sight in sights], 95),
        final_leaving_ms=1000 * median([sight.final_leaving for sight in sights]),
        final_leaving_p95_ms=1000 * percentile([sight.final_leaving for sight in sights], 95),
        whole=sum(sight.whole for sight in sights),
        loop_lag_p99_ms=1000 * percentile(loop_lags, 99),
        refused_by={bucket: len(times) for bucket, times in refusals.items()},
    )


def bind(run: Run) -> None:
    """Set the ratios of our lag to what a clairvoyant could have reached; takes seconds of computing."""
    case, row = run.case, run.row
    if run.policy != OURS or row is None or case.halved or case.where == "discord threads" or not run.traces:
        return
    burst, rate = (SLACK if case.where.startswith("slack") else DISCORD).bound
    total = sum(sight.lag for sight in run.sights)
    if case.streams == 1:
        trace = run.traces[0]
        row.ratio, row.ratio_first_at_once = (
            total / one_stream(trace, latency=case.latency, burst=burst, rate=rate, first_at_once=first)[0]
            for first in (False, True)
        )
        row.ratio_same_number = total / best_placement(trace, latency=case.latency, edits=row.edits)
    elif case.streams == 10 and case.latency == FAST:
        row.ratio, row.ratio_first_at_once = (
            total
            / many_streams(run.traces, latency=case.latency, burst=burst, rate=rate, rounds=60, first_at_once=first)
            for first in (False, True)
        )


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    print(
        f"\n{'case':58} {'policy':17} {'429':>4} {'/10s':>4} {'edits':>5} {'posts':>5} {'asked':>6} "
        f"{'first 50/95 s':>13} {'left ms':>7} {'lag':>6} {'max':>6} {'final 50/95 s':>14} {'left 50/95 ms':>13} "
        f"{'whole':>6} {'loop':>5} {'bound':>5} {'+first':>6} {'same n':>6}"
    )
    for row in rows:
        bounds = (row.ratio, row.ratio_first_at_once, row.ratio_same_number)
        ratios = " ".join(f"{'–' if each is None else f'{each:.2f}':>6}" for each in bounds)
        print(
            f"{row.case:58} {row.policy:17} {row.refused:4} {row.refused_in_10_s:4} {row.edits:5} {row.posts:5} "
            f"{row.first_asked:6.2f} {row.first_median:6.2f}/{row.first_p95:6.2f} {row.first_leaving_ms:7.1f} "
            f"{row.mean_lag:6.0f} {row.max_lag:6} {row.final_median:7.2f}/{row.final_p95:6.2f} "
            f"{row.final_leaving_ms:6.1f}/{row.final_leaving_p95_ms:6.1f} {row.whole:3}/{row.streams:<2} "
            f"{row.loop_lag_p99_ms:5.1f}{ratios}"
        )
    for row in rows:
        if row.policy == OURS and row.refused:
            print(f"refused: {row.case}: {row.refused_by}")


def picture(runs: Sequence[Run]) -> str | None:
    """Draw received and shown of the case with a stall on Slack; None when it did not run."""
    chosen = [run for run in runs if run.case.stall and run.case.where == "slack" and run.traces]
    chosen = [run for run in chosen if run.policy in (OURS, "every 1.2 s")]
    if not chosen or chosen[0].policy != OURS:
        return None
    shown = []
    for run in chosen:
        begin = run.traces[0].first
        shown.append((run.policy, [(at - begin, chars) for at, chars in run.sights[0].staircase if chars]))
    trace = chosen[0].traces[0]
    title = f"{chosen[0].case.name}: characters over time"
    return draw.staircase(trace.later(-trace.first), shown, title)


async def run_all(cases: Sequence[Case]) -> list[Run]:
    """Ours first, then the plain policies; within each, as many at once as there are slots."""
    loop = asyncio.get_running_loop()

    async def carry_out(run: Run, slots: PostedMessages) -> Run:
        async with slots.taken(run.case.streams):
            done = await loop.run_in_executor(pool, play, run)
        print(f"{run.case.name}: {run.policy}", file=sys.stderr, flush=True)
        return done

    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        slots = PostedMessages(LIVE_STREAMS)
        ours = await asyncio.gather(*(carry_out(Run(case, OURS), slots) for case in cases))
        slots = PostedMessages(LIVE_STREAMS_PLAIN)
        plain = await asyncio.gather(*(carry_out(Run(case, name), slots) for case in cases for name in case.plain))
    return [*ours, *plain]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every case, print the table and write the files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reader", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few short cases")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    before = machine()
    cases = [case for case in (QUICK if options.quick else CASES) if options.only in case.name]
    runs = uvloop.run(run_all(cases))
    for run in runs:
        bind(run)
    order = {case.name: number for number, case in enumerate(cases)}
    runs.sort(key=lambda run: order[run.case.name])
    rows = [run.row for run in runs if run.row is not None]
    show(rows)
    after = machine()
    print(
        f"\n{after['cpu']}, {after['cores']} cores; load {before['load']} before, {after['load']} after; "
        f"{time.monotonic() - began:.0f} s"
    )
    report = {"before": before, "after": after, "rows": [asdict(row) for row in rows]}
    (options.out / "reader.json").write_text(json.dumps(report, indent=1))
    if drawn := picture(runs):
        (options.out / "reader.svg").write_text(drawn)


if __name__ == "__main__":
    main()
