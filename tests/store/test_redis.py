"""What only a store on a server can get wrong: round trips, repetitions, cancellation, expiries, old records."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from bot.conversation import Message, MessageRef, Place, StopReason, Turn
from bot.errors import LeaseLost
from bot.ports import Part, StoredAnswer
from bot.store import rules
from bot.store.redis import RedisStore
from tests.store.proxy import proxy

Ask = Callable[..., Message]

T1 = ["slack:T1"]


async def whole_turn(store: Any, message: Message, answer: str = "a") -> None:
    """A turn whose answer is one message long, as the core makes it."""
    await store.submit(message)
    claim = await store.claim(T1, "w", 15)
    await store.record(claim, place=Place("C1", "1.0"), part=Part(1, 0, MessageRef("C1", secrets.token_hex(4))))
    await store.finish(claim, StoredAnswer(answer=answer, stop=StopReason.END_TURN, attempt=1))
    await store.commit(claim, Turn(id=claim.turn_id, questions=claim.messages, answer=answer, stop=StopReason.END_TURN))


async def test_a_turn_takes_five_round_trips_however_long_its_thread(server: str, on_server: Any, ask: Ask) -> None:
    """Submit, claim, record, finish and commit are one each, with no history and with a thousand turns of it."""
    counts = []
    async with proxy(server) as between:
        store = on_server.store(url=f"redis://127.0.0.1:{between.port}")
        await whole_turn(store, ask("warm the connection and the scripts"))
        for length in (1, 1000):
            message = ask(f"last of {length}", thread=f"C1:{length}")
            for n in range(length - 1):
                turn = Turn(id=str(n), questions=(message,), answer="a", stop=StopReason.END_TURN)
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
    """Not knowing where a turn waits costs one look; a signal saves it."""
    async with proxy(server) as between:
        store = on_server.store(url=f"redis://127.0.0.1:{between.port}")
        intake = on_server.store()
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
            assert between.round_trips - before <= 205, "a claim tells when there is more"


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
        await store.finish(mine, StoredAnswer(answer="a", stop=StopReason.END_TURN, attempt=2))
        between.swallow = 1
        await store.commit(mine, Turn(id=mine.turn_id, questions=mine.messages, answer="a", stop=StopReason.END_TURN))
        between.swallow = 1
        await store.append(mine.key, Turn(id="x", questions=(), answer="b", stop=StopReason.END_TURN))
        assert [turn.answer for turn in await store.load(mine.key)] == ["a", "a", "b"]


async def test_a_stop_sent_again_stops_no_other_turn(server: str, on_server: Any, ask: Ask) -> None:
    """A change whose answer was lost is sent again, perhaps into another turn: it does nothing and answers the same."""
    async with proxy(server) as between:
        store, through = on_server.store(), on_server.store(url=f"redis://127.0.0.1:{between.port}")
        await store.submit(ask("1", at=1), alone=True)
        assert not await through.amend(ask(thread="warm").key, "slack:T1")
        claim = await store.claim(T1, "w", 15)
        await store.submit(ask("2", at=2))
        assert await through.amend(claim.key, "slack:T1")
        await store.commit(claim, None)
        following = await store.claim(T1, "w", 15)
        assert await between.repeat() == b":1"
        assert not (await store.renew(following, 15)).stopped
        assert await through.amend(claim.key, "slack:T1", message_id="C1:2")
        assert await between.repeat() == b":1"


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


async def test_a_burst_goes_through(on_server: Any, ask: Ask) -> None:
    """More calls at one moment than there are connections are sent in bundles, and each gets its own answer."""
    store = on_server.store()
    messages = [ask(str(n), thread=f"C1:{n % 50}") for n in range(1000)]
    assert await asyncio.gather(*(store.submit(message) for message in messages)) == [True] * 1000
    assert await asyncio.gather(*(store.submit(message) for message in messages)) == [False] * 1000


async def test_few_calls_share_a_connection_and_many_take_several(server: str, on_server: Any, ask: Ask) -> None:
    """In one pipeline for all, the server would be idle while this process packs, and the other way round."""
    async with proxy(server) as between:
        store = on_server.store(url=f"redis://127.0.0.1:{between.port}")
        opened = []
        for count in (10, 64):
            messages = [ask(f"{count}.{n}", thread=f"C1:{n}") for n in range(count)]
            assert all(await asyncio.gather(*(store.submit(message) for message in messages)))
            opened.append(len(between.writers) // 2)
        assert opened[0] == 1
        assert opened[1] > 2


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
    await store.commit(claim, Turn(id=claim.turn_id, questions=(), answer="a", stop=StopReason.END_TURN))
    names = {key.rpartition(b"}:")[2].split(b":")[0]: node.pttl(key) / 1000 for key in on_server.all_keys()}
    assert (names[b"turns"], names[b"ours"]) == (pytest.approx(3600, abs=5), pytest.approx(3600, abs=5))
    kinds = {b"turns", b"meta", b"seen", b"fence", b"partial", b"pace", b"ours"}
    assert {name for name in names if name != b"firsttoken"} == kinds
    await store.close()


async def test_history_is_capped_in_bytes(on_server: Any, ask: Ask) -> None:
    """Few but huge turns stay within what one claim may carry, and one turn is always kept."""
    store = on_server.store()
    key = ask().key
    for n in range(9):
        await store.append(key, Turn(id=str(n), questions=(), answer="a" * 500_000, stop=StopReason.END_TURN))
    turns = await store.load(key)
    assert [turn.id for turn in turns] == [str(n) for n in range(4, 9)] or len(
        turns
    ) * 500_000 <= rules.MAX_HISTORY_BYTES
    await store.append(key, Turn(id="huge", questions=(), answer="a" * 5_000_000, stop=StopReason.END_TURN))
    assert [turn.id for turn in await store.load(key)] == ["huge"]
    await store.append(key, Turn(id="small", questions=(), answer="a", stop=StopReason.END_TURN), replaces="huge")
    await store.append(key, Turn(id="next", questions=(), answer="a", stop=StopReason.END_TURN))
    assert [turn.id for turn in await store.load(key)] == ["small", "next"]


async def test_a_lone_process_breaks_all_leases(on_server: Any, ask: Ask) -> None:
    """The turns of a dead program are claimed at once, as crashed; those that wait for a retry go on waiting."""
    store = on_server.store()
    for n in range(5):
        await store.submit(ask(str(n), thread=f"C1:{n}"))
    dead = [await store.claim(T1, "dead", 15) for _ in range(5)]
    await store.release(dead[0], delay=60)
    fresh = on_server.store()
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
    store, node = on_server.store(), on_server.nodes[0]

    def queues() -> tuple[int, int]:
        return node.zcard("firsttoken:{slack:T1}:ready"), node.zcard("firsttoken:{slack:T1}:later")

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
    store, node = on_server.store(), on_server.nodes[0]
    prefix, thread = "firsttoken:{slack:T1}:", str(ask().key)
    for n in range(4):
        await store.submit(ask(str(n), at=n), alone=n == 3)
    node.hset(f"{prefix}body:{thread}", "m:C1:0", b'.{"v":99}')
    node.hset(f"{prefix}body:{thread}", "m:C1:1", b".nonsense")
    await store.append(ask().key, Turn(id="1", questions=(), answer="kept", stop=StopReason.END_TURN))
    node.rpush(f"{prefix}turns:{thread}", b'{"v":99}', b'{"v":1}')
    claim = await store.claim(T1, "w", 15)
    assert [message.text for message in claim.messages] == ["2"]
    assert [turn.answer for turn in claim.history] == ["kept"]
    assert "version 99" in caplog.text
    await store.commit(claim, None)
    node.hset(f"{prefix}body:{thread}", "m:C1:3", b"!nonsense")
    await store.submit(ask("4"))
    assert [message.text for message in (await store.claim(T1, "w", 15)).messages] == ["4"]


@pytest.mark.parametrize("when", ["waiting", "claimed"])
async def test_a_record_that_is_gone_does_not_block_its_thread(
    on_server: Any, ask: Ask, caplog: pytest.LogCaptureFixture, when: str
) -> None:
    """A message of which the server lost the text is left out and logged; those around it are answered."""
    store, node = on_server.store(), on_server.nodes[0]
    for n in range(3):
        await store.submit(ask(str(n), at=n))
    if when == "claimed":
        await store.release(await store.claim(T1, "w", 15))
    node.hdel(f"firsttoken:{{slack:T1}}:body:{ask().key}", "m:C1:1")
    claim = await store.claim(T1, "w", 15)
    assert [message.text for message in claim.messages] == ["0", "2"]
    assert "gone" in caplog.text
    await store.commit(claim, None)
    await store.submit(ask("3"))
    node.hdel(f"firsttoken:{{slack:T1}}:body:{ask().key}", "m:C1:3")
    assert await store.claim(T1, "w", 15) is None
    await store.submit(ask("4"))
    assert [message.text for message in (await store.claim(T1, "w", 15)).messages] == ["4"]
