"""Companies in which all goes through a proxy: Slack, Discord with its gateway, and Claude are reached through it."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.store.test_tls import Files, over_tls
from tests.whole.house import Discord, Side, start_process

CREDENTIALS = "ada:pass%40word"


class Proxy:
    """An HTTP proxy that knows where the hosts of a company are: all of them here, under the port in their address."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.unauthorised = 0
        self._ports: dict[bytes, int] = {}

    def lead(self, host: str, port: int) -> None:
        """Know under which port a host is found here, whatever port it is asked for at."""
        self._ports[host.encode()] = port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection: a tunnel after CONNECT, else the request as it is, which names its host."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, target = head.split(b" ", 2)[:2]
        address = re.match(rb"(?:\w+://)?([^/:]+)(?::(\d+))?", target)
        assert address is not None, head
        port = self._ports.setdefault(address[1], int(address[2] or 0))  # some addresses come back without
        self.asked.append(f"{method.decode()} {address[1].decode()}")
        expected = base64.b64encode(b"ada:pass@word")
        if b"Proxy-Authorization: Basic " + expected not in head:
            self.unauthorised += 1
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            there_writer.write(head)
        both = [self._pump(reader, there_writer), self._pump(there_reader, writer)]
        await asyncio.gather(*both, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(1 << 16):
                writer.write(chunk)
                await writer.drain()
        writer.close()


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    made = Proxy()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    address = f"http://{CREDENTIALS}@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTP_PROXY", address)
    monkeypatch.setenv("HTTPS_PROXY", address)
    yield made
    server.close()


def elsewhere(url: str, host: str) -> str:
    """Return an address as a host that only the proxy can find."""
    return url.replace("127.0.0.1", host)


async def test_all_goes_through_the_proxy(side: Side, proxy: Proxy, caplog: pytest.LogCaptureFixture):
    """Calls, sockets and Claude's stream go through it with its credentials, which no log shows."""
    server, claude = side.server, side.house.box.claude
    claude.answer("Through the proxy.")
    host = f"{side.name}.company.invalid"
    settings = {"anthropic_base_url": elsewhere(claude.url, "claude.company.invalid")}
    settings[f"{side.name}_api_url"] = elsewhere(server.url, host)
    hosts = {host, "claude.company.invalid"}
    if isinstance(side, Discord):
        server.move_gateway(lambda url: elsewhere(url, "gateway.company.invalid"))
        hosts.add("gateway.company.invalid")
    async with side.house.bot(**settings):
        await side.ask("are you there?")
        await side.shows_text("Through the proxy.")
    assert hosts <= {entry.split()[1] for entry in proxy.asked}
    assert proxy.unauthorised == 0
    assert "pass%40word" not in caplog.text
    assert "pass@word" not in caplog.text


@pytest.fixture
def certificate(tmp_path: Path) -> Files:
    """A certificate for the hosts of the company that signs itself, and its key."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl makes the certificate: install it"
    made = Files(tmp_path / "certificate.pem", tmp_path / "key.pem")
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=company"]
    where = ["-addext", "subjectAltName=DNS:*.company.invalid", "-keyout", str(made.key), "-out", str(made.certificate)]
    subprocess.run([openssl, *words, *where], check=True, capture_output=True)  # noqa: S603
    return made


async def test_discord_is_reached_through_tunnels(discord: Discord, proxy: Proxy, certificate: Files, tmp_path: Path):
    """Over TLS, as Discord's own addresses are, the API and the gateway are reached by CONNECT."""
    api, gateway = "discord.company.invalid", "gateway.company.invalid"
    discord.house.box.claude.answer("Through a tunnel.")
    async with over_tls(discord.server.url, certificate) as port:
        proxy.lead(api, port)
        proxy.lead(gateway, port)
        discord.server.move_gateway(lambda url: f"wss://{gateway}/gateway")
        process = await start_process(
            discord,
            tmp_path,
            DISCORD_API_URL=f"https://{api}/api/v10",
            HTTPS_PROXY=os.environ["HTTPS_PROXY"],
            SSL_CERT_FILE=str(certificate.certificate),
        )
        await discord.ask("are you there?")
        await discord.shows_text("Through a tunnel.")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert {f"CONNECT {api}", f"CONNECT {gateway}"} == set(proxy.asked)
    assert proxy.unauthorised == 0
    assert b"pass" not in await process.said  # type: ignore[attr-defined]


async def test_what_is_exempt_is_asked_directly(side: Side, proxy: Proxy):
    """What runs beside the bot, and what NO_PROXY names, is not asked through the proxy."""
    side.house.box.claude.answer("Directly.")
    async with side.house.bot():
        await side.ask("are you there?")
        await side.shows_text("Directly.")
    assert proxy.asked == []
