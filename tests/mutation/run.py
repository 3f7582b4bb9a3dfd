"""Tries faults on a copy of the tree, each in a process of its own, with the tests that run its line."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.mutation.mutants import Mutant
from tests.mutation.table import tests_for

TREE = Path(__file__).parents[2]
PYTEST = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "tests.mutation.touched"]
PYTEST += ["-p", "no:cacheprovider", "-p", "no:randomly", "--no-header", "--tb=no"]
BASELINE_LIMIT = 900.0
"""Seconds that all tests of a file may take without a fault."""

START, LEAST, SLOWER, GRACE = 30.0, 10.0, 4.0, 10.0
"""Seconds that pytest may take to start, and any test at least; how many times longer than without a fault tests may
take; seconds from being told to end until being killed."""

Touched = dict[str, tuple[float, list[int]]]


def copied(to: Path) -> None:
    """Copy what is in the work tree, and not ignored, to a folder."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],  # noqa: S607
        cwd=TREE,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        if (TREE / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TREE / name, to / name)


class Trial:
    """Faults of any number of files, tried in one copy of the tree.

    Args:
        tree: the copy.
        results: where the results are kept, one JSON object a line; what is in it is not tried again.
        retry: try what survived or took too long again.
    """

    def __init__(self, tree: Path, results: Path, *, retry: bool = False) -> None:
        self._tree = tree
        self._results = results
        self._known: dict[str, str] = {}
        self._touched: dict[str, Touched] = {}
        if results.exists():
            for line in results.read_text(encoding="utf-8").splitlines():
                kept = json.loads(line)
                self._known[kept["key"]] = kept["status"]
        if retry:
            self._known = {key: status for key, status in self._known.items() if status == "killed"}

    def run(self, chosen: Iterable[Mutant], say: Callable[[str], None]) -> dict[str, Counter[str]]:
        """Try each fault; return how many of each file were killed, survived, took too long, and are run by no test."""
        counts: dict[str, Counter[str]] = {}
        for mutant in chosen:
            source = (self._tree / mutant.path).read_text(encoding="utf-8")
            digest = hashlib.sha256(f"{source}{mutant.start}{mutant.end}{mutant.after}".encode()).hexdigest()
            key = f"{mutant.path}:{digest[:20]}"
            status = self._known.get(key)
            if status is None:
                status = self._status(mutant, source)
                self._results.parent.mkdir(parents=True, exist_ok=True)
                with self._results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key, "status": status, "mutant": str(mutant)}) + "\n")
            counts.setdefault(mutant.path, Counter())[status] += 1
            say(f"{status:8} {mutant}")
        return counts

    def _status(self, mutant: Mutant, source: str) -> str:
        touched = self._touched_by(mutant.path)
        tests = {
            name: seconds
            for name, (seconds, lines) in touched.items()
            if lines and (mutant.always or not {mutant.line, mutant.first}.isdisjoint(lines))
        }
        if not tests:
            return "unrun"
        file = self._tree / mutant.path
        each = max(LEAST, SLOWER * max(tests.values()))
        try:
            file.write_text(mutant.applied(source), encoding="utf-8")
            code = self._pytest(sorted(tests, key=tests.__getitem__), START + SLOWER * sum(tests.values()), each=each)
        finally:
            file.write_text(source, encoding="utf-8")
        return {None: "timeout", 0: "survived"}.get(code, "killed")

    def _touched_by(self, path: str) -> Touched:
        """Return what each test that belongs to a file runs of it. Raises SystemExit when they fail without a fault."""
        if path not in self._touched:
            report = self._tree / "touched.json"
            watched = {"MUTATION_FILE": str(self._tree / path), "MUTATION_REPORT": str(report)}
            if self._pytest(tests_for(path), BASELINE_LIMIT, watched) != 0:
                raise SystemExit(f"the tests of {path} fail without a fault")
            self._touched[path] = json.loads(report.read_text(encoding="utf-8"))
        return self._touched[path]

    def _pytest(
        self, tests: Sequence[str], limit: float, more: dict[str, str] | None = None, *, each: float = 0.0
    ) -> int | None:
        """Run tests, one of which may take `each` seconds; return the exit status, None when that took too long."""
        # A test's name may be anything: by file it is read as it is.
        names = self._tree / "chosen.txt"
        names.write_text("\n".join(tests), encoding="utf-8")
        environment = {**os.environ, **(more or {}), "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(  # noqa: S603
            [*PYTEST, "--time-limit", str(each), f"@{names}"],
            cwd=self._tree,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started; the servers of its tests get the time to go."""
    for number, patience in ((signal.SIGINT, GRACE), (signal.SIGKILL, GRACE)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
