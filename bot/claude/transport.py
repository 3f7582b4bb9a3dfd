"""HTTP for the SDK over aiohttp, so that what reads an answer reads aiohttp itself: no layer a delta has to climb.

The SDK builds requests and types errors as it does over any transport of its HTTP client. Silence is not timed here but
by who reads: a timer set anew for every chunk would cost more than reading it.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2

BODY = "body"
"""The extension of a response under which its `Body` is found."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

LARGEST = 8 * 1024 * 1024
"""Bytes of an answer that is no stream; Claude's longest have a tenth of that."""

BROKEN = (httpx2.HTTPError, aiohttp.ClientError, OSError)
"""What a connection that breaks while a body is read raises."""


class Body(httpx2.AsyncByteStream):
    """The body of one response: bytes as they arrive, decompressed."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.read = response.content.readany
        """Wait for bytes and return all there are; empty at the end. Raises `BROKEN`, and what `fail` was given."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the whole body, as the SDK collects errors and standard answers. Raises `BROKEN`, also if too large."""
        size = 0
        while chunk := await self.read():
            size += len(chunk)
            if size > LARGEST:
                raise httpx2.ReadError(f"an answer of more than {LARGEST} bytes")
            yield chunk

    def fail(self, error: Exception) -> None:
        """Make the read that waits, and every later one, raise `error`."""
        self._response.content.set_exception(error)

    async def aclose(self) -> None:
        """Free the connection: for the next request when the body was read to its end, else by closing it."""
        self._response.release()
        await self._response.wait_for_close()


class Wire(httpx2.AsyncBaseTransport):
    """A transport of the SDK's HTTP client. Proxies are the environment's, but for what runs beside us.

    Args:
        tls: how servers are trusted.
        connections: the most at once; idle ones count.
        keepalive: seconds an idle one is kept.
    """

    def __init__(self, tls: ssl.SSLContext, *, connections: int, keepalive: float) -> None:
        self._tls = tls
        self._connections, self._keepalive = connections, keepalive
        self._opened: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, and return the response once its headers are there."""
        timeouts = request.extensions.get("timeout", {})
        try:
            response = await self._session().request(
                request.method,
                str(request.url),
                headers=request.headers,
                data=await request.aread() or None,
                allow_redirects=False,
                proxy=_proxy(request.url),
                timeout=aiohttp.ClientTimeout(connect=timeouts.get("pool"), sock_connect=timeouts.get("connect")),
                server_hostname=request.extensions.get("sni_hostname"),
            )
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(str(error)) from error
        except aiohttp.ClientError as error:
            raise httpx2.ConnectError(str(error)) from error
        headers = [(name, value) for name, value in response.raw_headers if name.lower() != b"content-encoding"]
        body = Body(response)
        return httpx2.Response(response.status, headers=headers, stream=body, extensions={BODY: body})

    def _session(self) -> aiohttp.ClientSession:
        """Sessions want a running event loop, which there is when the first request comes."""
        if self._opened is None:
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=self._keepalive, ssl=self._tls)
            # Cookies are kept by the SDK's client.
            self._opened = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._opened

    async def aclose(self) -> None:
        """Close all connections."""
        if self._opened is not None:
            await self._opened.close()


def _proxy(url: httpx2.URL) -> str | None:
    """The environment's proxy for `url`; None for what is asked directly."""
    if url.host in LOOPBACK or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"
