"""That no test hangs the others: whatever waits for ever fails within its time limit, and says where it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
OPTIONS = ["-rA", "-p", "no:cacheprovider", "-W", "ignore"]
HANGING = """\
import asyncio
import time

import pytest
import uvloop
from hypothesis import given, settings, strategies as st


@pytest.mark.looptime
async def test_nothing_is_left_that_could_wake_it():
    await asyncio.Event().wait()


@pytest.mark.looptime
async def test_virtual_time_goes_on_for_ever():
    async def tick():
        while True:
            sum(range(20_000))
            await asyncio.sleep(1)

    ticking = [asyncio.create_task(tick(), name="ticking") for _ in range(3)]
    await asyncio.Event().wait()


@pytest.mark.looptime
async def test_a_task_refuses_to_end():
    async def stubborn():
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass

    await asyncio.create_task(stubborn())


def test_another_loop():
    uvloop.run(asyncio.Event().wait())


@given(st.integers())
@settings(deadline=None, database=None)
def test_some_example_hangs(number):
    while number > 10:
        sum(range(1000))


@given(st.integers())
@settings(deadline=None, database=None)
def test_some_example_waits(number):
    if number > 10:
        asyncio.run(asyncio.Event().wait())


def test_errors_are_swallowed():
    while True:
        try:
            time.sleep(10)
        except Exception:
            pass


@pytest.fixture
def hanging():
    time.sleep(60)


@pytest.fixture
def hanging_at_its_end():
    yield
    time.sleep(60)


def test_before_it_begins(hanging):
    pass


def test_after_it_ended(hanging_at_its_end):
    pass


@pytest.mark.time_limit(1000)
def test_in_time():
    time.sleep(1)
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of tests that hang, each of which may take 0.3 s."""
    folder = tmp_path_factory.mktemp("hanging")
    (folder / "test_hanging.py").write_text(HANGING, encoding="utf-8")
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {TREE}\nasyncio_mode = auto\n", encoding="utf-8")
    began = time.monotonic()
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", *OPTIONS, "-p", "tests.suite.time_limit", "--time-limit", "0.3", folder],
        cwd=TREE,
        env={**os.environ, "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert time.monotonic() - began < 30
    return run.stdout + run.stderr


def test_whatever_hangs_fails(told: str) -> None:
    """In virtual and real time, in a task, in an example of hypothesis, in a fixture: nothing lasts for ever."""
    ended = re.findall(r"^(?:FAILED|ERROR) .*::(\w+) - .*the test takes longer than 0.3 s", told, re.MULTILINE)
    assert {*ended, "test_in_time"} == set(re.findall(r"def (test_\w+)", HANGING))


def test_a_marker_gives_a_test_more_time(told: str) -> None:
    """What its marker says counts, in proportion where the limit of all is another."""
    assert re.search(r"^PASSED .*test_in_time", told, re.MULTILINE)


def test_the_failure_says_where_it_stands(told: str) -> None:
    """Of a loop with nothing to do that is where each of its tasks waits."""
    failure = told.partition("test_virtual_time_goes_on_for_ever")[2].partition("test_a_task_refuses_to_end")[0]
    assert "ticking, ticking" in failure
    assert "await asyncio.sleep(1)" in failure
    assert "await asyncio.Event().wait()" in failure
