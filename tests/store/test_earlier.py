"""Versions share a server while one takes the other's place: each reads what the other wrote, and goes on with it.

What an earlier one wrote lies in `records`, all of a server's keys; see `earlier` for how it was made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from bot.conversation import Attachment, MessageRef, Place, StopReason
from bot.ports import Claim
from bot.store import codec
from tests.store import earlier
from tests.store.earlier import ANSWERED, BROKEN, DIRECT, NOW, OUTBOX, T1, WAITING

FOLDER = Path(__file__).parent / "records"
RECORDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
VERSIONS = pytest.mark.parametrize("version", RECORDS)


@pytest.fixture
def node(server: str) -> Iterator[redis.Redis]:
    """A server with nothing on it."""
    node = redis.Redis(unix_socket_path=server.removeprefix("unix://"))
    node.flushall()
    yield node
    node.flushall()
    node.close()


async def successor(server: str) -> Any:
    """A store of this version, a minute after the other went."""
    store = earlier.opened(server)
    store.clock_offset += 60_000
    return store


@VERSIONS
async def test_what_it_left_waiting_is_claimed(server: str, node: redis.Redis, version: str) -> None:
    """Finished answers are there to be delivered, dead workers' turns to be asked anew, and questions as edited."""
    earlier.loaded(node, RECORDS[version])
    store = await successor(server)
    claims: dict[str, Claim] = {}
    while (claim := await store.claim([T1], "successor", 15.0)) is not None:
        claims[claim.key.thread] = claim
    await store.close()
    assert set(claims) == {OUTBOX, BROKEN, WAITING, DIRECT}
    assert all(claim.installation == T1 and claim.first_claimed_at >= NOW for claim in claims.values())
    outbox, broken, waiting, direct = (claims[thread] for thread in (OUTBOX, BROKEN, WAITING, DIRECT))
    assert outbox.outcome == earlier.ANSWER
    assert (outbox.claims, outbox.takes, outbox.attempts, outbox.shown, outbox.stopped) == (2, 2, 1, 2, False)
    assert [part.ref for part in outbox.parts] == [MessageRef("C1", "2.2")]
    assert outbox.messages == (earlier.message("C1:2.1", "whose answer is finished", OUTBOX),)
    assert (broken.outcome, broken.place, broken.parts) == (None, earlier.PLACE, earlier.PARTS)
    assert (broken.claims, broken.attempts, broken.shown, broken.stopped) == (2, 1, 1, True)
    assert broken.settled == {1}
    assert [message.text for message in broken.messages] == ["whose worker died"]
    assert waiting.messages == (earlier.message("C1:4.1", "what waits, edited", WAITING),)
    assert (waiting.claims, waiting.attempts, waiting.parts) == (1, 0, ())
    assert direct.place == Place("D1", None, reply_to="5.1", direct=True, root="5.1")


@VERSIONS
async def test_what_it_remembered_is_known(server: str, node: redis.Redis, version: str) -> None:
    """The history, whose messages are whose, where history was read to, and that a message was handed in before."""
    earlier.loaded(node, RECORDS[version])
    store = await successor(server)
    assert await store.load(earlier.key(ANSWERED)) == (earlier.TURN,)
    assert await store.cursor(T1) == "123456"
    assert await store.directs(T1) == ("D1",)
    assert await store.key_of(T1, "C1:1.3") == await store.key_of(T1, "1.3") == earlier.key(ANSWERED)
    assert await store.key_of(T1, "C1:3.3") == earlier.key(BROKEN)
    assert await store.takes_part(earlier.key(DIRECT))
    assert not await store.submit(earlier.FIRST)
    assert await store.submit(earlier.message("C1:4.9", "deleted before it came", WAITING))
    assert await store.submit(earlier.message("C1:4.8", "edited since", "C1:6.1"))
    texts = [message.text for _ in range(5) for message in (await earlier.taken(store)).messages]
    assert "edited before it came" in texts
    assert "deleted before it came" not in texts
    await store.close()


