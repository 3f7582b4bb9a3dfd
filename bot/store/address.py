"""What REDIS_URL names: a server, a cluster, or the primary that sentinels know; and the client for it.

Connects to nothing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

from redis import exceptions as redis_errors
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import EqualJitterBackoff

from bot.errors import SettingsError

TIMEOUT: Final = 2.0
"""Seconds to wait for a connection, and for an answer."""

RETRIES: Final = 3
"""A call that fails at once is tried again within about a second: long enough for a server's restart."""

MAX_CONNECTIONS: Final = 32

SENTINEL_PORT: Final = 26379

Client = Redis | RedisCluster

_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_SENTINEL_OPTIONS: Final = frozenset({*_FILES, "ssl_cert_reqs", "sentinel_username", "sentinel_password"})
_UNREADABLE: Final = (
    "REDIS_URL cannot be read: expected redis://host:port/database (user:password@ before the host where "
    "it asks for them), rediss:// for TLS, unix:///path, redis+cluster:// for a cluster, or "
    "redis+sentinel://host:port,host:port/name/database for a primary that sentinels name."
)


class Connected(NamedTuple):
    """What an address comes to.

    Args:
        client: carries commands out.
        name: what it is called in sentences; it holds no password.
        others: clients that it uses, to be closed after it.
    """

    client: Client
    name: str
    others: tuple[Redis, ...] = ()


def connect(url: str) -> Connected:
    """Return the client for an address.

    Raises:
        SettingsError: the address cannot be read, or names a file that is not there.
    """
    retry = Retry(EqualJitterBackoff(cap=0.5, base=0.05), RETRIES)
    common: dict[str, Any] = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT, "protocol": 2}
    try:
        url = encoded(url)
        if urlsplit(url).scheme.endswith("+sentinel"):
            return _of_sentinels(_Sentinels.read(url), retry, common)
        parts = urlsplit(url)
        host = f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
        name = f"Redis at {parts.path if parts.scheme == 'unix' else host}"
        _see_files(parts.query)
        if parts.scheme.endswith("+cluster"):
            nodes = url.replace("+cluster", "", 1)
            cluster = RedisCluster.from_url(nodes, retry=retry, max_connections=MAX_CONNECTIONS, **common)
            return Connected(cluster, name)
        pool = BlockingConnectionPool.from_url(
            url, retry=retry, max_connections=MAX_CONNECTIONS, timeout=TIMEOUT, **common
        )
    except (ValueError, redis_errors.RedisClusterException):
        raise SettingsError(_UNREADABLE) from None
    return Connected(Redis.from_pool(pool), name)


def encoded(url: str) -> str:
    """Return an address whose password holds `#`, `/` or `?` as they are, with those as an address must have them."""
    scheme, separator, rest = url.partition("://")
    credentials, at, host = rest.rpartition("@")
    if not separator or not at or "@" in urlsplit(url).netloc:
        return url
    return f"{scheme}://{re.sub('[#/?]', lambda it: quote(it[0], safe=''), credentials)}@{host}"


def _see_files(query: str) -> None:
    for option, (path, *_) in parse_qs(query).items():
        if option in _FILES and not Path(path).is_file():
            raise SettingsError(f"REDIS_URL: there is no file {path} ({option}).")


class _Sentinels(NamedTuple):
    """What `redis+sentinel://user:password@host:port,host:port/name/database` says.

    Args:
        hosts: the sentinels.
        primary: what they call the primary.
        database: its database.
        credentials: user name and password for it.
        tls: whether it and the sentinels speak TLS.
        options: the query: `sentinel_username` and `sentinel_password`, and redis-py's own `ssl_...`.
    """

    hosts: list[tuple[str, int]]
    primary: str
    database: int
    credentials: dict[str, str]
    tls: bool
    options: dict[str, str]

    @classmethod
    def read(cls, url: str) -> _Sentinels:
        """Read an address. Raises ValueError or SettingsError."""
        parts = urlsplit(url)
        given, _, named = parts.netloc.rpartition("@")
        hosts = [_host(one) for one in named.split(",") if one]
        user, _, password = given.partition(":")
        credentials = {"username": unquote(user), "password": unquote(password)}
        primary, _, database = parts.path.strip("/").partition("/")
        if not hosts or not primary:
            raise SettingsError(
                "REDIS_URL names no primary: expected redis+sentinel://host:port,host:port/name, where name is what "
                "the sentinels call it (often mymaster)."
            )
        _see_files(parts.query)
        options = {name: value for name, (value, *_) in parse_qs(parts.query).items()}
        if unknown := sorted(set(options) - _SENTINEL_OPTIONS):
            raise SettingsError(f"REDIS_URL: {unknown[0]} is no option of redis+sentinel://.")
        return cls(
            hosts,
            unquote(primary),
            int(database or 0),
            {name: value for name, value in credentials.items() if value},
            parts.scheme.startswith("rediss"),
            options,
        )


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("a sentinel without a host")
    return parts.hostname, parts.port or SENTINEL_PORT


def _of_sentinels(named: _Sentinels, retry: Retry, common: dict[str, Any]) -> Connected:
    options = dict(named.options)
    own = {name: options.pop(f"sentinel_{name}") for name in ("username", "password") if f"sentinel_{name}" in options}
    tls: dict[str, Any] = {"ssl": True, **options} if named.tls else {}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        named.hosts,
        # A sentinel that is cut off from all others may still believe in the old primary.
        min_other_sentinels=1 if len(named.hosts) > 1 else 0,
        # Of what the primary is given, sentinels inherit the time-outs alone.
        sentinel_kwargs={**common, **own, **tls},
    )
    given: dict[str, Any] = {**named.credentials, **common, **tls}
    # This pool does not wait for a connection that is free.
    client: Redis = sentinel.master_for(
        named.primary, db=named.database, retry=retry, max_connections=4 * MAX_CONNECTIONS, **given
    )
    where = ", ".join(f"{host}:{port}" for host, port in named.hosts)
    return Connected(client, f"Redis {named.primary} (sentinels {where})", tuple(sentinel.sentinels))
