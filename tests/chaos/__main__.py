"""Command line of the chaos: `python -m tests.chaos --seed 7`. Exit status 1 when anything was lost or doubled."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.run import Chaos


def main() -> int:
    """Run the seeds one after the other and print what came of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="the first seed; default: by the clock")
    parser.add_argument("--runs", type=int, default=1, help="how many seeds, one after the other")
    parser.add_argument("--turns", type=int, default=250, help="questions of one run")
    parser.add_argument("--kills", type=int, default=25, help="SIGKILLs of one run; other troubles in proportion")
    parser.add_argument("--rooms", type=int, default=24, help="conversations, beside four direct ones")
    parser.add_argument("--workers", type=int, default=3, help="bot processes")
    parser.add_argument("--apart", action="store_true", help="half of them take messages in, the others answer")
    parser.add_argument("--logs", type=Path, default=None, help="where logs and stories stay; default: nowhere")
    given = parser.parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # a killed bot hangs up on Claude's stand-in
    first = given.seed if given.seed is not None else int(time.time()) % 100_000
    wrong = turns = kills = 0
    for seed in range(first, first + given.runs):
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
            print("\n".join(report.lines()), flush=True)  # noqa: T201
            for name, story in report.stories.items():
                if given.logs:
                    (place / f"{name}.story").write_text(story)
                else:
                    print(story, flush=True)  # noqa: T201
        wrong += len(report.verdict.found)
        turns += report.turns
        kills += report.troubles["SIGKILL"]
    apart = " --apart" if given.apart else ""
    again = f"--seed {first} --runs {given.runs} --turns {given.turns} --kills {given.kills}{apart}"
    print(f"{turns} turns, {kills} kills, {wrong} violations; replay with {again}")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
