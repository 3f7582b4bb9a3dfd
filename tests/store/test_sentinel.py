"""A primary that sentinels name: it is replaced, by plan or because it died, and nothing that was taken in is lost."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from bot.errors import SettingsError, StoreUnavailable
from bot.store import RedisStore
from tests.store.backing import ask
from tests.store.servers import BUNDLED, free_ports, running

T1 = ["slack:T1"]
PASSWORDS = {"requirepass": "s3cret", "masterauth": "s3cret"}


class Sentinels:
    """A primary with one replica, and two sentinels that watch over them, all with passwords."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.primary, self.replica, *watching = free_ports(4)
        self.url = f"redis+sentinel://:s3cret@127.0.0.1:{watching[0]},127.0.0.1:{watching[1]}/mymaster/0"
        self.stacks: dict[int, ExitStack] = {}
        self._clients = [redis.Redis(port=port) for port in watching]
        replica_of = {"replicaof": f"127.0.0.1 {self.primary}", "repl_diskless_sync_delay": "0"}
        for port, options in ((self.primary, {}), (self.replica, replica_of)):
            (folder / str(port)).mkdir()
            self.stacks[port] = own = stack.enter_context(ExitStack())
            client = redis.Redis(port=port, password="s3cret")
            own.enter_context(running(BUNDLED, folder / str(port), client, port=port, **PASSWORDS, **options))
        self._until(lambda: self._replicates(redis.Redis(port=self.replica, password="s3cret")))
        for port, client in zip(watching, self._clients, strict=True):
            file = folder / f"sentinel{port}.conf"
            file.write_text(
                f"port {port}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {self.primary} 1\n"
                "sentinel auth-pass mymaster s3cret\nsentinel down-after-milliseconds mymaster 800\n"
                "sentinel failover-timeout mymaster 4000\n"
            )
            process = subprocess.Popen([BUNDLED, str(file), "--sentinel"], stdout=subprocess.DEVNULL)  # noqa: S603
            stack.callback(process.wait)
            stack.callback(process.kill)
            self._until(client.ping)
        for client in self._clients:
            self._until(lambda client=client: self._state(client)["num-other-sentinels"] == 1)
            self._until(lambda client=client: self._state(client)["num-slaves"] == 1)

    def now(self) -> int:
        """The port of the server that is the primary now."""
        return int(self._clients[0].execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")[1])

    def fail_over(self) -> None:
        """Make the replica the primary, as an operator does before maintenance."""
        self._clients[0].execute_command("SENTINEL", "FAILOVER", "mymaster")

    def wait(self) -> None:
        """Wait until the replica is the primary."""
        self._until(lambda: self.now() == self.replica)

    def kill(self) -> None:
        """Let the primary die."""
        self.stacks[self.primary].close()

    def _state(self, client: redis.Redis) -> dict[str, Any]:
        return client.sentinel_master("mymaster")

    @staticmethod
    def _replicates(client: redis.Redis) -> bool:
        with client:
            return client.info("replication").get("master_link_status") == "up"

    @staticmethod
    def _until(condition: Any) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                if condition():
                    return
            except redis.RedisError:
                pass
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    with ExitStack() as stack:
        yield Sentinels(tmp_path, stack)


@pytest.mark.parametrize("way", ["fail_over", "kill"])
async def test_nothing_is_lost_when_the_primary_is_replaced(sentinels: Sentinels, way: str) -> None:
    """Messages handed in again while the store is away are all there afterwards, in order, once, and are claimed."""
    store = RedisStore(sentinels.url, history_ttl=1000)
    accepted: list[str] = []
    replaced = False
    longest, last = 0.0, time.monotonic()
    async with asyncio.timeout(40):
        number = 0
        while not replaced or number < 80:
            number += 1
            message = ask(id=f"C1:{number}.0", at=1_700_000_000.0 + number, thread=f"C1:{number}.0")
            while True:
                try:
                    await store.submit(message)
                except StoreUnavailable:
                    await asyncio.sleep(0.1)
                else:
                    break
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
            accepted.append(message.id)
            if number == 20:
                await asyncio.sleep(0.2)  # for what was acknowledged to reach the replica
                await asyncio.to_thread(getattr(sentinels, way))
            replaced = sentinels.now() == sentinels.replica
            await asyncio.sleep(0.02)
        claimed: list[str] = []
        while claim := await store.claim(T1, "w", 15.0):
            claimed += (message.id for message in claim.messages)
        await store.close()
    assert claimed == accepted
    assert longest < 15.0


async def test_signals_go_on_with_the_new_primary(sentinels: Sentinels) -> None:
    """A worker that listens hears of new messages after the primary was replaced."""
    store = RedisStore(sentinels.url, history_ttl=1000)
    signals = store.signals(T1)
    async with asyncio.timeout(30):
        assert await anext(signals)
        await asyncio.to_thread(sentinels.fail_over)
        await asyncio.to_thread(sentinels.wait)
        heard = asyncio.ensure_future(anext(signals))
        number = 0
        while not heard.done():
            number += 1
            with suppress(StoreUnavailable):
                await store.submit(ask(id=f"C1:{number}.0", at=1_700_000_000.0 + number))
            await asyncio.wait({heard}, timeout=0.2)
        await signals.aclose()
    await store.close()


async def test_no_sentinel_that_answers_is_said_without_a_password() -> None:
    """In one sentence that names the sentinels; and one that knows no such primary is named likewise."""
    store = RedisStore("redis+sentinel://bot:s3cret@127.0.0.1:1,127.0.0.1:2/mymaster", history_ttl=1000)
    with pytest.raises(
        StoreUnavailable, match=r"^Redis mymaster \(sentinels 127\.0\.0\.1:1, 127\.0\.0\.1:2\) "
    ) as told:
        await store.cursor("slack:T1")
    assert "s3cret" not in str(told.value)
    await store.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis+sentinel://h1:26379,h2:26379", "names no primary.*mymaster"),
        ("redis+sentinel:///mymaster", "names no primary"),
        ("redis+sentinel://h1:x/mymaster", "cannot be read.*redis\\+sentinel://"),
        ("redis+sentinel://h1/mymaster/one", "cannot be read"),
        ("redis+sentinel://h1/mymaster?ssl_ca_certs=/nowhere", "there is no file /nowhere"),
        ("redis+sentinel://h1/mymaster?sentinal_password=x", "sentinal_password is no option"),
    ],
)
def test_an_address_that_cannot_be_meant_is_one_sentence(url: str, sentence: str) -> None:
    """What is wrong with it is said before anything is tried."""
    with pytest.raises(SettingsError, match=sentence):
        RedisStore(url, history_ttl=1000)
