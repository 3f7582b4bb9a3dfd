"""A pytest plugin: no test takes longer than a minute of real time, or as long as its marker says.

    @pytest.mark.time_limit(120)

`pytest-timeout` ends most hangs, but not all: its one alarm raises an exception that a task of asyncio keeps to itself,
and that hypothesis takes for a failure to try again, without an alarm. So here the alarm repeats, and it raises a
KeyboardInterrupt, which both let through; at the edge of the test it becomes a failure.
"""

from __future__ import annotations

import asyncio
import signal
import traceback
from collections import defaultdict
from collections.abc import Generator
from types import FrameType
from typing import Any

import pytest

LIMIT = 60.0
"""Seconds that a test without a marker may take, with its fixtures."""

AGAIN = 1.0
"""Seconds until the next alarm, where the last one was swallowed or the test hangs in its fixtures, too."""

FRAMES = 8
"""How much of a stack is told, from its innermost frame."""


class TooLong(KeyboardInterrupt):
    """A test took too long."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--time-limit`."""
    parser.addoption("--time-limit", type=float, default=LIMIT, help="seconds a test may take; 0 for no limit")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "time_limit(seconds): how long this test may take, where a minute is too short")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Set the alarm for a test and its fixtures."""
    limit = limit_of(item)
    if not limit or item.config.getoption("usepdb"):
        return (yield)

    def ring(_signal: int, frame: FrameType | None) -> None:
        raise TooLong(f"the test takes longer than {limit:g} s.\n{where(frame)}")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit, AGAIN)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup() -> Generator[None, Any, Any]:
    """Let a fixture that hangs fail."""
    return (yield from _failing())


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    """Let a test that hangs fail."""
    return (yield from _failing())


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown() -> Generator[None, Any, Any]:
    """Let a fixture that hangs at its end fail."""
    return (yield from _failing())


def limit_of(item: pytest.Item) -> float:
    """Return how many seconds a test may take; 0 for as long as it likes."""
    given = float(item.config.getoption("time_limit"))
    marker = item.get_closest_marker("time_limit")
    return float(marker.args[0]) * given / LIMIT if marker else given


def where(frame: FrameType | None) -> str:
    """Tell where the program stands, and where its tasks wait."""
    told = ["It stands here:", *traceback.format_stack(frame)[-FRAMES:]]
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # no loop runs
        tasks = set()
    names: defaultdict[str, list[str]] = defaultdict(list)
    for task in tasks:
        names["".join(_waits(task))].append(task.get_name())
    told += [f"{', '.join(sorted(alike))}:\n{waiting}" for waiting, alike in sorted(names.items())]
    return "\n".join(line.rstrip() for line in told)


def _waits(task: asyncio.Task[Any]) -> list[str]:
    """The lines of a task's stack, into what it awaits."""
    lines: list[str] = []
    awaited: Any = task.get_coro()
    while awaited is not None and (frame := getattr(awaited, "cr_frame", None)) is not None:
        lines += traceback.format_stack(frame, limit=1)
        awaited = awaited.cr_await
    return lines[-FRAMES:]


def _failing() -> Generator[None, Any, Any]:
    try:
        return (yield)
    except TooLong as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
