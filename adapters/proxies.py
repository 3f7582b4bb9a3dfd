"""Which proxy the environment names for an address: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from bot.errors import SettingsError

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Proxy(NamedTuple):
    """A proxy.

    Args:
        url: its address; it may hold a password and belongs in no log.
        host: host and port, for people.
        variable: which variable names it.
    """

    url: str
    host: str
    variable: str


def proxy_for(url: str) -> str | None:
    """Return the address of the proxy for `url`; None for what is asked directly. Raises as `proxy_of`."""
    proxy = proxy_of(url)
    return proxy.url if proxy else None


def proxy_of(url: str) -> Proxy | None:
    """Return the proxy for `url`; None for what is asked directly. Raises SettingsError for what is no HTTP proxy."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in LOOPBACK or host.startswith("127.") or proxy_bypass(host):
        return None
    proxies = getproxies()
    scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
    scheme = scheme if proxies.get(scheme) else "all"
    return _read(f"{scheme.upper()}_PROXY", proxies[scheme]) if proxies.get(scheme) else None


def _read(variable: str, value: str) -> Proxy:
    address = value.strip() if "://" in value else f"http://{value.strip()}"
    wrong = SettingsError(
        f"{variable} is no HTTP proxy: expected an address such as http://proxy.example:3128, with user and password "
        "before the host where it wants them; NO_PROXY names hosts that are asked directly"
    )
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if not host or any(map(str.isspace, address)) or parts.scheme not in ("http", "https"):
        raise wrong
    return Proxy(address, f"{host}:{port}" if port else host, variable)
