"""Which proxy the environment names, and what is said where it is none, or lets nobody through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.discord import DiscordAdapter
from adapters.proxies import proxy_for, proxy_of
from bot.errors import SettingsError

API = "http://discord.company.invalid/api/v10"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine of the tests is behind concerns none of them."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://discord.com/api", None),
        ({"HTTPS_PROXY": "http://p:1"}, "https://discord.com/api", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "wss://gateway.discord.gg", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "http://discord.company/api", None),
        ({"HTTP_PROXY": "p:1"}, "http://discord.company/api", "http://p:1"),
        ({"https_proxy": "http://ada:pass%40word@p:1"}, "https://discord.com/api", "http://ada:pass%40word@p:1"),
        ({"ALL_PROXY": "http://p:1"}, "https://discord.com/api", "http://p:1"),
        ({"ALL_PROXY": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "https://discord.com/api", "http://q:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".discord.com,discord.com"}, "https://discord.com/api", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "https://discord.com/api", None),
        ({"HTTPS_PROXY": "http://p:1", "HTTP_PROXY": "http://p:1"}, "http://localhost:8080/api", None),
        ({"HTTPS_PROXY": "http://p:1", "HTTP_PROXY": "http://p:1"}, "http://127.0.0.2:8080/api", None),
        ({"HTTPS_PROXY": "http://p:1", "HTTP_PROXY": "http://p:1"}, "http://[::1]:8080/api", None),
    ],
)
def test_the_proxy_is_the_one_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxy: str | None
) -> None:
    """By the scheme of the address; what is exempt, and what runs beside the bot, is asked directly."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


@pytest.mark.parametrize(
    "value", ["socks5://p:1080", "http://", "http://p:99999", "http://two words:1", "ftp://p", "http://[::1"]
)
def test_what_is_no_http_proxy_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """In one sentence, with the variable and what is expected of it."""
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(SettingsError, match=r"^HTTPS_PROXY is no HTTP proxy: expected an address such as http://"):
        proxy_for("https://discord.com/api")
    assert proxy_for("http://discord.company/api") is None


def test_people_are_told_where_a_proxy_is_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its host, its port if it has one, and the variable that names it."""
    monkeypatch.setenv("ALL_PROXY", "http://ada:secret@proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "proxy.example")
    tunnel, plain = proxy_of("https://discord.com"), proxy_of("http://discord.company")
    assert tunnel is not None
    assert plain is not None
    assert tunnel[1:] == ("proxy.example:3128", "ALL_PROXY")
    assert plain[1:] == ("proxy.example", "HTTP_PROXY")


@asynccontextmanager
async def refusing(status: str) -> AsyncIterator[str]:
    """A proxy that lets nobody through; yields its address without the scheme."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def failure(api_url: str) -> str:
    """What is said where the bot cannot log in."""
    adapter = DiscordAdapter("abc.def.ghi", api_url=api_url)
    with pytest.raises(SettingsError) as raised:
        await adapter.start()
    return str(raised.value)


@pytest.mark.parametrize(
    ("scheme", "status"),
    [
        ("http", "407 Proxy Authentication Required"),
        ("https", "407 Proxy Authentication Required"),
        ("https", "502 Bad Gateway"),
    ],
)
async def test_a_proxy_that_lets_nobody_through_is_named(
    monkeypatch: pytest.MonkeyPatch, scheme: str, status: str
) -> None:
    """Whether it is asked for an address or for a tunnel; its password is not told."""
    async with refusing(status) as host:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://ada:secret@{host}")
        said = await failure(API.replace("http", scheme))
    assert f"through the proxy at {host} (HTTP {status[:3]})" in said
    assert said.startswith(f"{scheme.upper()}_PROXY: ")
    assert "secret" not in said


async def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing listens, the person is told of the proxy and not of Discord's status page."""
    async with refusing("") as host:
        pass
    monkeypatch.setenv("HTTP_PROXY", host)
    assert f"through the proxy at {host} " in await failure(API)
