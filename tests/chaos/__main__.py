"""Command line of the chaos: `python -m tests.chaos --seed 7`. Exit status 1 when anything was lost or doubled."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from tests.chaos.run import Chaos, Report


def main() -> int:
    """Run the seeds, print what came of each, and the sum."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="the first seed; default: by the clock")
    parser.add_argument("--runs", type=int, default=1, help="how many seeds")
    parser.add_argument("--jobs", type=int, default=1, help="how many of them at once")
    parser.add_argument("--turns", type=int, default=250, help="questions of one run")
    parser.add_argument("--kills", type=int, default=25, help="SIGKILLs of one run; other troubles in proportion")
    parser.add_argument("--rooms", type=int, default=24, help="conversations, beside four direct ones")
    parser.add_argument("--workers", type=int, default=3, help="bot processes")
    parser.add_argument("--apart", action="store_true", help="half of them take messages in, the others answer")
    parser.add_argument("--logs", type=Path, default=None, help="where logs and stories stay; default: nowhere")
    given = parser.parse_args()
    first = given.seed if given.seed is not None else int(time.time()) % 100_000
    began, total = time.monotonic(), Report("all")
    with ProcessPoolExecutor(given.jobs) as pool:
        for report in pool.map(_run, range(first, first + given.runs), repeat(given)):
            print("\n".join(report.lines()), flush=True)  # noqa: T201
            if not given.logs:
                print("\n".join(report.stories.values()), flush=True)  # noqa: T201
            total.add(report)
    total.seconds = time.monotonic() - began
    print("\n".join(total.lines()))  # noqa: T201
    again = f"--seed {first} --runs {given.runs} --turns {given.turns} --kills {given.kills} --rooms {given.rooms}"
    apart = " --apart" if given.apart else ""
    print(f"replay with {again} --workers {given.workers}{apart}")  # noqa: T201
    return 1 if total.verdict.found else 0


def _run(seed: int, given: argparse.Namespace) -> Report:
    """One seed, in a process of its own."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nobody ends and leaves servers and bots behind
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # a killed bot hangs up on Claude's stand-in
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        place = given.logs / str(seed) if given.logs else Path(folder)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        chaos = Chaos(
            seed,
            place,
            questions=given.turns,
            kills=given.kills,
            rooms=given.rooms,
            workers=given.workers,
            apart=given.apart,
        )
        report = asyncio.run(chaos.run())
        if given.logs:
            (place / "report").write_text("\n".join(report.lines()))
            for name, story in report.stories.items():
                (place / f"{name}.story").write_text(story)
    return report


if __name__ == "__main__":
    sys.exit(main())
