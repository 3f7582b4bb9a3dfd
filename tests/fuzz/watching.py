"""What must hold while somebody sends nonsense: no traceback, few log lines, no growing memory."""

from __future__ import annotations

import gc
import logging
import resource
import time
from collections import Counter
from pathlib import Path

MOST_GROWTH = 10 << 20
"""Bytes of memory that nonsense may leave behind."""

KINDS = 60
"""How many kinds of oddness one message may tell apart, each once a minute."""


class Watch(logging.Handler):
    """Watches the process while it is entered, and adds what went wrong to a list."""

    def __init__(self, wrong: list[str], most_growth: int = MOST_GROWTH) -> None:
        super().__init__(logging.WARNING)
        self._most_growth = most_growth
        self._wrong = wrong
        self._lines: Counter[str] = Counter()
        self._began = 0.0
        self._memory = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count a line; a traceback is wrong."""
        self._lines[f"{record.name}: {record.msg}"] += 1
        if record.exc_info and len(self._wrong) < 100:
            self._wrong.append(f"traceback: {record.name}: {record.getMessage()}: {record.exc_info[1]!r}"[:300])

    def __enter__(self) -> None:
        self._began, self._memory = time.monotonic(), resident()
        logging.getLogger().addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
        if (grown := resident() - self._memory) > self._most_growth:
            self._wrong.append(f"memory grew by {grown >> 20} MB")
        allowed = KINDS * (1 + int(time.monotonic() - self._began) // 60)
        self._wrong += [f"{count} lines: {kind}"[:300] for kind, count in self._lines.items() if count > allowed]


def resident() -> int:
    """Return the bytes of memory that the process holds now."""
    gc.collect()
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
