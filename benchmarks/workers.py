"""One workspace's rate limit over several workers, in virtual time: `python -m benchmarks.workers`.

Ten streams are written by one, two or four workers, unequally: rate limits counted together beside rate limits divided
by the number of workers. Prints a table and writes `workers.json` into benchmarks/out. Takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.stages.measure import percentile, staggered
from tests.stages.stage import SLACK, Limits, Platform
from tests.stages.traces import Trace
from tests.stages.workers import Ledger, dealt, mean_lag, play

OUT = Path(__file__).parent / "out"
SPLITS: dict[str, tuple[int, ...]] = {
    "1 worker": (10,),
    "2 workers, 5 + 5": (5, 5),
    "2 workers, 9 + 1": (9, 1),
    "2 workers, 10 + 0": (10, 0),
    "4 workers, 7 + 2 + 1 + 0": (7, 2, 1, 0),
}


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one run: lags in characters (mean, and of the worst worker over the best), lateness of ends in s."""

    case: str
    rate_limits: str
    edits: int
    refused: int
    mean_lag: float
    over_one_process: float
    between_workers: float
    final_p95: float
    entries: int


def compare(traces: Sequence[Trace], limits: Limits = SLACK) -> list[Row]:
    """Every split, shared and divided."""
    rows: list[Row] = []
    alone = 0.0
    for case, split in SPLITS.items():
        for rate_limits in ("shared", "divided")[: None if len(split) > 1 else 1]:
            platform, shared = Platform(limits), Ledger() if rate_limits == "shared" else None
            workers = play(dealt(traces, split), platform, shared)
            everybody = [stream for streams in workers for stream in streams]
            lag = mean_lag(everybody)
            alone = alone or lag
            lags = [mean_lag(streams) for streams in workers if streams]
            rows.append(
                Row(
                    case,
                    rate_limits,
                    len(platform.calls),
                    len(platform.refusals),
                    round(lag, 1),
                    round(lag / alone, 2),
                    round(max(lags) / min(lags), 2),
                    round(percentile([stream.finished_at - stream.trace.last for stream in everybody], 95), 2),
                    shared.entries if shared else 0,
                )
            )
    return rows


def main() -> None:
    """Run all, print and write."""
    everything = {}
    for name, traces in {
        "10 × 60 s, staggered": staggered(10, 60.0, 3.0),
        "10 × 15 s, one start": staggered(10, 15.0, 0.0),
    }.items():
        everything[name] = rows = compare(traces)
        print(f"\n{name}\n{'case':26} {'limits':8} {'edits':>5} {'429':>4} {'lag':>6} {'×1':>5} {'worst/best':>10} "
              f"{'final 95':>8} {'entries':>7}")  # fmt: skip
        for row in rows:
            print(
                f"{row.case:26} {row.rate_limits:8} {row.edits:5} {row.refused:4} {row.mean_lag:6.0f} "
                f"{row.over_one_process:5.2f} {row.between_workers:10.2f} {row.final_p95:8.2f} {row.entries:7}"
            )
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "workers.json").write_text(
        json.dumps({name: [asdict(row) for row in rows] for name, rows in everything.items()}, indent=1)
    )


if __name__ == "__main__":
    main()
