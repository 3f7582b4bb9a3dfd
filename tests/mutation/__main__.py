"""Put small faults into some files, one at a time, and see whether their tests fail."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.mutation.mutants import Mutant, mutants
from tests.mutation.run import TREE, Trial, copied

RESULTS = ".mutants.jsonl"


def main() -> int:
    """Run from the command line; exit with 1 when fewer were killed than `--least` asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("paths", nargs="+", help="files or folders, from the top of the tree")
    parser.add_argument("--sample", type=int, default=0, help="how many faults of each path; default: all")
    parser.add_argument("--seed", type=int, default=1, help="which of them")
    parser.add_argument("--least", type=float, default=0.0, help="per cent that must be killed")
    parser.add_argument("--retry", action="store_true", help="try again what was not killed before")
    parser.add_argument("--results", type=Path, default=TREE / RESULTS, help="what was tried before (JSON lines)")
    given = parser.parse_args()
    chosen = [mutant for path in given.paths for mutant in sample(path, given.sample, given.seed)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copied(Path(folder))
        counts = Trial(Path(folder), given.results, retry=given.retry).run(chosen, _say)
    total = sum(counts.values(), Counter[str]())
    for name, count in [*sorted(counts.items()), ("all", total)]:
        _say(f"{name:36} {_line(count)}")
    return 1 if _killed(total) < given.least else 0


def sample(path: str, number: int, seed: int) -> list[Mutant]:
    """Return faults of a file or of all files of a folder: `number` of them, the same for the same seed; 0 for all."""
    top = TREE / path
    files = sorted(top.rglob("*.py")) if top.is_dir() else [top]
    found = [
        mutant
        for file in files
        for mutant in mutants(file.relative_to(TREE).as_posix(), file.read_text(encoding="utf-8"))
    ]
    if not 0 < number < len(found):
        return found
    return sorted(random.Random(seed).sample(found, number), key=lambda it: (it.path, it.start))  # noqa: S311 - no secret


def _killed(count: Counter[str]) -> float:
    return 100.0 * (count["killed"] + count["timeout"]) / max(1, count.total())


def _line(count: Counter[str]) -> str:
    said = ", ".join(f"{count[status]} {status}" for status in ("killed", "timeout", "survived", "unrun"))
    return f"{_killed(count):5.1f} % of {count.total()}: {said}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
