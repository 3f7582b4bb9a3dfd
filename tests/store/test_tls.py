"""Redis over TLS: what REDIS_URL says of certificates is heeded, on a lone server and on a cluster."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from bot.conversation import Message
from bot.errors import SettingsError, StoreUnavailable
from bot.store.redis import RedisStore
from tests.store.servers import BUNDLED, cluster_of, free_ports

Ask = Callable[..., Message]


class Files(NamedTuple):
    certificate: Path
    key: Path


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl makes the certificate: install it"
    folder = tmp_path_factory.mktemp("tls")
    made = Files(folder / "certificate.pem", folder / "key.pem")
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    where = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(made.key), "-out", str(made.certificate)]
    subprocess.run([openssl, *words, *where], check=True, capture_output=True)  # noqa: S603
    return made


@asynccontextmanager
async def over_tls(url: str, files: Files, port: int = 0) -> AsyncIterator[int]:
    """A port, the given one or a free one, at which the server at `url` is reached by TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    tasks: set[asyncio.Task[None]] = set()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except (OSError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if url.startswith("unix://"):
            near, far = await asyncio.open_unix_connection(url.removeprefix("unix://"))
        else:
            near, far = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        both = {asyncio.create_task(pipe(reader, far)), asyncio.create_task(pipe(near, writer))}
        tasks.update(both)

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def carries_a_turn(store: RedisStore, message: Message) -> None:
    assert await store.submit(message)
    claim = await store.claim([message.installation], "w", 15)
    assert claim is not None
    await store.commit(claim, None)


@pytest.mark.parametrize("trust", ["ssl_ca_certs={}", "ssl_cert_reqs=none"])
async def test_a_server_over_tls(on_server: Any, files: Files, ask: Ask, trust: str) -> None:
    """A certificate is trusted by its issuer's file, or not looked at where the URL says so."""
    async with over_tls(on_server.url, files) as port:
        store = RedisStore(f"rediss://127.0.0.1:{port}/0?{trust.format(files.certificate)}", history_ttl=1000)
        try:
            await carries_a_turn(store, ask())
        finally:
            await store.close()


async def test_a_certificate_nobody_vouches_for_is_refused(on_server: Any, files: Files, ask: Ask) -> None:
    """Without a word about it only the system's authorities are trusted, and the error says what to write."""
    async with over_tls(on_server.url, files) as port:
        store = RedisStore(f"rediss://:secret@127.0.0.1:{port}/0", history_ttl=1000)
        try:
            with pytest.raises(StoreUnavailable, match="ssl_ca_certs=") as refusal:
                await store.submit(ask())
        finally:
            await store.close()
    assert "secret" not in str(refusal.value)
    assert on_server.all_keys() == []


def test_a_file_that_is_not_there_is_named() -> None:
    """A wrong path is found at start, by name, and not taken for a server that is away."""
    with pytest.raises(SettingsError, match=r"no file /nowhere/ca.pem \(ssl_ca_certs\)") as refusal:
        RedisStore("rediss://:secret@127.0.0.1:1/0?ssl_ca_certs=/nowhere/ca.pem", history_ttl=1000)
    assert "secret" not in str(refusal.value)


async def test_a_cluster_over_tls(tmp_path: Path, files: Files, ask: Ask) -> None:
    """Every node of a cluster is reached by TLS, with what the one URL says."""
    folders = [tmp_path / str(n) for n in range(3)]
    for folder in folders:
        folder.mkdir()
    fronts = free_ports(3)
    async with AsyncExitStack() as stack:
        ports = stack.enter_context(cluster_of(BUNDLED, folders, announced=fronts))
        for port, front in zip(ports, fronts, strict=True):
            await stack.enter_async_context(over_tls(f"redis://127.0.0.1:{port}", files, front))
        url = f"rediss+cluster://127.0.0.1:{fronts[0]}?ssl_ca_certs={files.certificate}"
        store = RedisStore(url, history_ttl=1000)
        try:
            for n in range(5):
                await carries_a_turn(store, ask(installation=f"slack:T{n}"))
        finally:
            await store.close()
