"""TurnStore on Redis or Valkey, alone or as a cluster: each step of the mailbox is one Lua script (`scripts/`).

What holds together (the mail, turns and history of an installation's threads, and the queues they wait in) lies under
one hash tag, so that every step is atomic and who is next is decided among all. The threads that the bot takes part in
are looked up without an installation, and hence in slots of their own, as are the cursors.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import aclosing, suppress

from bot.conversation import Message, Place, Rating, ThreadKey, Turn
from bot.errors import LeaseLost
from bot.ports import Claim, Lease, Part, Signal, StoredAnswer
from bot.store import codec, keys, replies, rules
from bot.store.address import Client
from bot.store.advice import advice
from bot.store.codec import to_bytes, to_text
from bot.store.link import Argument, Link, Run, script
from bot.store.listen import listen
from bot.store.presence import RedisPresence, ms
from bot.store.rate_limits import RedisRateLimits
from bot.store.restoring import restoration, restoring


class RedisStore(RedisPresence):
    """See `bot.ports.TurnStore`. One object serves a whole process; it belongs to one event loop.

    Args:
        target: REDIS_URL (`redis://`, `rediss://`, `unix://`, `redis+cluster://`, `rediss+cluster://`), or a
            redis-py asyncio client, which `close` closes.
        history_ttl: seconds that history is kept after a thread's last turn.

    Attributes:
        clock_offset: milliseconds added to the server's clock in every script: tests move time with it.
        rate_limits: what all workers spent (`bot.ports.SharedRateLimits`).
    """

    def __init__(self, target: str | Client, *, history_ttl: float, prefix: str = keys.PREFIX) -> None:
        super().__init__(Link(target), keys.Keys(prefix))
        self.rate_limits = RedisRateLimits(self._link, self._keys, lambda: self.clock_offset)
        self._history_ttl = history_ttl
        self._lease = 0.0  # of the last claim, s
        self._hints: dict[str, None] = {}  # installations that are thought to have something, the next one first
        self._next_sweep = 0.0

    async def submit(self, message: Message, *, alone: bool = False) -> bool:
        """See `TurnStore.submit`."""
        message = codec.capped(message)
        new, *_ = await self._link.call(
            self._run(
                "submit",
                message.installation,
                keys.text(message.key),
                to_bytes(message.id),
                repr(message.sent_at),
                (b"!" if alone else b".") + codec.message_to_bytes(message),
                secrets.token_hex(8),
                ms(rules.SEEN_TTL),
                to_bytes(json.dumps(rules.lanes(message), ensure_ascii=False)),
                to_bytes(rules.spot(message.place)),
                codec.place_to_bytes(message.place),
            ),
            ("SET", self._keys.joined(message.key), to_bytes(message.installation), "PX", ms(self._history_ttl)),
            *(self._note_direct(message) if message.place.direct else ()),
        )
        self._hint(message.installation)
        return bool(new)

    async def takes_part(self, key: ThreadKey) -> bool:
        """See `TurnStore.takes_part`."""
        (found,) = await self._link.call(("EXISTS", self._keys.joined(key)))
        return bool(found)

    async def key_of(self, installation: str, message_id: str) -> ThreadKey | None:
        """See `TurnStore.key_of`; a message is known by its id and by `channel:id`."""
        (found,) = await self._link.call(("GET", self._keys.ours(installation, message_id)))
        return None if found is None else ThreadKey.parse(to_text(found))

    async def directs(self, installation: str) -> tuple[str, ...]:
        """See `KnowsDirects.directs`."""
        (found,) = await self._link.call(("ZRANGE", self._keys.directs(installation), 0, -1, "REV"))
        return tuple(map(to_text, found))

    async def amend(
        self,
        key: ThreadKey,
        installation: str,
        *,
        message_id: str | None = None,
        text: str | None = None,
        at: float | None = None,
        turn_id: str = "",
    ) -> bool:
        """See `TurnStore.amend`. An edit of what a running turn asks shows as `Lease.edited`, and in its next claim."""
        change = "stop" if message_id is None else "delete" if text is None else "text"
        (changed,) = await self._link.call(
            self._run(
                "amend",
                installation,
                keys.text(key),
                change,
                to_bytes(message_id or ""),
                to_bytes(turn_id if message_id is None else (text or "")[: rules.MAX_TEXT]),
                ms(rules.EARLY_TTL),
                "" if at is None else repr(at),
                secrets.token_hex(8),
                ms(rules.REPEAT_TTL),
            )
        )
        self._hint(installation)
        return bool(changed)

    async def running(self, key: ThreadKey, installation: str) -> tuple[str, tuple[Message, ...]]:
        """See `TurnStore.running`."""
        (found,) = await self._link.call(self._run("running", installation, keys.text(key)))
        return (to_text(found[0]), tuple(replies.messages(found[1:]))) if found else ("", ())

    async def claim(self, installations: Collection[str], worker: str, lease: float) -> Claim | None:
        """See `TurnStore.claim`.

        One round trip where a turn is known to wait (by a signal, or from this process); else a look at every
        installation comes first, which happens once a second in any case, so that none is passed over.
        """
        self._lease = lease
        found = await self._sweep(installations) if time.monotonic() >= self._next_sweep else None
        while True:
            while installation := self._hinted(installations):
                if claim := await self._claim_from(installation, worker, lease):
                    return claim
            if found is not None:
                break
            found = await self._sweep(installations)
        for installation in found:  # other calls of this process may have taken the hints meanwhile
            if claim := await self._claim_from(installation, worker, lease):
                return claim
        return None

    async def waiting(self, installation: str, lasts: float) -> tuple[Place, ...]:
        """See `TurnStore.waiting`."""
        limits = (ms(rules.WAITS_AFTER), rules.STATUSES_A_SECOND, rules.MAX_STATUSES)
        (places,) = await self._link.call(self._run("waiting", installation, ms(lasts), *limits))
        return replies.places(places)

    @restoring
    async def renew(self, claim: Claim, lease: float) -> Lease:
        """See `TurnStore.renew`."""
        until = time.monotonic() + lease
        (answer,) = await self._link.call(self._claimed("renew", claim, ms(lease)))
        _held(answer[0], claim)
        return Lease(until, stopped=bool(answer[1]), edited=bool(answer[2]))

    @restoring
    async def record(
        self,
        claim: Claim,
        *,
        place: Place | None = None,
        part: Part | None = None,
        attempts: int | None = None,
        partial: str | None = None,
        shown: int | None = None,
        settled: int | None = None,
    ) -> None:
        """See `TurnStore.record`. `partial` is filed under `attempts`; the last one of each number is kept."""
        fields: list[Argument] = [] if place is None else ["place", codec.place_to_bytes(place)]
        for name, value in (("attempts", attempts), ("shown", shown), (f"settled:{settled}", settled)):
            if value is not None:
                fields += [name, value]
        broken = None if partial is None else (claim.attempts if attempts is None else attempts, partial)
        await self._record(claim, fields, part=part, broken=broken)

    @restoring
    async def finish(self, claim: Claim, outcome: StoredAnswer) -> None:
        """See `TurnStore.finish`."""
        await self._record(claim, ["outcome", codec.outcome_to_bytes(outcome)])

    @restoring
    async def commit(self, claim: Claim, turn: Turn | None, *, replaces: str | None = None) -> None:
        """See `TurnStore.commit`."""
        (answer,) = await self._link.call(
            self._claimed(
                "commit",
                claim,
                *(("", "") if turn is None else (to_bytes(turn.id), codec.turn_to_bytes(turn))),
                to_bytes(replaces or ""),
                rules.MAX_TURNS,
                rules.MAX_HISTORY_BYTES,
                ms(self._history_ttl),
                ms(rules.FENCE_TTL),
            )
        )
        _held(answer + 1, claim)
        if answer == 1:
            self._hint(claim.installation)

    @restoring
    async def release(self, claim: Claim, *, delay: float = 0.0) -> None:
        """See `TurnStore.release`."""
        (kept,) = await self._link.call(self._claimed("release", claim, ms(delay), ms(rules.FENCE_TTL)))
        _held(kept, claim)
        self._hint(claim.installation)

    @restoring
    async def reset(self, claim: Claim) -> None:
        """See `TurnStore.reset`."""
        (kept,) = await self._link.call(self._claimed("reset", claim))
        _held(kept, claim)

    async def restore(self, claim: Claim) -> bool:
        """See `Restores.restore`."""
        note = ("SET", self._keys.joined(claim.key), to_bytes(claim.installation), "PX", ms(self._history_ttl))
        restored, _ = await self._link.call(self._claimed("restore", claim, *restoration(claim, self._lease)), note)
        return bool(restored)

    async def forget(self, key: ThreadKey) -> None:
        """See `History.forget`."""
        await self._link.call(("DEL", self._keys.turns(await self._home(key), key)))

    async def load(self, key: ThreadKey) -> tuple[Turn, ...]:
        """See `History.load`."""
        (turns,) = await self._link.call(("LRANGE", self._keys.turns(await self._home(key), key), 0, -1))
        return replies.history(turns)

    async def rate(self, key: ThreadKey, turn_id: str, user: str, rating: Rating) -> None:
        """See `History.rate`."""
        name = self._keys.rated(await self._home(key), turn_id)
        await self._link.call(
            ("HSET", name, to_bytes(user), codec.rating_to_bytes(rating)), ("PEXPIRE", name, ms(self._history_ttl))
        )

    async def ratings(self, key: ThreadKey, turn_id: str) -> dict[str, Rating]:
        """See `History.ratings`."""
        (found,) = await self._link.call(("HGETALL", self._keys.rated(await self._home(key), turn_id)))
        return replies.ratings(found)

    async def append(self, key: ThreadKey, turn: Turn, *, replaces: str | None = None) -> None:
        """See `History.append`; repeating it is harmless."""
        await self._link.call(
            self._run(
                "append",
                await self._home(key),
                keys.text(key),
                to_bytes(turn.id),
                codec.turn_to_bytes(turn),
                to_bytes(replaces or ""),
                rules.MAX_TURNS,
                rules.MAX_HISTORY_BYTES,
                ms(self._history_ttl),
            )
        )

    async def signals(self, installations: Collection[str]) -> AsyncIterator[Signal]:
        """See `TurnStore.signals`. The first signal comes when the subscription stands, another after every break."""
        rooms = {self._keys.prefix(it) + b"signal": it for it in installations}
        async with aclosing(listen(self._link, list(rooms))) as published:
            async for channel, text in published:
                signal = replies.signal(text)
                if channel not in rooms:
                    self._next_sweep = 0.0
                elif signal.kind == "ready":
                    self._hint(rooms[channel])
                yield signal

    async def cursor(self, installation: str) -> str | None:
        """See `Inbox.cursor`."""
        (found,) = await self._link.call(("GET", self._keys.cursor(installation)))
        return None if found is None else to_text(found)

    async def move_cursor(self, installation: str, value: str) -> None:
        """See `Inbox.move_cursor`; raises ValueError for what is no decimal number."""
        rules.decimal(value)
        kept = (0, 0, value, ms(rules.CURSOR_TTL))
        await self._link.call(Run(script("move_cursor"), self._keys.cursor(installation), kept))

    async def break_leases(self, installations: Collection[str]) -> int:
        """Make every lease of these installations due at once, and return how many turns there were.

        For a process that knows itself to be alone with its server: whoever held them is dead. Each of those claims
        goes on counting as a crash, or a turn that kills the program would kill it at every start.
        """
        broken = await self._link.call(*(self._run("break_leases", it) for it in installations))
        await self._link.call(*(("DEL", self._keys.lead(it)) for it in installations))
        self._next_sweep = 0.0
        return sum(broken)

    async def check(self) -> list[str]:
        """See `TurnStore.check`."""
        return advice(self._link.name, await self._link.infos())

    async def close(self) -> None:
        """See `TurnStore.close`."""
        await self._link.close()

    def _hint(self, installation: str) -> None:
        """Something may wait there. It may be wrong; a sweep puts that right."""
        self._hints[installation] = None

    def _hinted(self, installations: Collection[str]) -> str | None:
        """Take the hint whose turn it is: installations are served one after the other, however much they have."""
        if (found := next((it for it in self._hints if it in installations), None)) is not None:
            del self._hints[found]
        return found

    async def _sweep(self, installations: Collection[str]) -> list[str]:
        """Look at every installation, and return and note those that have something."""
        looked = list(installations)
        found = await self._link.call(*(self._run("peek", it, ms(rules.FURTHEST)) for it in looked))
        waiting = [it for it, waits in zip(looked, found, strict=True) if waits]
        for it in waiting:
            self._hint(it)
        self._next_sweep = time.monotonic() + 1.0
        return waiting

    async def _claim_from(self, installation: str, worker: str, lease: float) -> Claim | None:
        until = time.monotonic() + lease
        (answer,) = await self._link.call(
            self._run(
                "claim",
                installation,
                secrets.token_hex(12),
                rules.new_turn_id(),
                ms(lease),
                to_bytes(worker),
                rules.MAX_RUN,
                ms(rules.FENCE_TTL),
                ms(rules.FURTHEST),
            )
        )
        more, *found = answer
        if more:
            self._hint(installation)
        if not found:
            return None
        claim = replies.claim(installation, until, *found)
        if not claim.messages:
            # Nothing of it can be read, by this program or perhaps by any: the thread must go on.
            with suppress(LeaseLost):
                await self.commit(claim, None)
            return None
        return claim

    async def _record(
        self,
        claim: Claim,
        fields: Iterable[Argument],
        *,
        part: Part | None = None,
        broken: tuple[int, str] | None = None,
    ) -> None:
        """Store fields of the turn (names and values), a message it posted, and a broken stream's number and text."""
        posted: tuple[Argument, ...] = ("", "", "", "")
        if part is not None:
            names = (part.ref.id, f"{part.ref.channel}:{part.ref.id}")
            posted = (codec.part_to_bytes(part), part.attempt, *map(to_bytes, names))
        number, text = ("", "") if broken is None else broken
        (kept,) = await self._link.call(
            self._claimed(
                "record", claim, ms(self._history_ttl), *posted, number, to_bytes(text[: rules.MAX_TEXT]), *fields
            )
        )
        _held(kept, claim)

    async def _home(self, key: ThreadKey) -> str:
        """The installation of a thread where it is not told: who took part there last, or by its own name."""
        (installation,) = await self._link.call(("GET", self._keys.joined(key)))
        return f"{key.platform}:{key.tenant}" if installation is None else to_text(installation)

    def _note_direct(self, message: Message) -> Iterable[tuple[Argument, ...]]:
        name = self._keys.directs(message.installation)
        yield "ZADD", name, repr(message.sent_at), to_bytes(message.place.channel)
        yield "ZREMRANGEBYRANK", name, 0, -rules.MAX_DIRECTS - 1
        yield "PEXPIRE", name, ms(rules.CURSOR_TTL)

    def _claimed(self, name: str, claim: Claim, *arguments: Argument) -> Run:
        return self._run(name, claim.installation, keys.text(claim.key), claim.token, *arguments)


def _held(answer: int, claim: Claim) -> None:
    if not answer:
        raise LeaseLost(f"turn {claim.turn_id} of {claim.key} was taken over by another worker")
