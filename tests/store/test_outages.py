"""Servers that are away, hang, are full, refuse or are set up badly: what is raised, and what is said of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from bot.conversation import Message
from bot.errors import SettingsError, StoreUnavailable
from bot.store.advice import advice
from bot.store.redis import RedisStore
from tests.store.proxy import proxy

Ask = Callable[..., Message]

T1 = ["slack:T1"]


async def test_signals_come_back_after_a_break(server: str, on_server: Any, ask: Ask) -> None:
    """A lost subscription is made again, and says so, since something may have been missed."""
    async with proxy(server) as between:
        listener = on_server.store(url=f"redis://127.0.0.1:{between.port}")
        async with asyncio.timeout(10), aclosing(listener.signals(T1)) as signals:
            await anext(signals)
            between.cut()
            assert (await anext(signals)).kind == "ready"
            await on_server.store().submit(ask())
            assert (await anext(signals)).kind == "ready"


async def test_a_server_that_is_away_is_store_unavailable() -> None:
    """In one sentence that names the server and no password; and signals just wait for it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"redis://bot:s3cret@127.0.0.1:{taken.getsockname()[1]}"
        store = RedisStore(url, history_ttl=1000)
        for call in (store.cursor("slack:T1"), store.check(), store.claim(T1, "w", 15)):
            with pytest.raises(StoreUnavailable, match=r"^Redis at 127\.0\.0\.1:\d+ cannot be reached\.$") as caught:
                await call
            assert "s3cret" not in repr(caught.value) + repr(caught.value.__cause__)
        signals = store.signals(T1)
        listening = asyncio.ensure_future(anext(signals))
        await asyncio.wait({listening}, timeout=0.05)
        assert not listening.done()
        listening.cancel()
        await asyncio.wait({listening})
        await store.close()


async def test_a_server_that_hangs_is_given_up(server: str, on_server: Any) -> None:
    """A call ends within the time in which a lease survives two of them."""
    async with proxy(server) as between:
        store = on_server.store(url=f"redis://127.0.0.1:{between.port}?socket_timeout=0.05")
        between.silent = True
        with pytest.raises(StoreUnavailable, match="did not answer"):
            await store.cursor("slack:T1")
        between.silent = False
        assert await store.cursor("slack:T1") is None


async def test_what_is_wrong_with_a_server_is_said(on_server: Any, ask: Ask) -> None:
    """Full, read-only, password and permissions each have a sentence of their own; and it works again afterwards."""
    node = on_server.nodes[0]
    store = on_server.store()
    cases = [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "is full"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "is read-only"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS"),
        ("ACL SETUSER default -evalsha -eval", "ACL SETUSER default +@all", "does not permit"),
    ]
    for number, (breaks, mends, sentence) in enumerate(cases):
        node.execute_command(*breaks.split())
        try:
            with pytest.raises(StoreUnavailable, match=sentence):
                await store.submit(ask(str(number)))
        finally:
            node.execute_command(*mends.split())
        assert await store.submit(ask(str(number)))
    wrong = on_server.store(url=on_server.url.replace("unix://", "unix://:s3cret@"))
    with pytest.raises(StoreUnavailable, match="refuses the user name or password") as caught:
        await wrong.cursor("slack:T1")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "localhost", "http://localhost", "redis://h:port", "redis+cluster://h/1"])
def test_a_url_that_cannot_be_read_is_a_settings_error(url: str) -> None:
    """One sentence names the variable and what is expected, and does not repeat the value."""
    with pytest.raises(SettingsError, match="REDIS_URL"):
        RedisStore(url, history_ttl=1000)


async def test_a_lone_client_on_a_cluster_is_told_how_to_write_the_url(cluster: list[int], ask: Ask) -> None:
    """`redis://` where `redis+cluster://` is needed."""
    store = RedisStore(f"redis://127.0.0.1:{cluster[0]}", history_ttl=1000)
    submits = (store.submit(ask(str(n), thread=str(n))) for n in range(20))
    with pytest.raises(StoreUnavailable, match=r"redis\+cluster://"):
        await asyncio.gather(*submits)
    await store.close()


async def test_the_embedded_server_is_well_set_up(on_server: Any) -> None:
    """Our own server earns no warning; the same without its append-only file does."""
    store, node = on_server.store(), on_server.nodes[0]
    assert await store.check() == []
    node.config_set("appendonly", "no")
    node.config_set("maxmemory-policy", "allkeys-lru")
    try:
        found = await store.check()
    finally:
        node.config_set("appendonly", "yes")
        node.config_set("maxmemory-policy", "noeviction")
    assert [("appendonly yes" in it, "noeviction" in it) for it in found] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("info", "word"),
    [
        ({"aof_enabled": 0}, "appendonly yes"),
        ({"aof_last_write_status": "err"}, "free space"),
        ({"maxmemory_policy": "volatile-lru"}, "noeviction"),
        ({"maxmemory": 100, "used_memory": 95}, "95%"),
        ({"role": "slave"}, "primary"),
        ({"redis_version": "6.0.16"}, "6.2"),
    ],
)
def test_each_finding_about_a_server_is_one_sentence(info: dict[str, Any], word: str) -> None:
    """Each names what is wrong and the cure, once however many nodes have it."""
    (found,) = advice("Redis at x", [info, info])
    assert word in found
    assert "\n" not in found


def test_a_server_that_may_not_be_asked_is_one_finding() -> None:
    """A managed server may forbid INFO: that is said and is no error."""
    assert len(advice("Redis at x", [])) == 1
    assert advice("Redis at x", [{"redis_version": "7.2.4", "aof_enabled": 1}]) == []


async def test_no_check_is_an_error_where_info_is_forbidden(on_server: Any) -> None:
    """The permission is missing, the bot goes on."""
    node = on_server.nodes[0]
    node.execute_command("ACL", "SETUSER", "default", "-info")
    try:
        (found,) = await on_server.store().check()
    finally:
        node.execute_command("ACL", "SETUSER", "default", "+@all")
    assert "INFO" in found


async def test_a_cluster_is_checked_node_by_node(cluster: list[int]) -> None:
    """The nodes of the test's cluster keep no append-only file: one warning."""
    store = RedisStore(f"redis+cluster://127.0.0.1:{cluster[0]}", history_ttl=1000)
    found = await store.check()
    assert len(found) == 1
    assert "append-only" in found[0]
    await store.close()
