"""TurnStore in the process's own memory, for tests in virtual time. Nothing survives it.

The same semantics as `redis.py` in plain Python; every method runs to its end without waiting, and so is atomic.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection

from bot.conversation import Message, Place, Rating, ThreadKey, Turn
from bot.errors import LeaseLost
from bot.ports import Claim, Lease, Part, Signal, StoredAnswer
from bot.store import rules
from bot.store.codec import capped
from bot.store.mailbox import Edit, Flight, Standing, Thread
from bot.testing.expiring import Expiring
from bot.testing.line import Line
from bot.testing.presence import MemoryPresence
from bot.testing.rate_limits import MemoryRateLimits


class MemoryStore(MemoryPresence):
    """See `bot.ports.TurnStore`.

    Args:
        history_ttl: seconds that history is kept after a thread's last turn.
        clock: Unix seconds.
        monotonic: what leases are measured by, locally.
    """

    def __init__(
        self,
        *,
        history_ttl: float,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(clock)
        self._monotonic = monotonic
        self.rate_limits = MemoryRateLimits(clock)
        self._threads: dict[tuple[str, ThreadKey], Thread] = {}
        self._history: Expiring[tuple[str, ThreadKey], list[Turn]] = Expiring(clock, history_ttl)
        self._joined: Expiring[ThreadKey, str] = Expiring(clock, history_ttl)
        self._ours: Expiring[tuple[str, str], ThreadKey] = Expiring(clock, history_ttl)
        self._newest: Expiring[tuple[str, ThreadKey], str] = Expiring(clock, rules.MAIL_TTL)
        self._partials: Expiring[tuple[str, int], str] = Expiring(clock, history_ttl)
        self._rated: Expiring[str, dict[str, Rating]] = Expiring(clock, history_ttl)
        self._seen: Expiring[tuple[str, str], bool] = Expiring(clock, rules.SEEN_TTL)
        self._early: Expiring[tuple[str, str], tuple[Edit | None]] = Expiring(clock, rules.EARLY_TTL)
        self._fences: Expiring[str, str] = Expiring(clock, rules.FENCE_TTL)
        self._cursors: Expiring[str, str] = Expiring(clock, rules.CURSOR_TTL)
        self._lines: defaultdict[str, Line] = defaultdict(Line)
        self._directs: dict[str, dict[str, float]] = {}
        self._listeners: set[tuple[frozenset[str], asyncio.Queue[Signal]]] = set()

    @property
    def size(self) -> int:
        """How many entries it keeps of all that it forgets in time."""
        return sum(len(it) for it in vars(self).values() if isinstance(it, Expiring)) + len(self._threads)

    async def submit(self, message: Message, *, alone: bool = False) -> bool:
        """See `TurnStore.submit`."""
        if self._seen.get((message.installation, message.id)):
            return False
        message = capped(message)
        self._seen[message.installation, message.id] = True
        self._joined[message.key] = message.installation
        early = self._early.get((message.installation, message.id))
        self._early.pop((message.installation, message.id))
        if early is not None and early[0] is None:
            return True
        if message.place.direct:
            self._directs.setdefault(message.installation, {})[message.place.channel] = message.sent_at
        name = (message.installation, message.key)
        thread = self._threads.setdefault(name, Thread(message.key, message.installation))
        thread.mail[message.id] = (message, alone)
        if early is not None and early[0] is not None:
            thread.edit(message.id, early[0])
        thread.lanes, thread.place, thread.since = rules.lanes(message), message.place, self._clock()
        if thread.flight is None and thread.ready is None:
            self._make_ready(thread)
        return True

    async def takes_part(self, key: ThreadKey) -> bool:
        """See `TurnStore.takes_part`."""
        return self._joined.get(key) is not None

    async def key_of(self, installation: str, message_id: str) -> ThreadKey | None:
        """See `TurnStore.key_of`; a message is known by its id and by `channel:id`."""
        return self._ours.get((installation, message_id))

    async def directs(self, installation: str) -> tuple[str, ...]:
        """See `KnowsDirects.directs`."""
        times = self._directs.get(installation, {})
        return tuple(sorted(times, key=lambda channel: times[channel], reverse=True)[: rules.MAX_DIRECTS])

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
        edit = None if text is None else Edit(text[: rules.MAX_TEXT], at)
        if message_id is not None and not self._seen.get((installation, message_id)):
            self._come_early(key, installation, message_id, edit)
            return False
        thread = self._threads.get((installation, key))
        if thread is None:
            return False
        flight = thread.flight
        if message_id is None:
            if flight is None or (turn_id and flight.turn_id != turn_id):
                return False
            flight.stopped = True
            self._tell(thread, hurry=True)
            return True
        if message_id not in thread.mail or (flight and message_id in flight.gone):
            return False
        frozen = flight is not None and message_id in flight.ids
        if edit is not None:
            if flight and frozen and flight.outcome:
                return False
            if not thread.edit(message_id, edit):
                return False
            if flight and frozen:
                flight.edited = True
                self._tell(thread, hurry=False)
        elif flight and frozen:
            self._tell(thread, hurry=flight.take_back(message_id))
        else:
            thread.remove(message_id)
            self._tidy(thread)
        return True

    async def running(self, key: ThreadKey, installation: str) -> tuple[str, tuple[Message, ...]]:
        """See `TurnStore.running`."""
        thread = self._threads.get((installation, key))
        if thread is None or thread.flight is None:
            return "", ()
        return thread.flight.turn_id, tuple(thread.mail[id_][0] for id_ in thread.flight.ids if id_ in thread.mail)

    def _come_early(self, key: ThreadKey, installation: str, message_id: str, edit: Edit | None) -> None:
        early = self._early.get((installation, message_id))
        if early is None or edit is None or (early[0] is not None and not edit.older(early[0])):
            self._early[installation, message_id] = (edit,)
        thread = self._threads.get((installation, key))
        if edit is None and thread and thread.flight and thread.flight.token:
            self._signal(thread, Signal("deleted", key, message_id))

    async def claim(self, installations: Collection[str], worker: str, lease: float) -> Claim | None:
        """See `TurnStore.claim`."""
        until = self._monotonic() + lease
        while thread := self._next(installations):
            thread.ready = thread.later = None
            asked = thread.flight.asked() if thread.flight else []
            if thread.flight and not asked:
                self._drop_flight(thread)
            if not asked:
                asked = self._freeze(thread)
            flight = thread.flight
            if flight is None:
                self._tidy(thread)
                continue
            if thread.place:
                self._lines[thread.installation].begun(thread.place)
            flight.token = f"{worker}-{secrets.token_hex(8)}"
            flight.claims += 1
            flight.takes += 1
            flight.edited = False
            thread.later = self._clock() + lease
            messages = tuple(thread.mail[id_][0] for id_ in asked)
            return Claim(
                key=thread.key,
                installation=thread.installation,
                turn_id=flight.turn_id,
                token=flight.token,
                claims=flight.claims,
                takes=flight.takes,
                attempts=flight.attempts,
                messages=messages,
                place=flight.place or messages[-1].place,
                parts=tuple(flight.parts),
                shown=flight.shown,
                settled=frozenset(flight.settled),
                outcome=flight.outcome,
                stopped=flight.stopped,
                history=tuple(self._history.get((thread.installation, thread.key)) or ()),
                lease_until=until,
                first_claimed_at=flight.first,
                after=flight.after,
            )
        return None

    async def waiting(self, installation: str, lasts: float) -> tuple[Place, ...]:
        """See `TurnStore.waiting`."""
        now = self._clock()
        line = [thread for _, _, thread in self._line({installation})[: rules.MAX_STATUSES]]
        late = (it.place for it in line if it.place and it.since + rules.WAITS_AFTER <= now)
        return self._lines[installation].show(late, now, lasts)

    async def renew(self, claim: Claim, lease: float) -> Lease:
        """See `TurnStore.renew`."""
        until = self._monotonic() + lease
        thread, flight = self._held(claim)
        thread.ready, thread.later = None, self._clock() + lease
        return Lease(until, stopped=flight.stopped, edited=flight.edited)

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
        """See `TurnStore.record`."""
        _, flight = self._held(claim)
        if place is not None:
            flight.place = place
        if part is not None:
            if part not in flight.parts:
                flight.parts.append(part)
            for name in (part.ref.id, f"{part.ref.channel}:{part.ref.id}"):
                self._ours[claim.installation, name] = claim.key
        if attempts is not None:
            flight.attempts = attempts
        if shown is not None:
            flight.shown = shown
        if settled is not None:
            flight.settled.add(settled)
        if partial is not None:
            number = claim.attempts if attempts is None else attempts
            self._partials[flight.turn_id, number] = partial[: rules.MAX_TEXT]

    async def finish(self, claim: Claim, outcome: StoredAnswer) -> None:
        """See `TurnStore.finish`."""
        _, flight = self._held(claim)
        if not flight.edited:  # a successor asks the new question, rather than deliver what answers the old one
            flight.outcome = outcome

    async def commit(self, claim: Claim, turn: Turn | None, *, replaces: str | None = None) -> None:
        """See `TurnStore.commit`."""
        if self._fences.get(claim.token) == "done":
            return
        thread, _ = self._held(claim)
        if turn is not None:
            self._append((thread.installation, thread.key), turn, replaces)
        self._drop_flight(thread)
        thread.later = None
        self._fences[claim.token] = "done"
        if thread.mail:
            self._make_ready(thread)
        else:
            self._tidy(thread)

    async def release(self, claim: Claim, *, delay: float = 0.0) -> None:
        """See `TurnStore.release`."""
        if self._fences.get(claim.token) == "released":
            return
        thread, flight = self._held(claim)
        flight.token = ""
        flight.claims -= 1
        self._fences[claim.token] = "released"
        if delay > 0:
            thread.ready, thread.later = None, self._clock() + delay
        else:
            self._make_ready(thread, at_once=True)

    async def reset(self, claim: Claim) -> None:
        """See `TurnStore.reset`."""
        self._held(claim)
        self._history.pop((claim.installation, claim.key))

    async def rate(self, key: ThreadKey, turn_id: str, user: str, rating: Rating) -> None:
        """See `History.rate`."""
        self._rated[turn_id] = {**(self._rated.get(turn_id) or {}), user: rating}

    async def ratings(self, key: ThreadKey, turn_id: str) -> dict[str, Rating]:
        """See `History.ratings`."""
        return dict(self._rated.get(turn_id) or {})

    async def forget(self, key: ThreadKey) -> None:
        """See `History.forget`."""
        self._history.pop(self._home(key))

    async def load(self, key: ThreadKey) -> tuple[Turn, ...]:
        """See `History.load`."""
        return tuple(self._history.get(self._home(key)) or ())

    async def append(self, key: ThreadKey, turn: Turn, *, replaces: str | None = None) -> None:
        """See `History.append`; repeating it is harmless."""
        self._append(self._home(key), turn, replaces)

    async def signals(self, installations: Collection[str]) -> AsyncIterator[Signal]:
        """See `TurnStore.signals`. The first signal comes at once, as from a server when the subscription stands."""
        queue: asyncio.Queue[Signal] = asyncio.Queue()
        listener = (frozenset(installations), queue)
        self._listeners.add(listener)
        try:
            yield Signal("ready")
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(listener)

    async def cursor(self, installation: str) -> str | None:
        """See `Inbox.cursor`."""
        return self._cursors.get(installation)

    async def move_cursor(self, installation: str, value: str) -> None:
        """See `Inbox.move_cursor`; raises ValueError for what is no decimal number."""
        new, stored = rules.decimal(value), self._cursors.get(installation)
        if stored is None or new > rules.decimal(stored):
            self._cursors[installation] = value

    async def check(self) -> list[str]:
        """See `TurnStore.check`."""
        return ["Turns are kept in memory only: nothing is remembered after the program ends."]

    async def close(self) -> None:
        """See `TurnStore.close`."""

    def _home(self, key: ThreadKey) -> tuple[str, ThreadKey]:
        return self._joined.get(key) or f"{key.platform}:{key.tenant}", key

    def _append(self, name: tuple[str, ThreadKey], turn: Turn, replaces: str | None) -> None:
        history = self._history.get(name) or []
        if history and history[-1].id == turn.id:
            return
        kept = history[:-1] if history and history[-1].id == replaces else history
        history = [*kept, turn]
        if len(history) > rules.MAX_TURNS:
            history = history[-int(rules.MAX_TURNS * 0.75) :]
        self._history[name] = history

    def _next(self, installations: Collection[str]) -> Thread | None:
        now = self._clock()
        mine = (it for it in self._threads.values() if it.installation in installations)
        due = [(it.later, i, it) for i, it in enumerate(mine) if it.later is not None and it.later <= now]
        return min(due)[2] if due else next((it for _, _, it in self._line(installations)), None)

    def _line(self, installations: Collection[str]) -> list[tuple[Standing, int, Thread]]:
        mine = (it for it in self._threads.values() if it.installation in installations)
        return sorted((it.ready, i, it) for i, it in enumerate(mine) if it.ready is not None)

    def _freeze(self, thread: Thread) -> list[str]:
        if run := thread.head(rules.MAX_RUN):
            newest = self._newest.get((thread.installation, thread.key))
            thread.flight = Flight(rules.new_turn_id(), run, self._clock(), newest)
        return run

    def _drop_flight(self, thread: Thread) -> None:
        if thread.flight and thread.flight.parts:
            self._newest[thread.installation, thread.key] = thread.flight.parts[-1].ref.id
        for id_ in thread.flight.ids if thread.flight else ():
            thread.remove(id_)
        thread.flight = None

    def _tidy(self, thread: Thread) -> None:
        if not thread.mail and thread.flight is None:
            self._threads.pop((thread.installation, thread.key), None)

    def _held(self, claim: Claim) -> tuple[Thread, Flight]:
        thread = self._threads.get((claim.installation, claim.key))
        if thread is None or thread.flight is None or thread.flight.token != claim.token:
            raise LeaseLost(f"turn {claim.turn_id} of {claim.key} was taken over by another worker")
        return thread, thread.flight

    def _make_ready(self, thread: Thread, *, at_once: bool = False) -> None:
        waiting = self._line({thread.installation})
        head = waiting[0][0] if waiting else None
        line = self._lines[thread.installation]
        thread.ready = (head[0] if head else 0, -1) if at_once else line.fair_turn(thread.lanes, head)
        thread.later = None
        self._signal(thread, Signal("ready"))

    def _tell(self, thread: Thread, *, hurry: bool) -> None:
        """Tell the worker that runs the turn; or, if the turn waits, let one take it at once."""
        self._signal(thread, Signal("amended", thread.key))
        if hurry and thread.flight and not thread.flight.token and thread.later is not None:
            self._make_ready(thread, at_once=True)

    def _signal(self, thread: Thread, signal: Signal) -> None:
        for installations, queue in self._listeners:
            if thread.installation in installations:
                queue.put_nowait(signal)