@VERSIONS
async def test_a_turn_goes_on_in_the_thread_it_answered(server: str, node: redis.Redis, version: str) -> None:
    """A question after the change of versions knows the history, and adds to it; so does a delivered answer."""
    earlier.loaded(node, RECORDS[version])
    store = await successor(server)
    await store.submit(earlier.message("C1:1.9", "and now?", ANSWERED))
    while (claim := await store.claim([T1], "successor", 15.0)) is not None:
        turn = replace(earlier.TURN, id=claim.turn_id, answer="the next", stop=StopReason.END_TURN)
        if claim.key.thread == ANSWERED:
            assert (claim.history, claim.after) == ((earlier.TURN,), "1.3")
        await store.commit(claim, turn)
    assert [turn.answer for turn in await store.load(earlier.key(ANSWERED))] == [earlier.TURN.answer, "the next"]
    assert [turn.answer for turn in await store.load(earlier.key(OUTBOX))] == ["the next"]
    await store.close()


@VERSIONS
async def test_it_could_read_what_is_written_today(server: str, node: redis.Redis, version: str) -> None:
    """The same keys hold the same, of the same kind; fields that it did not know may stand beside those it did."""
    store = earlier.opened(server)
    await earlier.write(store)
    await store.close()
    written, known = (_comparable(it) for it in (earlier.dumped(node), RECORDS[version]))
    assert _missing(known, written) == []


@VERSIONS
def test_what_messages_have_gained_stands_beside(version: str) -> None:
    """What it read of a message it finds as it was: an address of a file makes no fourth field of the three."""
    [record] = RECORDS[version]["firsttoken:{slack:T1}:turns:slack:T1:C1:1.1"][1]
    known = json.loads(record)["questions"][0]
    message = replace(
        earlier.FIRST,
        attachments=tuple(replace(file, url="https://files.example/1") for file in earlier.FIRST.attachments),
        external=True,
        from_bot=True,
        looping=True,
    )
    data = codec.message_to_bytes(message)
    assert _missing(known, json.loads(codec.to_text(data)), ignoring={"text"}) == []
    assert codec.message_from_bytes(data) == message
    assert Attachment("bild.png", "image/png", 12, "https://files.example/1") in message.attachments


def test_the_comparison_notices_what_an_earlier_version_would_miss() -> None:
    """A field that is gone, one that means something else, another kind of key, a list that is longer."""
    known = {"a": ["hash", {"x": '{"v":1,"list":[1]}', "y": "1"}], "b": ["string", "s"]}
    assert _missing(_comparable(known), _comparable({**known, "c": ["string", ""]})) == []
    for changed in (
        {"a": known["a"]},
        {**known, "b": ["list", ["s"]]},
        {**known, "b": ["string", "t"]},
        {**known, "a": ["hash", {"x": '{"v":1,"list":[1]}'}]},
        {**known, "a": ["hash", {"x": '{"v":2,"list":[1]}', "y": "1"}]},
        {**known, "a": ["hash", {"x": '{"v":1,"list":[1,2]}', "y": "1"}]},
    ):
        assert _missing(_comparable(known), _comparable(changed))


def _comparable(everything: Any) -> Any:
    """What is on a server, with JSON read, and without what is random or a time, which differ from run to run."""
    if isinstance(everything, dict):
        found: dict[str, Any] = {}
        for name, value in everything.items():
            found.setdefault(_steady(name), []).append(_comparable(value))
        return {name: sorted(values, key=repr) for name, values in found.items()}
    if isinstance(everything, list | tuple):
        return [_comparable(it) for it in everything]
    if isinstance(everything, float):
        return "a time" if everything > NOW * 1000 or everything % 1 else everything
    if isinstance(everything, str) and (start := re.match(r"[.!]?(?=[\[{])", everything)):
        return [start[0], json.loads(everything[start.end() :])]
    return _steady(everything) if isinstance(everything, str) else everything


def _steady(text: str) -> str:
    return re.sub(r"\b([0-9a-f]{24}|[0-9a-f]{16}|[a-z2-7]{13}|17[6-9]\d{10})\b", "(random)", text)


def _missing(known: Any, written: Any, where: str = "", ignoring: Collection[str] = ()) -> list[str]:
    """Where something that an earlier version wrote is not there, or is otherwise."""
    if isinstance(known, dict) and isinstance(written, dict):
        return [
            line
            for name, value in known.items()
            if name not in ignoring
            for line in _missing(value, written.get(name), f"{where}/{name}", ignoring)
        ]
    if isinstance(known, list) and isinstance(written, list) and len(known) == len(written):
        pairs = zip(known, written, strict=True)
        return [line for old, new in pairs for line in _missing(old, new, where, ignoring)]
    return [] if known == written else [f"{where}: {known!r} is {written!r}"]
