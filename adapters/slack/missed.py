"""Reads what was written in the meantime: channels the bot is in, threads with new replies, direct messages.

It decides which messages are looked at and in which order; what one means is Intake's. Slack allows few of these
calls, to some apps one a minute with fifteen messages, and the answers being written need them as well. So they are
spaced out, Slack's pauses are kept, and what is most likely meant for the bot is read first.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from adapters.slack.calls import Answer, Api
from adapters.slack.fields import Event, Identity, field, in_thread, is_direct, is_time
from adapters.slack.for_us import is_addressed, is_external, is_ours, may_ask
from adapters.slack.payloads import OddPayload, read_event
from adapters.slack.reading import thread_key
from adapters.slack.retrying import until_stored
from bot.backoff import growing
from bot.conversation import ThreadKey
from bot.errors import BadCredentials, OutcomeUnknown, PlatformError, RateLimited, Unavailable
from bot.log_limit import LimitedLog

log = logging.getLogger(__name__)

REACH = 3600.0
"""Seconds after which a message is not answered any more."""

EDITED_WITHIN = 20 * 3600.0
"""Age in seconds of a message up to which an edit is looked at: the store knows for a day what was accepted."""

PER_CHANNEL = 1000
"""Messages read of one channel or thread; at least a page is, to see in which older threads somebody replied."""

PAGE, SMALLEST_PAGE = 200, 15
"""Messages asked for at once; fewer after an answer that did not arrive, since it may have been too large."""

BURST, SPACING = 15, 2.0
"""Calls of one method that may go at once, and the seconds between further ones. Slack allows fifty a minute."""

TRIES, PAUSE, LONGEST_PAUSE = 6, 0.5, 16.0
"""How often a call is tried that Slack does not answer, and the first and the longest pause in between (s)."""

AGAIN = 60.0
"""Seconds until what could not be read is tried anew."""

TYPES: Mapping[str, tuple[str, str]] = {
    "im": ("im", "im"),
    "public_channel": ("channel", "channels"),
    "private_channel": ("group", "groups"),
    "mpim": ("mpim", "mpim"),
}
"""What `users.conversations` calls each kind of conversation, what events call it, and how its scopes begin."""

LISTS, KNOWN_DIRECTS, CHANNELS, OTHER_DIRECTS, OWN_THREADS, OTHER_THREADS = range(6)
"""What is read first."""


class Room(NamedTuple):
    """A conversation. `shared` says whether other organisations are in it; None where Slack does not tell."""

    id: str
    kind: str
    shared: bool | None = None


Take = Callable[[Event, str, bool], Awaitable[None]]
"""Takes a message, as its `message` event would be; the ts of an edit that may have been missed, or an empty text; and
whether it may be a question that was missed. Raises StoreUnavailable."""


class _Unreadable(Exception):
    """Slack or the network failed, however often it was tried."""


class _Refused(Exception):
    """This cannot be read; trying again would not help."""


Job = Callable[[], Awaitable[None]]


class Missed:
    """Reads missed messages, again and again in the life of a process, one reading at a time.

    Args:
        api: the workspace's Web API.
        us: who the bot is.
        scopes: those of the token; None where Slack did not tell.
        take: takes what was read, oldest first in each conversation.
        takes_part: whether the bot takes part in a thread. Raises StoreUnavailable.
        clock: Unix seconds.
    """

    def __init__(
        self,
        api: Api,
        us: Identity,
        scopes: frozenset[str] | None,
        take: Take,
        takes_part: Callable[[ThreadKey], Awaitable[bool]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._us = us
        self._scopes = scopes
        self._take = take
        self._takes_part = takes_part
        self._clock = clock
        self._trouble = LimitedLog(log)
        self._next: dict[str, float] = {}
        self._lacking: set[str] = set()
        self._lack_told: set[str] = set()
        self._numbers = itertools.count()
        self._begin_reading(0.0)

    def _begin_reading(self, since: float) -> None:
        self._from = since
        self._jobs: list[tuple[int, int, Job]] = []
        self._rooms: set[str] = set()
        self._threads: set[tuple[str, str]] = set()

    async def read(self, since: float, directs: Iterable[str]) -> None:
        """Hand on what was written after `since` (Unix s), at most an hour back. Raises nothing.

        Args:
            since: from when on.
            directs: channels of direct messages that are known, the most likely first.
        """
        self._begin_reading(since)
        if self._may_read("im:history"):
            for channel in directs:
                self._add_room(KNOWN_DIRECTS, Room(channel, "im"))
        for type_, (_, family) in TYPES.items():
            if self._may_read(f"{family}:read", f"{family}:history"):
                self._add(LISTS, partial(self._list, type_))
        try:
            async with asyncio.timeout(REACH):
                await self._work()
        except TimeoutError:
            log.warning("not everything that was missed could be read within an hour; the rest is not answered")
        except BadCredentials as error:
            log.warning("what was missed cannot be read", extra={"error": str(error)})
        if lacking := self._lacking - self._lack_told:
            log.warning(
                "not everything that was missed can be read: add the scopes and install the app again",
                extra={"lacking": ", ".join(sorted(lacking))},
            )
            self._lack_told |= lacking

    def _may_read(self, *scopes: str) -> bool:
        lacking = set() if self._scopes is None else set(scopes) - self._scopes
        self._lacking |= lacking
        return not lacking

    # --- the order of work ----------------------------------------------------------------------------------

    def _add(self, rank: int, job: Job) -> None:
        heapq.heappush(self._jobs, (rank, next(self._numbers), job))

    def _add_room(self, rank: int, room: Room) -> None:
        if room.id not in self._rooms:
            self._rooms.add(room.id)
            self._add(rank, partial(self._read_room, room))

    async def _add_thread(self, room: Room, root: str) -> None:
        if (room.id, root) not in self._threads:
            self._threads.add((room.id, root))
            key = thread_key({"channel": room.id, "channel_type": room.kind, "ts": root, "thread_ts": root}, self._us)
            own = room.kind == "im" or await until_stored(lambda: self._takes_part(key))
            self._add(OWN_THREADS if own else OTHER_THREADS, partial(self._read_thread, room, root))

    async def _work(self) -> None:
        """Do every job; what Slack or the network prevented is tried anew until it is out of reach."""
        failed: list[tuple[int, int, Job]] = []
        while self._jobs or failed:
            if not self._jobs:
                await asyncio.sleep(AGAIN)
                self._jobs, failed = failed, []
                heapq.heapify(self._jobs)
            item = heapq.heappop(self._jobs)
            try:
                await item[2]()
            except _Unreadable:
                log.warning("missed messages could not be read, trying again later", extra={"tries": TRIES})
                failed.append(item)
            except _Refused:
                pass
            except BadCredentials:
                raise
            except PlatformError as error:
                self._trouble.warning("refused", "missed messages of a conversation cannot be read", error=str(error))
            except Exception as error:  # noqa: BLE001 - an answer of a form nobody foresaw must not stop the rest
                self._trouble.warning(type(error).__name__, "missed messages could not be read", exc_info=True)

    @property
    def _since(self) -> float:
        """From when on messages count: time goes on while Slack makes us wait."""
        return max(self._from, self._clock() - REACH)

    # --- what there is --------------------------------------------------------------------------------------

    async def _list(self, type_: str) -> None:
        kind, _ = TYPES[type_]
        rank = OTHER_DIRECTS if kind == "im" else CHANNELS
        arguments = {"types": type_, "exclude_archived": True}
        async for page in self._pages("users.conversations", arguments, "channels"):
            for channel in page:
                shared = channel.get("is_ext_shared")
                if field(channel, "id"):
                    self._add_room(rank, Room(field(channel, "id"), kind, shared if isinstance(shared, bool) else None))

    async def _read_room(self, room: Room) -> None:
        """Hand on a conversation's new messages, and see in which of its threads there are more."""
        said: dict[str, Event] = {}
        async for page in self._pages("conversations.history", {"channel": room.id}, "messages"):
            said |= _by_time(page)
            if min(map(float, said), default=self._since + 1) <= self._since:
                break
            if len(said) >= PER_CHANNEL:
                self._trouble.warning("many", "a conversation holds more missed messages than are read", read=len(said))
                break
        for ts in sorted(said, key=float):
            latest = field(said[ts], "latest_reply")
            if is_time(latest) and float(latest) > self._since:
                await self._add_thread(room, ts)
            if (event := self._event(said[ts], room)) is None:
                continue
            if not in_thread(event):
                await self._hand_in(event, said[ts], asks=True)
            elif float(ts) > self._since:  # sent to the channel as well; its place is in its thread
                await self._add_thread(room, field(event, "thread_ts"))

    async def _read_thread(self, room: Room, root: str) -> None:
        """Hand on a thread's new replies. One without a mention counts if the bot took part before it."""
        arguments = {"channel": room.id, "ts": root}
        page, more, _ = await self._page("conversations.replies", arguments, "messages")
        said = _by_time(page)
        if more:  # the oldest come first: go on from where it matters
            arguments["oldest"] = f"{max(self._since, *map(float, said)):.6f}" if said else f"{self._since:.6f}"
            async for page in self._pages("conversations.replies", arguments, "messages"):
                said |= _by_time(page)
                if len(said) >= PER_CHANNEL:
                    break
        events = [(event, said[ts]) for ts in sorted(said, key=float) if (event := self._event(said[ts], room))]
        joined = next((float(field(it, "ts")) for it, _ in events if self._joins(it)), 0.0)
        for event, raw in events:
            follows = float(field(event, "ts")) > joined
            await self._hand_in(event, raw, asks=follows or is_addressed(event, self._us))

    def _joins(self, event: Event) -> bool:
        """Whether the bot takes part in a thread from this message on, if not before: its own, or a mention of it."""
        return is_ours(event, self._us) or (may_ask(event, self._us) and is_addressed(event, self._us))

    def _event(self, raw: Event, room: Room) -> Event | None:
        """A message of a history as its event would be; None for one that is none of Slack's."""
        try:
            event = read_event({**raw, "channel": room.id})
        except OddPayload as error:
            self._trouble.warning(error.field, "an odd message is left out", error=str(error))
            return None
        event = {**event, "channel_type": room.kind}
        if not in_thread(event):
            event.pop("thread_ts", None)  # its event told of no thread, which began later
        # Without an envelope only the message and its channel can say that it is of our own workspace.
        told = {"event": event, "is_ext_shared_channel": room.shared, "team_id": ""}
        return {**event, "external": is_external(told, self._us)}

    async def _hand_in(self, event: Event, raw: Event, *, asks: bool) -> None:
        at, since = float(field(event, "ts")), self._since
        edited = raw.get("edited")
        edited_at = field(edited, "ts") if isinstance(edited, Mapping) else ""
        if not is_time(edited_at) or float(edited_at) <= since or at <= self._clock() - EDITED_WITHIN:
            edited_at = ""
        # An older message is a question now if the edit added the mention; if it had one before, the store knows it.
        added = bool(edited_at) and not is_direct(event) and is_addressed(event, self._us)
        if at > since or edited_at:
            await until_stored(lambda: self._take(event, edited_at, asks and (at > since or added)))

    # --- calls ----------------------------------------------------------------------------------------------

    async def _pages(
        self, method: str, arguments: Mapping[str, Any], of: str
    ) -> AsyncIterator[list[Mapping[str, Any]]]:
        """Yield every page of what is listed under `of`. Raises _Unreadable, _Refused and PlatformError."""
        cursor, limit = "", PAGE
        for _ in range(PER_CHANNEL // SMALLEST_PAGE + 1):  # no list is longer, whatever an odd answer says
            page, cursor, limit = await self._page(method, arguments, of, cursor, limit)
            yield page
            if not cursor:
                return

    async def _page(
        self, method: str, arguments: Mapping[str, Any], of: str, cursor: str = "", limit: int = PAGE
    ) -> tuple[list[Mapping[str, Any]], str, int]:
        """Return one page, the cursor of the next (empty on the last one), and how many items were asked for."""
        answer, limit = await self._call(method, {**arguments, "cursor": cursor or None}, limit)
        listed, more = answer.data.get(of), answer.data.get("response_metadata")
        page = [it for it in listed if isinstance(it, Mapping)] if isinstance(listed, list) else []
        return page, field(more, "next_cursor") if isinstance(more, Mapping) else "", limit

    async def _call(self, method: str, arguments: Mapping[str, Any], limit: int) -> tuple[Answer, int]:
        """Ask when there is room; return the answer and how many items it was asked for."""
        pauses = islice(growing(PAUSE, LONGEST_PAUSE), TRIES)
        while True:
            await self._wait_for_room(method)
            try:
                answer = await self._api.call(method, {**arguments, "limit": limit}, accept={"missing_scope"})
            except RateLimited as error:
                await asyncio.sleep(max(error.retry_after or 0.0, PAUSE))
            except (Unavailable, OutcomeUnknown) as error:
                if (pause := next(pauses, None)) is None:
                    raise _Unreadable from error
                if isinstance(error, OutcomeUnknown):
                    limit = max(SMALLEST_PAGE, limit // 4)
                await asyncio.sleep(max(error.retry_after or 0.0, pause))
            else:
                if answer.error:
                    self._lacking.add(answer.text("needed")[:100] or f"a scope of {method}")
                    raise _Refused
                return answer, limit

    async def _wait_for_room(self, method: str) -> None:
        now = asyncio.get_running_loop().time()
        self._next[method] = max(self._next.get(method, 0.0), now) + SPACING
        await asyncio.sleep(max(0.0, self._next[method] - now - BURST * SPACING))


def _by_time(messages: Iterable[Event]) -> dict[str, Event]:
    return {ts: message for message in messages if is_time(ts := field(message, "ts"))}
