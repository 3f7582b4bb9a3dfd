"""The stream of changes: what readers see, pushed to the page as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from aiohttp import web

from sandbox.journal import Entry, Journal
from sandbox.page.stages import Json

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, so that a reader who left is noticed."""


class Changes:
    """Server-sent events made from the journal's entries by `change`; entries it returns None for are left out."""

    def __init__(self, journal: Journal, change: Callable[[Entry], Json | None]) -> None:
        self._journal = journal
        self._change = change
        self._readers: set[asyncio.Event] = set()
        self._closed = False

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send what happens from now on, or from the entry after `Last-Event-ID` on, until either side leaves."""
        last = request.headers.get("Last-Event-ID") or request.query.get("since")
        at = int(last) + 1 if last else len(self._journal.entries)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        news = asyncio.Event()
        self._readers.add(news)
        stop_listening = self._journal.listen(lambda _: news.set())
        try:
            await response.write(b": here\n\n")
            while not self._closed:
                news.clear()
                until = len(self._journal.entries)
                await response.write(self._events(at, until))
                at = until
                try:
                    await asyncio.wait_for(news.wait(), HEARTBEAT)
                except TimeoutError:
                    await response.write(b": still here\n\n")
        except ConnectionError:
            pass  # the reader closed the page
        finally:
            stop_listening()
            self._readers.discard(news)
        return response

    def _events(self, start: int, end: int) -> bytes:
        newest: dict[str, bytes] = {}
        for number in range(max(0, start), end):
            change = self._change(self._journal.entries[number])
            if change is None:
                continue
            # of several changes of one thing only the last is worth sending
            key = f"{change['kind']} {change['platform']} {change['channel']} {change.get('id')} {change.get('thread')}"
            newest.pop(key, None)
            newest[key] = f"id: {number}\ndata: {json.dumps(change)}\n\n".encode()
        return b"".join(newest.values())

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        for reader in self._readers:
            reader.set()
