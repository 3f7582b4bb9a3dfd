"""Who may use the page: browsers of this machine that opened it, and nothing that another site made them send."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

CONTENT_POLICY = (
    "default-src 'none'; connect-src 'self'; style-src 'self'; script-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The page's Content-Security-Policy: its own files, its own server, no markup made of text, and nothing else."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_loopback(host: str) -> bool:
    """Whether a host name, with or without a port, can only mean this machine."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse other hosts (DNS rebinding) and other origins, and say errors as JSON."""
    # a name that was made to point here is not ours; a form of another site has its own origin and no JSON
    origin = request.headers.get("Origin")
    if not is_loopback(request.host) or (origin is not None and origin != f"http://{request.host}"):
        return _error(403, "this page is for browsers of this machine only")
    if request.method == "POST" and request.content_type != "application/json":
        return _error(415, "send JSON")
    try:
        return await handler(request)
    except KeyError as error:
        return _error(404, f"there is no {error.args[0]!r}" if error.args else "there is no such thing")
    except (ValueError, TypeError) as error:
        return _error(400, str(error))


def _error(status: int, sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=status)
