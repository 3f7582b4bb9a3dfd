"""The server that comes along: its data outlives everybody, and it is there for exactly as long as it is needed."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import re
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bot.conversation import Message
from bot.errors import SettingsError, StoreUnavailable
from bot.store.embedded import EmbeddedServer
from bot.store.redis import RedisStore

Ask = Callable[..., Message]

PROGRAM = """
import asyncio, sys
from pathlib import Path
from bot.store.embedded import EmbeddedServer

async def main():
    server = EmbeddedServer(Path(sys.argv[1]))
    await server.__aenter__()
    print(server.url, server.alone, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def nothing_left_running(tmp_path: Path) -> Iterator[None]:
    """A test that fails leaves no server behind either."""
    yield
    for note in tmp_path.rglob("server.json"):
        with (
            contextlib.suppress(redis.ConnectionError),
            redis.Redis(unix_socket_path=json.loads(note.read_text())["socket"], retry=Retry(NoBackoff(), 0)) as client,
        ):
            client.shutdown(nosave=True, force=True)


class Program:
    """Another process that uses the same DATA_DIR."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        self.process, self.stdout = process, process.stdout
        self.url, self.alone = "", False

    @classmethod
    async def start(cls, data: Path) -> Program:
        program = cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                PROGRAM,
                str(data),
                stdout=asyncio.subprocess.PIPE,
                cwd=Path(__file__).parents[2],
            )
        )
        url, alone = (await program.stdout.readline()).decode().split()
        program.url, program.alone = url, alone == "True"
        return program

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


def pid(url: str) -> int:
    path = url.removeprefix("unix://")
    with redis.Redis(unix_socket_path=path, retry=Retry(NoBackoff(), 0)) as client:
        return int(client.info("server")["process_id"])


def answers(url: str) -> bool:
    try:
        return bool(pid(url))
    except redis.ConnectionError:
        return False


async def gone(data: Path) -> None:
    """Wait until no server holds the directory."""
    with (data / "server.lock").open() as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)


async def test_it_starts_and_leaves_nothing_but_its_data(tmp_path: Path, ask: Ask) -> None:
    """A fresh directory gets a server for this user alone, on a short socket; at the end server and socket are gone."""
    data = tmp_path / "with space" / "data"
    data.mkdir(parents=True)
    data.chmod(0o755)
    async with EmbeddedServer(data) as server:
        assert server.alone
        socket = Path(server.url.removeprefix("unix://"))
        assert len(os.fsencode(socket)) <= 100
        for directory in (data, socket.parent):
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        with redis.Redis(unix_socket_path=str(socket)) as client:
            found = client.config_get("appendonly", "appendfsync", "maxmemory-policy", "port", "save")
            assert found == {
                "appendonly": "yes",
                "appendfsync": "everysec",
                "maxmemory-policy": "noeviction",
                "port": "0",
                "save": "",
            }
    assert not answers(server.url)
    assert not socket.parent.exists()


async def test_what_was_accepted_survives_the_servers_death(tmp_path: Path, ask: Ask) -> None:
    """SIGKILL of the server, then a new start: the message is claimed, and a lease of before can be broken."""
    async with EmbeddedServer(tmp_path) as server:
        store = RedisStore(server.url, history_ttl=1000)
        await store.submit(ask("claimed"))
        await store.claim(["slack:T1"], "w", 15)
        await store.submit(ask("waiting", thread="C1:2"))
        await store.close()
        os.kill(pid(server.url), signal.SIGKILL)
        async with EmbeddedServer(tmp_path) as again:
            store = RedisStore(again.url, history_ttl=1000)
            assert (await store.claim(["slack:T1"], "w", 15)).messages == (ask("waiting", thread="C1:2"),)
            assert await store.break_leases(["slack:T1"]) == 2
            await store.close()


async def test_a_server_that_died_comes_back_to_those_who_use_it(tmp_path: Path, ask: Ask) -> None:
    """It is started again in its place with what it had, and an open store goes on with it."""
    async with EmbeddedServer(tmp_path) as server:
        store = RedisStore(server.url, history_ttl=1000)
        assert await store.submit(ask("1"))
        dead = pid(server.url)
        os.kill(dead, signal.SIGKILL)
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(StoreUnavailable):
                    assert not await store.submit(ask("1"))
                    break
        assert pid(server.url) != dead
        await store.close()
    await gone(tmp_path)
    assert not answers(server.url)


async def test_a_second_program_shares_the_server(tmp_path: Path) -> None:
    """It connects to the first one's, knows that it is not alone, and the last to leave stops the server."""
    second = EmbeddedServer(tmp_path)
    async with EmbeddedServer(tmp_path) as first:
        await second.__aenter__()
        assert (second.url, second.alone) == (first.url, False)
    assert answers(first.url), "the second still needs it"
    await second.__aexit__(None, None, None)
    assert not answers(first.url)


async def test_the_first_leaves_last(tmp_path: Path) -> None:
    """A guest that goes takes the server away from nobody."""
    async with EmbeddedServer(tmp_path) as first:
        async with EmbeddedServer(tmp_path):
            pass
        assert answers(first.url)
    assert not answers(first.url)


async def test_a_killed_program_leaves_its_server_to_the_next(tmp_path: Path) -> None:
    """The next start adopts it, alone, and stops it in the end."""
    dead = await Program.start(tmp_path)
    assert dead.alone
    before = pid(dead.url)
    await dead.kill()
    async with EmbeddedServer(tmp_path) as heir:
        assert (heir.url, heir.alone, pid(heir.url)) == (dead.url, True, before)
    assert not answers(heir.url)


async def test_one_is_not_alone_beside_a_guest_of_a_dead_program(tmp_path: Path) -> None:
    """The guest lives on, and its leases must not be broken."""
    first = await Program.start(tmp_path)
    guest = await EmbeddedServer(tmp_path).__aenter__()
    await first.kill()
    async with EmbeddedServer(tmp_path) as heir:
        assert not heir.alone
        await guest.__aexit__(None, None, None)
        assert answers(heir.url)
    assert not answers(heir.url)


async def test_nobody_comes_in_before_the_first_has_cleared_up(tmp_path: Path) -> None:
    """A program that breaks a dead one's leases does so before another can hold any; and dying, it bars nobody."""
    async with EmbeddedServer(tmp_path, private=True) as first:
        guest = EmbeddedServer(tmp_path, private=True)
        entering = asyncio.create_task(guest.__aenter__())
        await asyncio.wait({entering}, timeout=0.2)
        assert first.alone
        assert not entering.done()
        first.admit()
        await entering
        assert not guest.alone
        async with EmbeddedServer(tmp_path):
            pass
        await guest.__aexit__(None, None, None)
    async with EmbeddedServer(tmp_path, private=True) as again:
        assert again.alone


async def test_ctrl_c_in_the_terminal_does_not_reach_the_server(tmp_path: Path) -> None:
    """It is in another session than the program, so that turns can be given back first."""
    async with EmbeddedServer(tmp_path) as server:
        assert os.getsid(pid(server.url)) != os.getsid(0)


async def test_two_that_start_at_once_share_one_server(tmp_path: Path) -> None:
    """One of them starts it, and one is alone or the other, never both."""
    servers = [EmbeddedServer(tmp_path) for _ in range(4)]
    await asyncio.gather(*(server.__aenter__() for server in servers))
    assert len({server.url for server in servers}) == 1
    assert sum(server.alone for server in servers) == 1
    await asyncio.gather(*(server.__aexit__(None, None, None) for server in servers))
    assert not answers(servers[0].url)


async def test_a_directory_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    """It names DATA_DIR and the reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=re.escape(f"DATA_DIR {tmp_path}/file/data cannot be used: Not a dir")):
        await EmbeddedServer(tmp_path / "file" / "data").__aenter__()


async def test_data_that_cannot_be_read_is_one_sentence(tmp_path: Path, ask: Ask) -> None:
    """It says what the server said, leaves the data alone, and the directory can be used once it is mended."""
    async with EmbeddedServer(tmp_path) as server:
        store = RedisStore(server.url, history_ttl=1000)
        await store.submit(ask())
        await store.close()
    manifest = tmp_path / "appendonlydir" / "appendonly.aof.manifest"
    good = manifest.read_bytes()
    manifest.write_bytes(b"nonsense\n")
    with pytest.raises(SettingsError, match=r"DATA_DIR .* did not start .*AOF") as caught:
        await EmbeddedServer(tmp_path).__aenter__()
    assert "\n" not in str(caught.value)
    manifest.write_bytes(good)
    async with EmbeddedServer(tmp_path) as server:
        store = RedisStore(server.url, history_ttl=1000)
        assert not await store.submit(ask())
        await store.close()


async def test_a_long_temporary_path_is_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's path has a limit that a directory's has not."""
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    async with EmbeddedServer(tmp_path / "data") as server:
        assert answers(server.url)
    assert list(deep.iterdir()) == []
