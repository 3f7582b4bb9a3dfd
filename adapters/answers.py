"""Bounds on what a platform may answer, for both adapters: how much is read, and that nobody sends us elsewhere."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp

LARGEST = 4 << 20
"""Bytes of one answer. The largest we ask for are a hundred messages of a thread, some hundred kilobytes."""


class BoundedResponse(aiohttp.ClientResponse):
    """A response of which no more than `LARGEST` bytes are read: a larger one ends as a lost answer."""

    async def read(self) -> bytes:
        """Read the body. Raises aiohttp.ClientPayloadError when it is too large."""
        if self._body is None and not self.closed:
            size, pieces = self.content_length or 0, []
            while size <= LARGEST and (piece := await self.content.readany()):
                pieces.append(piece)
                size = sum(map(len, pieces))
            if size > LARGEST:
                self.close()
                raise aiohttp.ClientPayloadError(f"the answer is larger than {LARGEST} bytes")
            self._body = b"".join(pieces)
            for trace in self._traces:
                await trace.send_response_chunk_received(self.method, self.url, self._body)
        return await super().read()


def bound(response: aiohttp.ClientResponse) -> None:
    """Bound a response that somebody else's session made."""
    response.__class__ = BoundedResponse


async def _refuse(_: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestRedirectParams) -> None:
    raise aiohttp.ClientPayloadError(f"the answer is a redirection ({params.response.status})")


def no_redirections() -> aiohttp.TraceConfig:
    """Return what makes a session take a redirection for a lost answer: an API is where it is."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse)
    return trace
