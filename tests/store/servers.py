"""Real servers for a test, and a cluster of them."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis

from bot.store.embedded import server_binary

BUNDLED = str(server_binary())


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def running(binary: str, directory: Path, client: redis.Redis, **options: Any) -> Iterator[None]:
    """A server that keeps nothing, once it answers `client`."""
    options = {"bind": "127.0.0.1", "dir": directory, "save": "", **options}
    words = [str(word) for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
    process = subprocess.Popen([binary, *words], stdout=subprocess.DEVNULL)  # noqa: S603 - ours
    try:
        _until(lambda: _answers(client, process))
        yield
    finally:
        client.close()
        process.kill()
        process.wait()


@contextmanager
def cluster_of(
    binary: str,
    directories: Sequence[Path],
    announced: Sequence[int] = (0, 0, 0),
) -> Iterator[list[int]]:
    """The ports of a cluster of three nodes, which tell clients to come to those that are `announced`; 0: to theirs."""
    ports = free_ports(6)
    with ExitStack() as stack:
        clients = [redis.Redis(port=port) for port in ports[:3]]
        nodes = zip(directories, clients, ports[:3], ports[3:], announced, strict=True)
        for directory, client, port, bus, told in nodes:
            cluster = {"cluster_enabled": "yes", "cluster_port": bus, "cluster_node_timeout": 2000}
            cluster |= {"cluster_announce_port": told, "cluster_announce_bus_port": bus} if told else {}
            stack.enter_context(running(binary, directory, client, port=port, **cluster))
        for i, client in enumerate(clients):
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 5461 * i, 16383 if i == 2 else 5461 * i + 5460)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        for i in (1, 2):
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", ports[i], ports[3 + i])
        for client in clients:
            _until(lambda client=client: _whole(client))
        yield ports[:3]


def _answers(client: redis.Redis, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def _whole(client: redis.Redis) -> bool:
    info = client.execute_command("CLUSTER", "INFO")
    info = info if isinstance(info, dict) else dict(line.split(":") for line in info.decode().split())
    wanted = {"cluster_state": "ok", "cluster_known_nodes": "3", "cluster_slots_ok": "16384"}
    return all(info.get(name) == value for name, value in wanted.items())


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
