"""What a bot leaves on its server when it is replaced by another version: written by any version since 601bdc0.

    git archive 601bdc0 bot | tar x -C OLD
    PYTHONPATH=OLD python tests/store/earlier.py REDIS_URL > tests/store/records/601bdc0.json

empties that server, writes, and prints all that is there. With `--read` it says what the store makes of what is there
already: so an earlier version shows that it reads what a later one wrote.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import redis

from bot import conversation, ports
from bot.conversation import Attachment, Author, Message, MessageRef, Place, ThreadKey, Turn, Usage
from bot.ports import Part
from bot.store.redis import RedisStore

StopReason: Any = getattr(conversation, "StopReason", None) or conversation.__dict__["Stop"]
StoredAnswer: Any = getattr(ports, "StoredAnswer", None) or ports.__dict__["Outcome"]

T1 = "slack:T1"
NOW = 1_760_000_000.0
"""Unix seconds at which it is all written."""

HISTORY_TTL = 30 * 24 * 3600.0
LEASE = 15.0

ANSWERED, OUTBOX, BROKEN, WAITING, DIRECT = "C1:1.1", "C1:2.1", "C1:3.1", "C1:4.1", "D1:5.1"
"""Threads: with a history; whose answer is to be delivered; whose worker died; that wait, in a channel and not."""


def key(thread: str) -> ThreadKey:
    """A thread of the installation."""
    return ThreadKey("slack", "T1", thread)


def message(id_: str, text: str, thread: str, **more: Any) -> Message:
    """A question."""
    channel, root = thread.split(":")
    given = {"author": Author("U1", "Ann"), "place": Place(channel, root), **more}
    return Message(key=key(thread), installation=T1, id=id_, text=text, sent_at=NOW, **given)


FIRST = message(
    "C1:1.1",
    "Wie heißt das? \0 \ud83d <@U2>",
    ANSWERED,
    attachments=(Attachment("bild.png", "image/png", 12), Attachment("", "application/octet-stream", 0)),
    mid_thread=True,
)
BEFORE = message("C1:1.0", "what was said before", ANSWERED, author=Author("U2"), addressed=False)
TURN = Turn(
    id="turn1",
    questions=(FIRST, message("C1:1.2", "and why?", ANSWERED)),
    answer="Because.\n\n```py\nprint('ü')\n```",
    stop=StopReason("max_tokens"),
    background=(BEFORE,),
    usage=Usage(1, 2, 3, 4, 5),
    model="claude-x",
    attempts=2,
    finished_at=NOW,
)
ANSWER = StoredAnswer(
    answer="the whole answer", stop=StopReason("end_turn"), attempt=2, usage=Usage(5, 6), model="claude-y", detail="low"
)
PLACE = Place("C1", "3.1", reply_to="3.1", root="3.1")
PARTS = (Part(1, 0, MessageRef("C1", "3.2")), Part(2, 0, MessageRef("C1", "3.3")))


def opened(url: str) -> RedisStore:
    """A store whose time is NOW."""
    store = RedisStore(url, history_ttl=HISTORY_TTL)
    store.clock_offset = round((NOW - time.time()) * 1000)
    return store


async def write(store: RedisStore) -> None:
    """Leave something of every kind."""
    await store.move_cursor(T1, "123456")
    await store.attend([T1], "worker", LEASE)
    await store.lead(T1, "worker", LEASE)
    await store.ping(T1)
    await store.submit(FIRST)
    claim = await taken(store)
    await store.record(claim, part=Part(1, 0, MessageRef("C1", "1.3")), shown=1)
    await store.commit(claim, TURN)
    await store.submit(message("C1:2.1", "whose answer is finished", OUTBOX))
    claim = await taken(store)
    await store.record(claim, part=Part(2, 0, MessageRef("C1", "2.2")), attempts=1, partial="half an ans", shown=2)
    await store.finish(claim, ANSWER)
    await store.submit(message("C1:3.1", "whose worker died", BROKEN))
    claim = await taken(store)
    await store.record(claim, place=PLACE, part=PARTS[0], shown=1)
    await store.record(claim, part=PARTS[1], settled=1, attempts=1, partial="")
    await store.submit(message("C1:3.9", "what comes meanwhile", BROKEN))
    await store.amend(key(BROKEN), T1)
    await store.submit(message("C1:4.1", "what waits", WAITING))
    await store.amend(key(WAITING), T1, message_id="C1:4.1", text="what waits, edited", at=NOW + 1.5)
    await store.submit(message("C1:4.2", "/reset", WAITING), alone=True)
    direct = Place("D1", None, reply_to="5.1", direct=True, root="5.1")
    await store.submit(message("D1:5.1", "in private", DIRECT, place=direct))
    await store.amend(key(WAITING), T1, message_id="C1:4.8", text="edited before it came", at=NOW)
    await store.amend(key(WAITING), T1, message_id="C1:4.9")


async def taken(store: RedisStore) -> Any:
    """Claim the next turn."""
    claim = await store.claim([T1], "worker", LEASE)
    assert claim is not None
    return claim


def dumped(server: redis.Redis) -> dict[str, Any]:
    """All that is on a server: of each key its kind and what it holds."""
    return {_text(name): _held(server, name) for name in sorted(server.scan_iter(count=1000))}


def loaded(server: redis.Redis, everything: Mapping[str, Any]) -> None:
    """Put what was dumped on a server, for a day."""
    for name, (kind, held) in everything.items():
        name_ = _bytes(name)
        if kind == "string":
            server.set(name_, _bytes(held))
        elif kind == "list":
            server.rpush(name_, *map(_bytes, held))
        elif kind == "hash":
            server.hset(name_, mapping={_bytes(field): _bytes(value) for field, value in held.items()})
        else:
            server.zadd(name_, {_bytes(member): score for member, score in held.items()})
        server.expire(name_, 24 * 3600)


def _held(server: redis.Redis, name: bytes) -> tuple[str, Any]:
    kind = _text(server.type(name))
    if kind == "string":
        return kind, _text(server.get(name))
    if kind == "list":
        return kind, [_text(it) for it in server.lrange(name, 0, -1)]
    if kind == "hash":
        return kind, {_text(field): _text(value) for field, value in sorted(server.hgetall(name).items())}
    assert kind == "zset", kind
    scores = dict(server.zrange(name, 0, -1, withscores=True))
    return kind, {_text(member): score for member, score in scores.items()}


def _text(data: Any) -> str:
    return str(data.decode("utf-8", "surrogateescape"))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


async def read(store: RedisStore) -> list[str]:
    """Say what the store makes of what is there: the histories, and what is claimed, as long as there is something."""
    said = [repr(await store.load(key(thread))) for thread in (ANSWERED, OUTBOX, BROKEN)]
    said += [repr((await store.cursor(T1), await store.directs(T1), await store.key_of(T1, "C1:1.3")))]
    while (claim := await store.claim([T1], "successor", LEASE)) is not None:
        it = {name: value for name, value in asdict(claim).items() if name not in ("token", "turn_id", "lease_until")}
        said.append(re.sub(r"<(Stop|StopReason)\.", "<", repr(sorted(it.items()))))
    return said


async def main(url: str, *, reading: bool) -> None:
    """Write, or read; see the module's first lines."""
    server = redis.Redis.from_url(url)
    store = opened(url)
    if reading:
        store.clock_offset += 60_000
        sys.stdout.write("\n".join(await read(store)) + "\n")
    else:
        server.flushall()
        await write(store)
        json.dump(dumped(server), sys.stdout, indent=1, sort_keys=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], reading="--read" in sys.argv))
