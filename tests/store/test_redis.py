"""What only a store on a server can get wrong: round trips, repetitions, expiries, outages, advice."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from bot.conversation import Message, MessageRef, Place, Stop, Turn
from bot.errors import LeaseLost, SettingsError, StoreUnavailable
from bot.ports import Outcome, Part
from bot.store import rules
from bot.store.advice import advice
from bot.store.redis import RedisStore

Ask = Callable[..., Message]

T1 = ["slack:T1"]


async def whole_turn(store: Any, message: Message, answer: str = "a") -> None:
    """A turn whose answer is one message long, as the core makes it."""
    await store.submit(message)
    claim = await store.claim(T1, "w", 15)
    await store.record(claim, place=Place("C1", "1.0"), part=Part(1, 0, MessageRef("C1", secrets.token_hex(4))))
    await store.finish(claim, Outcome(answer=answer, stop=Stop.END_TURN, attempt=1))
    await store.commit(claim, Turn(id=claim.turn_id, questions=claim.messages, answer=answer, stop=Stop.END_TURN))


@asynccontextmanager
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """A way to the server that counts round trips and can be cut."""
    between = Proxy(url.removeprefix("unix://"))
    server = await asyncio.start_server(between.serve, "127.0.0.1", 0)
    between.port = server.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        server.close()
        between.cut()
        await asyncio.gather(*between.tasks, return_exceptions=True)


class Proxy:
    """Counts answers of the server, and can swallow them, or close what is open."""

    def __init__(self, path: str) -> None:
        self.path, self.port = path, 0
        self.round_trips = 0
        self.swallow = 0
        self.silent = False
        self.tasks: set[asyncio.Task[None]] = set()
        self.writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        for writer in self.writers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self.path)
        self.writers |= {writer, far_writer}
        self.tasks |= {
            asyncio.create_task(self._there(reader, far_writer)),
            asyncio.create_task(self._back(far_reader, writer)),
        }

    async def _there(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 20):
            self.round_trips += data.startswith(b"*") and b"SETINFO" not in data
            writer.write(data)
        writer.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 20):
            if self.silent:
                continue
            if self.swallow:
                self.swallow -= 1
                break
            writer.write(data)
        writer.close()


async def test_a_turn_takes_five_round_trips_however_long_its_thread(server: str, on_server: Any, ask: Ask) -> None:
    """Submit, claim, record, finish and commit are one each, with no history and with a thousand turns of it."""
    counts = []
    async with proxy(server) as between:
        store = on_server.store(url=f"redis://127.0.0.1:{between.port}")
        await whole_turn(store, ask("warm the connection and the scripts"))
        for length in (1, 1000):
            message = ask(f"last of {length}", thread=f"C1:{length}")
            for n in range(length - 1):
                turn = Turn(id=str(n), questions=(message,), answer="a", stop=Stop.END_TURN)
                await store.append(message.key, turn)
            await store.claim(T1, "w", 15)
            before = between.round_trips
            await whole_turn(store, message)
            counts.append(between.round_trips - before)
            assert len(await store.load(message.key)) == min(length, 1000)
    assert counts == [5, 5]


async def test_a_worker_elsewhere_claims_in_two_round_trips_and_in_one_when_told(
    server: str, on_server: Any, ask: Ask
) -> None:
    """Not knowing where a turn waits costs one look into all shards; a signal saves it."""
    async with proxy(server) as between:
        store = on_server.store(url=f"redis://127.0.0.1:{between.port}", shards=16)
        intake = on_server.store(shards=16)
        await whole_turn(store, ask("warm the connection and the scripts"))
        assert await store.claim(T1, "w", 15) is None
        await intake.submit(ask("1"))
        before = between.round_trips
        claim = await store.claim(T1, "w", 15)
        assert between.round_trips - before == 2
        await store.commit(claim, None)
        async with asyncio.timeout(5), aclosing(store.signals(T1)) as signals:
            await anext(signals)
            assert await store.claim(T1, "w", 15) is None
            await intake.submit(ask("2"))
            await anext(signals)
            before = between.round_trips
            assert await store.claim(T1, "w", 15)
            assert between.round_trips - before == 1
            crowd = [ask("3", thread=f"C1:{n}", id=str(n)) for n in range(400)]
            await asyncio.gather(*(intake.submit(message) for message in crowd))
            await store.claim(T1, "w", 15)
            before = between.round_trips
            for _ in range(200):
                assert await store.claim(T1, "w", 15)
            assert between.round_trips - before <= 205, "a claim tells when its shard has more"


async def test_every_step_may_lose_its_answer(server: str, on_server: Any, ask: Ask) -> None:
    """The client sends a step again whose answer was lost: it is done once, and succeeds."""
    async with proxy(server) as between:
        store = on_server.store(url=f"redis://127.0.0.1:{between.port}")
        await whole_turn(store, ask("warm"))
        between.swallow = 1
        assert await store.submit(ask("1", at=1)), "the first try made it new"
        await store.submit(ask("2", thread="C1:other"))
        between.swallow = 1
        claim = await store.claim(T1, "w", 15)
        assert claim.claims == 1
        part = Part(1, 0, MessageRef("C1", "1.5"))
        between.swallow = 1
        await store.record(claim, part=part, attempts=1, partial="half")
        between.swallow = 1
        await store.release(claim)
        between.swallow = 1
        again = await store.claim(T1, "w", 15)
        other = again if again.key != claim.key else await store.claim(T1, "w", 15)
        mine = again if again.key == claim.key else await store.claim(T1, "w", 15)
        assert {other.key, mine.key} == {claim.key, ask(thread="C1:other").key}, "no claim was lost on the way"
        assert (mine.claims, mine.attempts, mine.parts) == (1, 1, (part,))
        between.swallow = 1
        await store.finish(mine, Outcome(answer="a", stop=Stop.END_TURN, attempt=2))
        between.swallow = 1
        await store.commit(mine, Turn(id=mine.turn_id, questions=mine.messages, answer="a", stop=Stop.END_TURN))
        between.swallow = 1
        await store.append(mine.key, Turn(id="x", questions=(), answer="b", stop=Stop.END_TURN))
        assert [turn.answer for turn in await store.load(mine.key)] == ["a", "a", "b"]


async def test_a_caller_that_is_cancelled_cancels_nothing(on_server: Any, ask: Ask) -> None:
    """What was sent is done, and the next answer goes to the one who asked for it."""
    store = on_server.store()
    await store.submit(ask("warm"))
    task = asyncio.create_task(store.submit(ask("1")))
    beside = asyncio.create_task(store.takes_part(ask().key))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert await beside is True
    assert await store.cursor("slack:T1") is None
    assert not await store.submit(ask("1"))


async def test_scripts_come_back_after_the_server_forgot_them(on_server: Any, ask: Ask) -> None:
    """A server that was restarted or flushed has its scripts sent again, in the same call."""
    store = on_server.store()
    await whole_turn(store, ask("1"))
    on_server.nodes[0].script_flush()
    await asyncio.gather(*(store.submit(ask(str(n), thread=f"C1:{n}")) for n in range(2, 9)))
    on_server.nodes[0].script_flush()
    assert await store.claim(T1, "w", 15)


async def test_expiries_are_as_long_as_promised(on_server: Any, ask: Ask) -> None:
    """History lives HISTORY_TTL, what waits a week, message ids a day; of a turn nothing else stays."""
    store = RedisStore(on_server.url, history_ttl=3600)
    node = on_server.nodes[0]
    await store.submit(ask("1"))
    claim = await store.claim(T1, "w", 15)
    await store.record(claim, part=Part(1, 0, MessageRef("C1", "1.5")), attempts=1, partial="half")
    left = {key.rpartition(b"}:")[2].split(b":")[0]: node.pttl(key) / 1000 for key in on_server.all_keys()}
    for name in (b"later", b"mail", b"body", b"flight", b"meta"):
        assert left[name] == pytest.approx(rules.MAIL_TTL, abs=5)
    assert left[b"seen"] == pytest.approx(rules.SEEN_TTL, abs=5)
    assert left[b"partial"] == pytest.approx(3600, abs=5)
    await store.commit(claim, Turn(id=claim.turn_id, questions=(), answer="a", stop=Stop.END_TURN))
    names = {key.rpartition(b"}:")[2].split(b":")[0]: node.pttl(key) / 1000 for key in on_server.all_keys()}
    assert names[b"turns"] == pytest.approx(3600, abs=5)
    kinds = {b"turns", b"meta", b"seen", b"fence", b"partial", b"pace"}
    assert {name for name in names if name != b"firsttoken"} == kinds
    await store.close()


async def test_history_is_capped_in_bytes(on_server: Any, ask: Ask) -> None:
    """Few but huge turns stay within what one claim may carry, and one turn is always kept."""
    store = on_server.store()
    key = ask().key
    for n in range(9):
        await store.append(key, Turn(id=str(n), questions=(), answer="a" * 500_000, stop=Stop.END_TURN))
    turns = await store.load(key)
    assert [turn.id for turn in turns] == [str(n) for n in range(4, 9)] or len(
        turns
    ) * 500_000 <= rules.MAX_HISTORY_BYTES
    await store.append(key, Turn(id="huge", questions=(), answer="a" * 5_000_000, stop=Stop.END_TURN))
    assert [turn.id for turn in await store.load(key)] == ["huge"]
    await store.append(key, Turn(id="small", questions=(), answer="a", stop=Stop.END_TURN), replaces="huge")
    await store.append(key, Turn(id="next", questions=(), answer="a", stop=Stop.END_TURN))
    assert [turn.id for turn in await store.load(key)] == ["small", "next"]


async def test_a_lone_process_breaks_all_leases(on_server: Any, ask: Ask) -> None:
    """The turns of a dead program are claimed at once, as crashed; those that wait for a retry go on waiting."""
    store = on_server.store(shards=16)
    for n in range(5):
        await store.submit(ask(str(n), thread=f"C1:{n}"))
    dead = [await store.claim(T1, "dead", 15) for _ in range(5)]
    await store.release(dead[0], delay=60)
    fresh = on_server.store(shards=16)
    assert await fresh.claim(T1, "w", 15) is None
    assert await fresh.break_leases(T1) == 4
    claims = [await fresh.claim(T1, "w", 15) for _ in range(5)]
    assert claims.pop() is None
    assert {claim.key for claim in claims} == {claim.key for claim in dead[1:]}
    assert {claim.claims for claim in claims} == {2}
    with pytest.raises(LeaseLost):
        await store.commit(dead[1], None)


async def test_a_thread_stands_in_one_queue_at_a_time(on_server: Any, ask: Ask) -> None:
    """Whether it waits for a worker, for its lease's end or for its next attempt."""
    store, node = on_server.store(shards=1), on_server.nodes[0]

    def queues() -> tuple[int, int]:
        return node.zcard("firsttoken:{slack:T1:0}:ready"), node.zcard("firsttoken:{slack:T1:0}:later")

    await store.submit(ask("1"))
    assert queues() == (1, 0)
    for release in (0, 60):
        claim = await store.claim(T1, "w", 15)
        assert queues() == (0, 1)
        await store.renew(claim, 15)
        assert queues() == (0, 1)
        await store.release(claim, delay=release)
        assert queues() == ((0, 1) if release else (1, 0))
    await store.amend(claim.key, "slack:T1")
    assert queues() == (1, 0)
    claim = await store.claim(T1, "w", 15)
    await store.submit(ask("2"))
    await store.commit(claim, None)
    assert queues() == (1, 0)
    await store.commit(await store.claim(T1, "w", 15), None)
    assert queues() == (0, 0)


