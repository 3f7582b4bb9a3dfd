"""The stores under test: in memory, on a real server, on a real cluster of three nodes; and a watch on their keys.

Where the system has a `redis-server` of its own the same must hold on it, whatever its version.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import redis

from bot.conversation import Message
from bot.store.embedded import EmbeddedServer
from tests.store.backing import Backing, ask
from tests.store.servers import BUNDLED, cluster_of, free_ports, running

SYSTEM = shutil.which("redis-server")
KINDS = ["memory", "redis", "cluster", *(["system"] if SYSTEM else [])]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded server."""
    embedded = EmbeddedServer(tmp_path_factory.mktemp("data"))
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(embedded.__aenter__())
        yield embedded.url
        runner.run(embedded.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    """The ports of a cluster of three nodes."""
    with cluster_of(BUNDLED, [tmp_path_factory.mktemp("node") for _ in range(3)]) as ports:
        yield ports


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the system's own server."""
    [port] = free_ports(1)
    with running(SYSTEM or "", tmp_path_factory.mktemp("system"), redis.Redis(port=port), port=port):
        yield port


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest) -> Backing:
    """Every kind of backing in turn, empty."""
    match request.param:
        case "redis":
            return Backing.on_server(request.getfixturevalue("server"))
        case "cluster":
            ports = request.getfixturevalue("cluster")
            nodes = [redis.Redis(port=port) for port in ports]
            return Backing("cluster", f"redis+cluster://127.0.0.1:{ports[0]}", nodes).emptied()
        case "system":
            port = request.getfixturevalue("system")
            return Backing("system", f"redis://127.0.0.1:{port}", [redis.Redis(port=port)]).emptied()
        case _:
            return Backing("memory")


@pytest.fixture
async def backing(opened: Backing) -> AsyncIterator[Backing]:
    """Every kind of store in turn."""
    yield opened
    await opened.close()


@pytest.fixture
async def on_server(server: str) -> AsyncIterator[Backing]:
    """The lone server only."""
    backing = Backing.on_server(server)
    yield backing
    await backing.close()


@pytest.fixture
def store(backing: Backing) -> Any:
    """One store of every kind in turn."""
    return backing.store()


@pytest.fixture(name="ask")
def ask_fixture() -> Callable[..., Message]:
    """The maker of messages."""
    return ask
