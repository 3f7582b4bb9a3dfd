"""Requests that are no good HTTP, or that hang up in the middle, over bare sockets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

PATH = "/slack/events"
WITHIN = 5.0


def requests(body: bytes, headers: Mapping[str, str], chance: random.Random) -> bytes:
    """Return what is written to the server: one of many kinds of bad request, around a body that may be signed."""
    named = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    start = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n".encode() + named
    length = b"Content-Length: %d\r\n" % len(body)
    whole = start + length + b"\r\n" + body
    chunk = b"%x\r\n%s\r\n" % (len(body), body)
    chunked = start + b"Transfer-Encoding: chunked\r\n\r\n"
    kinds = (
        whole[: chance.randrange(1, len(whole))],
        whole + whole[: chance.randrange(1, len(whole))],
        whole * 3,
        chunked + chunk + b"0\r\n\r\n",
        chunked + chunk[: chance.randrange(1, len(chunk))],
        chunked + b"zz\r\n" + body,
        chunked + b"-5\r\n" + body + b"\r\n0\r\n\r\n",
        chunked + b"f" * 40 + b"\r\n" + body,
        start + length + b"Transfer-Encoding: chunked\r\n\r\n" + chunk,
        start + length + length + b"\r\n" + body,
        start + b"Content-Length: -1\r\n\r\n" + body,
        start + b"Content-Length: " + b"9" * chance.choice([3, 25, 5_000]) + b"\r\n\r\n" + body,
        start + b"X: " + b"y" * 20_000 + b"\r\n\r\n",
        start + b"X: y\r\n" * 500 + b"\r\n",
        start + b"No colon here\r\n\r\n",
        start + b"Expect: the impossible\r\n" + length + b"\r\n" + body,
        start + b"Upgrade: websocket\r\nConnection: upgrade\r\n" + length + b"\r\n" + body,
        whole.replace(b"POST", chance.choice([b"GET", b"PUT", b"post", b"BREW", b"", b"CONNECT", b"OPTIONS"]), 1),
        whole.replace(PATH.encode(), chance.choice([b"/", b"/readyz", b"//", b"/%ff", b"http://[", b"*"]), 1),
        whole.replace(b"HTTP/1.1", chance.choice([b"HTTP/0.9", b"HTTP/1.0", b"HTTP/3", b"", b"XTTP/1.1"]), 1),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01" + bytes(chance.randrange(256) for _ in range(60)),
        bytes(chance.randrange(256) for _ in range(chance.randrange(1, 400))),
        b"\r\n" * 100,
        b"",
    )
    return chance.choice(kinds)


async def send(port: int, request: bytes) -> str:
    """Write it, end the sending, and read what comes; returns what was wrong with it, empty when nothing was."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        writer.write_eof()
        async with asyncio.timeout(WITHIN):
            answer = await reader.read()
    except ConnectionError:
        return ""
    except TimeoutError:
        return f"nothing within {WITHIN:.0f} s: {request[:200]!r}"
    finally:
        writer.close()
    status = answer.split(b" ", 2)[1:2]
    return f"HTTP {status[0]!r}: {request[:200]!r}" if status and status[0].startswith(b"5") else ""
