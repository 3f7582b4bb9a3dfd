"""A command of the program as tests run it: what it came to, and where its other sides live."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NamedTuple

LOG_LINE = re.compile(r"\S+ \[(info|warning) *\] ")
PATIENCE = 20.0
NOWHERE = "127.0.0.1:9"
ROOT = Path(__file__).parents[2]
UNREADABLE = Path("/proc/self/mem")
"""A file that not even root can read from its beginning, where there is one."""


class Aside:
    """An event loop in a thread of its own: `main` needs this thread for its own loop and for signals."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine there and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Outcome(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line on standard error that is no log line."""
        lines = [line for line in self.err.splitlines() if not LOG_LINE.match(line)]
        assert len(lines) == 1, self.err
        return lines[0]


def refuses(outcome: Outcome, sentence: str) -> None:
    assert (outcome.status, bool(re.search(sentence, outcome.sentence))) == (2, True), outcome
