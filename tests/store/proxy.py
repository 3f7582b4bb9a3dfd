"""A way to a server that counts round trips, swallows and repeats, falls silent, can be cut and be gone for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """A way to the server that counts round trips and can be cut."""
    between = Proxy(url.removeprefix("unix://"))
    server = await asyncio.start_server(between.serve, "127.0.0.1", 0)
    between.port = server.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        server.close()
        between.cut()
        await asyncio.gather(*between.tasks, return_exceptions=True)


class Proxy:
    """Counts answers of the server, and can swallow them, or close what is open."""

    def __init__(self, path: str) -> None:
        self.path, self.port = path, 0
        self.round_trips = 0
        self.swallow = 0
        self.said = b""
        self.silent = False
        self.away = False
        self.tasks: set[asyncio.Task[None]] = set()
        self.writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        for writer in self.writers:
            writer.close()

    def leave(self) -> None:
        """Be gone until `away` is set back: what is open is cut, and nobody is let in."""
        self.away = True
        self.cut()

    async def repeat(self) -> bytes:
        """Say once more what was said last, as a client does whose answer was lost; returns the answer."""
        reader, writer = await asyncio.open_unix_connection(self.path)
        writer.write(self.said)
        answer = await reader.readline()
        writer.close()
        return answer.strip()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.away:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_unix_connection(self.path)
        self.writers |= {writer, far_writer}
        self.tasks |= {
            asyncio.create_task(self._there(reader, far_writer)),
            asyncio.create_task(self._back(far_reader, writer)),
        }

    async def _there(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 20):
            self.round_trips += data.startswith(b"*") and b"SETINFO" not in data
            self.said = data
            writer.write(data)
        writer.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 20):
            if self.silent:
                continue
            if self.swallow:
                self.swallow -= 1
                break
            writer.write(data)
        writer.close()
