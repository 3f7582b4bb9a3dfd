"""Replay answers against pacing policies and a platform's limits in virtual time: `python -m benchmarks.simulate`.

Prints tables, writes `simulate.json` and `staircase.svg` into benchmarks/out. The bot's real `Pacer` is run; nothing
is waited for. Ratios are to the clairvoyant bound of `yardstick`, and to the same bound for a clairvoyant who also
shows the first text at once, as we do.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from benchmarks import draw
from sandbox.limits import Counting
from tests.stages.measure import Row, measure, staggered
from tests.stages.policies import PLAIN, ours, ours_with_valve
from tests.stages.stage import DISCORD, SLACK, Limits, Platform, Policy, play
from tests.stages.traces import Trace, bursty, recorded, stalled, steady, thinking
from tests.stages.yardstick import best_placement, many_streams, one_stream

OUT = Path(__file__).parent / "out"
SEEDS = 3
STREAMS = (1, 2, 5, 10, 20)
STAGGER = 3.0
LATENCIES = (0.15, 1.5)


def one(kinds: dict[str, Callable[[int], Trace]], limits: Limits, latency: float) -> list[Row]:
    """One stream of each kind, ours alone; each row is the mean of some seeds."""
    burst, rate = limits.bound
    rows = []
    for name, make in kinds.items():
        runs = []
        for seed in range(SEEDS):
            trace = make(seed)
            platform = Platform(limits, latency=latency)
            streams = play([trace], ours, platform)
            bounds = [
                one_stream(trace, latency=latency, burst=burst, rate=rate)[0],
                one_stream(trace, latency=latency, burst=burst, rate=rate, first_at_once=True)[0],
                best_placement(trace, latency=latency, edits=len(platform.calls)),
            ]
            runs.append(measure(name, "ours", platform, streams, bounds))
        rows.append(mean(runs))
    return rows


def mean(runs: Sequence[Row]) -> Row:
    """The mean of runs of the same case; counts are rounded."""
    values: dict[str, object] = {}
    for key, value in asdict(runs[0]).items():
        if isinstance(value, str) or value is None:
            values[key] = value
            continue
        average = statistics.fmean(getattr(run, key) for run in runs)
        values[key] = round(average) if isinstance(value, int) else round(average, 3)
    return Row(**values)  # type: ignore[arg-type]


def together(
    case: str,
    traces: Sequence[Trace],
    policies: dict[str, Policy],
    limits: Limits,
    latency: float,
    *,
    countings: Sequence[Counting] = get_args(Counting),
    factor: float = 1.0,
    bounded: bool = True,
    same_channel: bool = False,
) -> list[Row]:
    """Several streams on one rate limit, each policy under each way of counting."""
    burst, rate = limits.bound
    bounds = []
    if bounded:
        bounds.append(many_streams(traces, latency=latency, burst=burst, rate=rate))
        starts = sorted(trace.first for trace in traces)
        if all(number <= burst + rate * (at - starts[0]) for number, at in enumerate(starts, 1)):
            bounds.append(many_streams(traces, latency=latency, burst=burst, rate=rate, first_at_once=True))
    rows = []
    for name, policy in policies.items():
        for counting in countings:
            platform = Platform(limits, counting, latency, factor)
            streams = play(traces, policy, platform, same_channel=same_channel)
            rows.append(measure(case, name, platform, streams, bounds))
    return rows


def show(title: str, rows: Sequence[Row]) -> None:
    """Print a table."""
    print(f"\n{title}")
    print(
        f"{'case':34} {'policy':18} {'counting':8} {'edits':>5} {'posts':>5} {'429':>4} {'lag':>6} {'max':>6} "
        f"{'first 50/95 s':>13} {'final 50/95 s':>13} {'bound':>6} {'+first':>6} {'same n':>6}"
    )
    for row in rows:
        ratios = (row.ratio, row.ratio_first_at_once, row.ratio_same_number)
        print(
            f"{row.case:34} {row.policy:18} {row.counting:8} {row.edits:5} {row.posts:5} {row.refused:4} "
            f"{row.mean_lag:6.0f} {row.max_lag:6} {row.first_median:6.2f}/{row.first_p95:6.2f} "
            f"{row.final_median:6.2f}/{row.final_p95:6.2f} "
            + " ".join(f"{ratio:6.2f}" if ratio is not None else "     –" for ratio in ratios)
        )


def picture(path: Path) -> None:
    """Draw one answer of 20 s with a stall, ours beside a plain policy."""
    trace = stalled(20.0)
    shown = []
    for name, policy in {"ours": ours, "every 1.2 s": PLAIN["every 1.2 s"]}.items():
        (stream,) = play([trace], policy, Platform(SLACK))
        zero = stream.trace.first - trace.first
        shown.append((name, [(visible - zero, chars) for _, visible, chars in stream.shown]))
    path.write_text(draw.staircase(trace, shown, "Slack, one answer with a 4 s stall: characters shown over time"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every case, print the tables and write the files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    parser.add_argument("--trace", type=Path, action="append", default=[], help="a JSON list of [seconds, characters]")
    parser.add_argument("--quick", action="store_true", help="one latency, at most ten streams")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    everything: dict[str, list[Row]] = {}

    def report(title: str, rows: list[Row]) -> None:
        show(title, rows)
        everything[title] = rows

    makers: dict[str, Callable[[int], Trace]] = {}
    for seconds in (4, 8, 12, 16, 30, 60, 120):
        makers[f"steady 30/s, {seconds} s"] = lambda seed, s=seconds: steady(s, 30.0, seed)  # type: ignore[misc]
    for seconds in (8, 16, 30, 60):
        makers[f"steady 60/s, {seconds} s"] = lambda seed, s=seconds: steady(s, 60.0, seed)  # type: ignore[misc]
        makers[f"bursty, {seconds} s"] = lambda seed, s=seconds: bursty(s, 30.0, seed)  # type: ignore[misc]
        makers[f"4 s stall, {seconds + 4} s"] = lambda seed, s=seconds: stalled(s + 4.0, 4.0, 30.0, seed)  # type: ignore[misc]
    makers["thinking first, 16 s"] = lambda seed: thinking(16.0, seed=seed)
    for path in options.trace:
        makers[path.stem] = lambda _, p=path: recorded(p)  # type: ignore[misc]
    report("One stream on Slack (150 ms)", one(makers, SLACK, 0.15))
    report("One stream in a Discord channel (150 ms)", one(makers, DISCORD, 0.15))

    policies = {"ours": ours, "ours with valve": ours_with_valve, **PLAIN}
    for latency in LATENCIES[: 1 if options.quick else None]:
        for number in [n for n in STREAMS if n <= 10 or not options.quick]:
            rows = []
            for start, gap in {"one start": 0.0, "staggered": STAGGER}.items():
                for length in (30.0, 60.0) if number == 10 else (30.0,):
                    case = f"{number} × {length:.0f} s, {start}"
                    rows += together(case, staggered(number, length, gap), policies, SLACK, latency)
            report(f"{number} streams in one Slack workspace, latency {latency} s", rows)
        rows = together("10 × 5 s ending together", staggered(10, 5.0, 0.0), policies, SLACK, latency)
        report(f"Ten short streams, a channel each, latency {latency} s", rows)
        rows = together("5 × 30 s, staggered", staggered(5, 30.0, STAGGER), {"ours": ours, **PLAIN}, DISCORD, latency)
        report(f"Five streams in one Discord channel, latency {latency} s", rows)
    rows = []
    for latency in LATENCIES:
        for number, length in ((1, 120.0), (10, 60.0)):
            case = f"{number} × {length:.0f} s, latency {latency}"
            traces = staggered(number, length, STAGGER)
            rows += together(case, traces, {"ours": ours}, SLACK, latency, factor=0.5, bounded=False)
    report("Slack's limits secretly halved", rows)

    (options.out / "simulate.json").write_text(
        json.dumps({title: [asdict(row) for row in rows] for title, rows in everything.items()}, indent=1)
    )
    picture(options.out / "staircase.svg")
    print(f"\nwrote {options.out / 'simulate.json'} and {options.out / 'staircase.svg'}")


if __name__ == "__main__":
    main()
