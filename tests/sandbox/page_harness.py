"""What tests of the page share: its calls as its script makes them, and its stream of changes."""

import asyncio
import json
from typing import Any

import aiohttp


class Browser:
    """Calls the page's API as its script does."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url.rstrip("/")
        self.session = session

    async def call(self, path: str, body: Any = None, *, method: str | None = None, status: int = 200) -> Any:
        method = method or ("GET" if body is None else "POST")
        async with self.session.request(method, self.url + path, json=body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()


async def next_change(stream: aiohttp.ClientResponse) -> dict[str, Any]:
    async with asyncio.timeout(5):
        async for line in stream.content:
            if line.startswith(b"data: "):
                change: dict[str, Any] = json.loads(line[6:])
                return change
    raise AssertionError("the stream ended")
