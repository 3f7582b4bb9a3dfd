"""What a benchmark ran on, how late its event loop was, and where its files go."""

from __future__ import annotations

import asyncio
import os
import platform
from pathlib import Path
from typing import Self

OUT = Path(__file__).parent / "out"


class LoopLag:
    """How late the event loop wakes a sleeper, in seconds, over the time of the block."""

    def __init__(self, step: float = 0.01) -> None:
        self._step = step
        self.samples: list[float] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._sample())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _sample(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._step
            await asyncio.sleep(self._step)
            self.samples.append(loop.time() - due)


def machine() -> dict[str, object]:
    """What it was measured on."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()}


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def resident() -> int:
    """Memory of this process that is in RAM (KB)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])
