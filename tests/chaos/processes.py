"""Real processes to do harm to: a Valkey server that keeps an append-only file, and bots that share it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.store.embedded import server_binary

START = 180.0
"""Seconds a process may take to be ready."""

ROOT = Path(__file__).parents[2]
"""Where the program lies that is tried: beside this file, whatever else is installed."""

STOP = 180.0
"""Seconds a process may take to go after SIGTERM."""


class Server:
    """A Valkey server on loopback that comes back on its port with what it had.

    Args:
        folder: where its data goes.
        fsync: when the file reaches the disk; "always" is before it answers: what is tried is the bot, not the disk.

    Attributes:
        port: where it listens, on every start.
    """

    def __init__(self, folder: Path, *, fsync: str = "always") -> None:
        self.port = _free_port()
        self._folder = folder
        self._fsync = fsync
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """What REDIS_URL is set to."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start, and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        options = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": self._folder,
            "appendonly": "yes",
            "appendfsync": self._fsync,
            "maxmemory-policy": "noeviction",
            "save": "",
            "logfile": self._folder / "server.log",
        }
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        self._process = await asyncio.create_subprocess_exec(str(server_binary()), *words)
        async with asyncio.timeout(START):
            while not await self._answers():  # noqa: ASYNC110 - a server tells nobody when it is ready
                await asyncio.sleep(0.02)

    def send(self, number: int) -> None:
        """Send it a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def fill(self, *, full: bool) -> None:
        """Be full, so that nothing that takes memory is taken in, or have room again."""
        if await self._ask(f"CONFIG SET maxmemory {int(full)}") != "+OK":
            raise RuntimeError("the store does not take its limit")

    async def _answers(self) -> bool:
        try:
            return await self._ask("PING") == "+PONG"
        except OSError:
            return False

    async def _ask(self, command: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"{command}\r\n".encode())
        answer = await reader.readline()
        writer.close()
        return answer.decode().strip()


class Bot:
    """One bot process; its log is kept in a file, every life after the other."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], *, role: str = "all") -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.exits: list[int] = []
        self.asleep = False
        self._folder = folder
        self._environment = environment
        self._role = role
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @property
    def alive(self) -> bool:
        """Whether the process runs (perhaps asleep)."""
        return self._process is not None and self._process.returncode is None

    async def start(self, **changes: str) -> None:
        """Start, and return when it is ready, or when it was killed before that.

        Raises RuntimeError when it ended by itself.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._ready = asyncio.Event()
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            "run",
            "--role",
            self._role,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self._environment, **changes},
            cwd=self._folder,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 22,
        )
        self.asleep = False
        self._reading = asyncio.create_task(self._read(process), name=f"log of {self.name}")
        ended, ready = asyncio.create_task(process.wait()), asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait({ended, ready}, timeout=START, return_when=asyncio.FIRST_COMPLETED)
            if ended.done() and ended.result() != -signal.SIGKILL:
                raise RuntimeError(f"{self.name} ended by itself ({ended.result()}); see {self.log}")
        finally:
            ended.cancel()
            ready.cancel()

    def send(self, number: int) -> None:
        """Send it a signal."""
        if self._process is not None and self.alive:
            self._process.send_signal(number)
            self.asleep = number == signal.SIGSTOP or (self.asleep and number != signal.SIGCONT)

    async def ended(self) -> int:
        """Wait until it is gone; returns its exit status. Raises TimeoutError when it does not go."""
        assert self._process is not None
        async with asyncio.timeout(STOP):
            status = await self._process.wait()
        if self._reading is not None:
            await asyncio.wait({self._reading})
            self._reading = None
            self.exits.append(status)
        return status

    async def close(self) -> None:
        """Kill it if it still runs."""
        if self._process is not None:
            if self.alive:
                self._process.kill()
            with contextlib.suppress(TimeoutError):
                await self.ended()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        with self.log.open("ab") as log:
            while line := await process.stderr.readline():
                if not line.endswith(b"\n"):
                    break  # it was killed while it wrote
                log.write(line)
                log.flush()
                if b'"event": "ready"' in line:
                    self._ready.set()


def lines_about(logs: list[Path], *words: str) -> list[str]:
    """The log lines of all bots that hold one of the words, in the order of their time."""
    found: list[tuple[str, str]] = []
    for log in logs:
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        found += [(_time(line), f"{log.stem}: {line}") for line in lines if any(word in line for word in words)]
    return [line for _, line in sorted(found)]


def complaints(log: Path) -> list[str]:
    """What no bot should say: tracebacks, errors, and lines of something else than its log."""
    found = []
    for line in log.read_text(errors="replace").splitlines() if log.exists() else []:
        try:
            record: dict[str, Any] = json.loads(line)
        except ValueError:
            record = {"level": "critical"}
        if record.get("level") in ("error", "critical") or "exception" in record:
            found.append(line)
    return found


def claims(logs: list[Path]) -> Counter[int]:
    """How often turns were claimed before they ended, as their log lines say."""
    counts: Counter[int] = Counter()
    for log in logs:
        for line in log.read_text(errors="replace").splitlines() if log.exists() else []:
            if '"event": "turn done"' in line:
                counts[json.loads(line)["claim"]] += 1
    return counts


def _time(line: str) -> str:
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        return ""
    return str(record.get("timestamp", ""))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
