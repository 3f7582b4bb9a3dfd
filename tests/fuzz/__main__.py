"""`python -m tests.fuzz DOOR --count N --seed S`: exits with 1 when something failed, and says what."""

from __future__ import annotations

import argparse
import importlib
import sys
import time

DOORS = {"text": 300, "http": 3_000, "socket_mode": 3_000, "gateway": 3_000, "answers": 60}
"""What can be fuzzed, and how many inputs `make fuzz` tries."""


def main() -> int:
    """Fuzz one door, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("door", nargs="?", choices=[*DOORS, "all"], default="all")
    parser.add_argument("--count", type=int, help="how many random inputs")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    failed = 0
    for door in DOORS if given.door == "all" else [given.door]:
        count = given.count if given.count is not None else DOORS[door]
        began = time.monotonic()
        found = importlib.import_module(f"tests.fuzz.{door}").run(count, given.seed)
        failed += len(found)
        took = time.monotonic() - began
        lines = [f"{door}: {count} inputs, seed {given.seed}, {len(found)} failures, {took:.0f} s", *found[:20]]
        sys.stdout.write("\n  ".join(lines) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
