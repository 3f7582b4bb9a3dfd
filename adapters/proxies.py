"""Which proxy the environment names for an address: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def proxy_for(url: str) -> str | None:
    """Return the proxy for `url`; None for what is asked directly. It may hold a password and belongs in no log."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in LOOPBACK or host.startswith("127.") or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get({"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"
