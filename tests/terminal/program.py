"""The program itself, as a person or a script runs it: between pipes, or on a terminal of its own."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0

_ON_A_TERMINAL = (
    "import fcntl, runpy, signal, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGINT, signal.default_int_handler); "  # which a shell's `&` has its programs ignore
    "runpy.run_module('bot', run_name='__main__')"
)
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Program:
    """A running `python -m bot`; what it writes is gathered as it comes."""

    def __init__(self, process: asyncio.subprocess.Process, type_: Callable[[bytes], object], tty: int = -1) -> None:
        self.process = process
        self.output = ""
        self.errors = ""
        self._type = type_
        self._tty = tty
        self._seen = 0
        self._grown = asyncio.Condition()

    async def gather(self, read: Callable[[int], Awaitable[bytes]], *, errors: bool = False) -> None:
        """Read one of its streams to the end."""
        raw = b""
        while piece := await read(65536):
            raw += piece
            text = raw.decode("utf-8", "replace")
            async with self._grown:
                if errors:
                    self.errors = text
                else:
                    self.output = text
                self._grown.notify_all()

    @property
    def screen(self) -> str:
        """Its output without what moves the cursor."""
        return _CODES.sub("", self.output).replace("\r", "")

    @property
    def modes(self) -> int:
        """The local modes its terminal is in."""
        return termios.tcgetattr(self._tty)[3]

    def say(self, text: str | bytes) -> None:
        """Type something, or write it into the pipe."""
        self._type(text.encode() if isinstance(text, str) else text)

    async def answers(self, keys: str, text: str) -> None:
        """Press `keys` until `text` is on the screen: a signal that comes just before a read waits for its end."""
        for _ in range(5):
            self.say(keys)
            with contextlib.suppress(TimeoutError):
                await self.shows(text, within=2.0)
                return
        self.say(keys)
        await self.shows(text)

    async def shows(self, text: str, *, within: float = PATIENCE) -> None:
        """Wait until `text` is on the screen, after what was waited for before."""

        def there() -> bool:
            return text in self.screen[self._seen :]

        try:
            async with asyncio.timeout(within), self._grown:
                await self._grown.wait_for(there)
        except TimeoutError:
            there_is = self.screen[self._seen :]
            raise TimeoutError(f"{text!r} does not come; there is {there_is!r}; {self.errors}") from None
        self._seen = self.screen.index(text, self._seen) + len(text)

    async def ends(self) -> int:
        """Wait until it ends; returns its status."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


def _environment(data_dir: Path, more: dict[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "DATA_DIR": str(data_dir), "TERM": "xterm", **more}


@asynccontextmanager
async def piped(
    data_dir: Path, *arguments: str, stdout: int = asyncio.subprocess.PIPE, **environment: str
) -> AsyncIterator[Program]:
    """`python -m bot` between pipes, in an empty directory; `stdout` may be a pipe of the caller's."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=stdout, stderr=asyncio.subprocess.PIPE,
        cwd=_empty(data_dir), env=_environment(data_dir, environment),
    )  # fmt: skip
    assert process.stdin
    assert process.stderr
    program = Program(process, process.stdin.write)
    errors = asyncio.create_task(program.gather(process.stderr.read, errors=True))
    output = asyncio.create_task(program.gather(process.stdout.read)) if process.stdout else None
    async with _gathered(program, *filter(None, (errors, output))):
        yield program


@asynccontextmanager
async def on_terminal(data_dir: Path, *arguments: str, **environment: str) -> AsyncIterator[Program]:
    """`python -m bot` on a terminal of its own, 100 columns wide, in an empty directory."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a child of tests run under nohup would ignore it, too
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _ON_A_TERMINAL, *arguments,
        stdin=its, stdout=its, stderr=its, start_new_session=True,
        cwd=_empty(data_dir), env=_environment(data_dir, environment),
    )  # fmt: skip
    os.close(its)

    async def read() -> bytes:
        readable = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, readable.set)
        try:
            await readable.wait()
            return os.read(ours, 65536)
        except OSError:  # so Linux says that the other end is closed
            return b""
        finally:
            loop.remove_reader(ours)

    program = Program(process, lambda data: os.write(ours, data), ours)
    try:
        async with _gathered(program, asyncio.create_task(program.gather(lambda _: read()))):
            yield program
    finally:
        os.close(ours)


@asynccontextmanager
async def _gathered(program: Program, *gathering: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
        await asyncio.wait(gathering, timeout=PATIENCE)
    finally:
        for task in gathering:
            task.cancel()
        await asyncio.gather(*gathering, return_exceptions=True)
        with contextlib.suppress(ProcessLookupError):
            if program.process.returncode is None:
                program.process.send_signal(signal.SIGTERM)
        await program.process.wait()


def _empty(data_dir: Path) -> Path:
    """A directory without a `.env` of anybody's."""
    directory = data_dir.parent / "empty"
    directory.mkdir(parents=True, exist_ok=True)
    return directory
