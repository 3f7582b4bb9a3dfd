"""Who may use the page: browsers of this machine that opened it, and nothing that another site made them send."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

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


def content_policy(page: str) -> str:
    """The Content-Security-Policy of a page: its own inline style and script, its own server, and nothing else."""
    sources = {"style": "", "script": ""}
    for name in sources:
        for inline in re.findall(rf"<{name}>(.*?)</{name}>", page, re.DOTALL):
            digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
            sources[name] += f" 'sha256-{digest}'"
    return (
        f"default-src 'none'; connect-src 'self'; style-src{sources['style']}; script-src{sources['script']}; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
