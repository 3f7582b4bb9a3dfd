"""A pytest plugin: which tests run which lines of one file, and how long each test takes; and tests that end soon.

`MUTATION_FILE` names the file, and `MUTATION_REPORT` where the report goes: `{test: [seconds, [line, ...]]}`. Without
them only the tests are made fit for a fault: a failure is not shrunk, and no process takes more than 4 GB.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

FILE = os.environ.get("MUTATION_FILE", "")
MOST_MEMORY = 4 << 30

settings.register_profile(
    "mutation",
    phases=[Phase.explicit, Phase.generate],
    database=None,
    derandomize=True,
    suppress_health_check=[*HealthCheck],
)
settings.load_profile("mutation")
_report: dict[str, tuple[float, list[int]]] = {}


def pytest_configure() -> None:
    """Bound the memory that a fault can eat."""
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[Any]:
    """Watch a test, its fixtures included."""
    if not FILE:
        return (yield)
    lines: set[int] = set()

    def local(frame: FrameType, _event: str, _arg: object) -> Any:
        lines.add(frame.f_lineno)
        return local

    def calls(frame: FrameType, event: str, arg: object) -> Any:
        return local(frame, event, arg) if frame.f_code.co_filename == FILE else None

    began = time.monotonic()
    threading.settrace(calls)
    sys.settrace(calls)
    try:
        return (yield)
    finally:
        sys.settrace(None)
        threading.settrace(None)
        _report[item.nodeid] = (time.monotonic() - began, sorted(lines))


def pytest_sessionfinish() -> None:
    """Write the report."""
    if FILE:
        Path(os.environ["MUTATION_REPORT"]).write_text(json.dumps(_report), encoding="utf-8")