async def test_an_unreadable_record_does_not_block_its_thread(
    on_server: Any, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    """A message or turn of a newer version, or none of ours, is left out and logged; what can be read is answered."""
    store, node = on_server.store(shards=1), on_server.nodes[0]
    prefix, thread = "firsttoken:{slack:T1:0}:", str(ask().key)
    for n in range(4):
        await store.submit(ask(str(n), at=n), alone=n == 3)
    node.hset(f"{prefix}body:{thread}", "m:C1:0", b'.{"v":99}')
    node.hset(f"{prefix}body:{thread}", "m:C1:1", b".nonsense")
    await store.append(ask().key, Turn(id="1", questions=(), answer="kept", stop=Stop.END_TURN))
    node.rpush(f"{prefix}turns:{thread}", b'{"v":99}', b'{"v":1}')
    claim = await store.claim(T1, "w", 15)
    assert [message.text for message in claim.messages] == ["2"]
    assert [turn.answer for turn in claim.history] == ["kept"]
    assert "version 99" in caplog.text
    await store.commit(claim, None)
    node.hset(f"{prefix}body:{thread}", "m:C1:3", b"!nonsense")
    await store.submit(ask("4"))
    assert [message.text for message in (await store.claim(T1, "w", 15)).messages] == ["4"]


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


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bot.store")
