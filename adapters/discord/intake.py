"""Hands what people write to the core: live or missed, each message once, a channel's messages in order, none lost.

Events go through one queue, and the next is handled when the one before is in the store. While the store does not
answer, the queue holds what comes in and the cursor stays; what exceeds the queue is fetched from history afterwards.
Does nothing slow and writes nothing to Discord.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import timedelta
from functools import partial
from typing import TypeVar

import discord

from adapters.discord.backfill import Backfill
from adapters.discord.for_us import Sighting, is_for_us
from adapters.discord.odd import told
from adapters.discord.own import OwnMessages
from adapters.discord.reading import (
    Spot,
    author_replied_to,
    message_of,
    replied_to,
    sighting_of,
    spot_of,
    spot_of_channel,
)
from adapters.discord.recent import Recent
from bot.backoff import growing
from bot.conversation import FollowUps, Message, MessageRef, ThreadKey
from bot.errors import StoreUnavailable
from bot.log_limit import LimitedLog
from bot.ports import Inbox, KnowsDirects

log = logging.getLogger(__name__)

T = TypeVar("T")

CAPACITY = 5000
"""Events held while the store does not answer."""

DIRECTS_READ = 100
"""Channels of direct messages that are looked into for missed ones, newest first: each costs a request."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between tries while the store does not answer; doubled each time."""

REMEMBERED = timedelta(hours=20)
"""Age of a message up to which the store knows whether it was taken in: for a day, by our clock and Discord's."""

FRESH = 1.0
"""Seconds within which a message of the bot may not be known yet to the store, while a reply to it arrives."""

Job = Callable[[], Awaitable[None]]


class Intake:
    """From Discord's events to the inbox.

    Args:
        client: its user must be known (logged in).
        installation: whose credentials messages come in by.
        inbox: takes them.
        follow_ups: which messages of a thread are for the bot.
        own: learns which messages of the bot the gateway reports, and knows which it deletes itself.
        bots: ids of other bots that are answered.
        capacity: events held while the store does not answer.
    """

    def __init__(
        self,
        client: discord.Client,
        installation: str,
        inbox: Inbox,
        follow_ups: FollowUps,
        own: OwnMessages,
        *,
        bots: Collection[str] = (),
        capacity: int = CAPACITY,
    ) -> None:
        self._client = client
        self._installation = installation
        self._inbox = inbox
        self._follow_ups = follow_ups
        self._own = own
        self._bots = frozenset(bots)
        self._capacity = capacity
        self._jobs: deque[Job] = deque()
        self._trouble = LimitedLog(log)
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._overflowed = False
        self._handled: Recent[int, None] = Recent(20_000)
        self._texts: Recent[int, tuple[ThreadKey, str]] = Recent(2000)
        self._first = 0  # nothing before is answered: it is older than the bot
        self._judged = 0  # up to here an earlier process has judged
        self._seen: int | None = None
        self._stored: int | None = None
        self._backfill = Backfill(client, self._missed, self._live, self._known_directs, self._changed.set)
        self._worker: asyncio.Task[None] | None = None

    # --- beginning and end ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Learn where to go on, waiting for the store if need be. The first start ever answers nothing old."""
        cursor = await self._persist(lambda: self._inbox.cursor(self._installation))
        if cursor is None:
            now = discord.utils.time_snowflake(discord.utils.utcnow())
            await self._persist(lambda: self._inbox.move_cursor(self._installation, str(now)))
            self._first = self._judged = now
        else:
            self._judged = self._seen = self._stored = int(cursor)
        self._worker = asyncio.create_task(self._work(), name="discord intake")

    async def stop(self, grace: float) -> None:
        """Take nothing more; wait up to `grace` s until what was taken is stored. The rest is read after a start."""
        self._backfill.stop()
        worker, self._worker = self._worker, None
        if worker is None:
            return
        try:
            async with asyncio.timeout(grace):
                await self._idle.wait()
        except TimeoutError:
            log.warning(
                "events were not stored; they are read again after the next start", extra={"events": len(self._jobs)}
            )
        finally:  # also of who is cancelled while it waits
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)

    @property
    def reading(self) -> bool:
        """Whether something is still being read."""
        return self._backfill.reading

    async def close(self) -> None:
        """End what is still being read; only when nothing is written any more."""
        await self._backfill.close()

    # --- what Discord tells ---------------------------------------------------------------------------------

    def session_began(self) -> None:
        """A new session: what was written since the last one is fetched."""
        self._backfill.begin((self._stored if self._backfill.pending else self._seen) or self._judged)

    def guild_available(self, guild: discord.Guild) -> None:
        """A server's channels are known."""
        self._backfill.settle(guild)

    def guilds_ready(self) -> None:
        """The servers that were sent by now are known, whether they were told of or not."""
        self._backfill.settle_known()

    def message(self, message: discord.Message) -> None:
        """A message was written."""
        if message.author.id == self._own_id and message.nonce is not None:  # only its own sender is told a nonce
            self._own.posted(str(message.nonce), MessageRef(str(message.channel.id), str(message.id)))
        if self._backfill.admit(message):
            self._live(message)

    def edited(self, message: discord.Message) -> None:
        """A message changed. One that was never edited by its author only had its links unfurled."""
        if message.edited_at is not None:
            self._queue(partial(self._amend, message, held=self._backfill.holds(message.channel.id)))

    def deleted(self, channel_id: int, guild_id: int | None, message_ids: Iterable[int]) -> None:
        """Messages were deleted."""
        channel = self._client.get_channel(channel_id)
        spot = spot_of_channel(channel, channel_id, guild_id)
        for id_ in message_ids:
            if not self._own.deletes(str(id_)):
                self._queue(partial(self._withdraw, spot, id_))

    # --- the queue ------------------------------------------------------------------------------------------

    def _queue(self, job: Job) -> None:
        if len(self._jobs) >= self._capacity:
            if not self._overflowed:
                log.warning(
                    "the store has not answered for long; messages will be read again", extra={"held": len(self._jobs)}
                )
            self._overflowed = True
            return
        self._jobs.append(job)
        self._idle.clear()
        self._changed.set()

    def _live(self, message: discord.Message) -> None:
        self._queue(partial(self._take, message))

    async def _missed(self, message: discord.Message) -> None:
        """Queue a message of the past. It can wait, so it never takes the room of one that comes in now."""
        if message.id < self._first:
            return
        while len(self._jobs) >= self._capacity // 2:
            self._room.clear()
            await self._room.wait()
        self._queue(partial(self._take, message, judged=message.id <= self._judged))

    async def _work(self) -> None:
        while True:
            self._changed.clear()
            while self._jobs:
                await self._do(self._jobs[0])
                self._jobs.popleft()
                self._room.set()
            if self._overflowed:
                self._overflowed = False
                self._backfill.begin(self._stored or self._judged)
            await self._do(self._save_cursor)
            if not self._jobs:
                self._idle.set()
                await self._changed.wait()

    async def _do(self, job: Job) -> None:
        try:
            await self._persist(job)
        except Exception as error:  # noqa: BLE001 - one message of a form nobody foresaw must not stop all others
            self._trouble.warning(type(error).__name__, "an event could not be handled", **told(error))

    async def _persist(self, job: Callable[[], Awaitable[T]]) -> T:
        """Do `job`, again and again until the store answers.

        Every job may be repeated: none remembers that it was done before it was, and the store knows a second time.
        """
        pauses = growing(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            try:
                return await job()
            except StoreUnavailable as error:
                log.warning("the store does not answer, trying again", extra={"error": str(error)})
                await asyncio.sleep(next(pauses))

    async def _save_cursor(self) -> None:
        if self._seen is not None and self._seen != self._stored and not self._backfill.pending:
            seen = self._seen
            await self._inbox.move_cursor(self._installation, str(seen))
            self._stored = seen

    async def _known_directs(self) -> Iterable[int]:
        inbox = self._inbox
        if not isinstance(inbox, KnowsDirects):
            return ()
        known = await self._persist(lambda: inbox.directs(self._installation))
        return [int(channel) for channel in known[:DIRECTS_READ]]

    # --- one event ------------------------------------------------------------------------------------------

    async def _take(self, message: discord.Message, *, judged: bool = False) -> None:
        if message.id in self._handled:
            return
        taken = await self._read(message, judged)
        if taken is not None and await self._inbox.submit(taken):
            log.debug("message accepted", extra={"key": str(taken.key), "id": taken.id})
        if taken is not None:
            self._texts[message.id] = (taken.key, message.content)
        self._handled[message.id] = None
        self._seen = max(self._seen or 0, message.id)

    async def _read(self, message: discord.Message, judged: bool) -> Message | None:
        """The message as the core takes it; None when it is not for us."""
        seen = sighting_of(message, self._own_id, replies_to_bot=False, bots=self._bots)
        if not (seen.human and seen.ordinary):
            return None
        spot = spot_of(message)
        conversation, ours = await self._answered(message, spot)
        seen = sighting_of(message, self._own_id, replies_to_bot=ours, takes_part=True, bots=self._bots)
        if not is_for_us(seen, self._follow_ups):
            return None
        takes_part = spot.guild is None or spot.key is None or await self._inbox.takes_part(spot.key)
        joined_later = getattr(message.channel, "owner_id", None) != self._own_id  # not in a thread that it opened
        if not takes_part or (judged and joined_later):
            # What an earlier process has judged is asked again only if it names the bot: the bot may have joined since.
            seen = sighting_of(message, self._own_id, replies_to_bot=ours, bots=self._bots)
            if not is_for_us(seen, self._follow_ups):
                return None
        return self._message(message, seen, conversation, new_here=not takes_part)

    async def _answered(self, message: discord.Message, spot: Spot) -> tuple[ThreadKey | None, bool]:
        """For a reply: the conversation of the message it answers, and whether that is one of ours."""
        answered = replied_to(message)
        if answered is None or spot.guild is None:
            return None, False
        author = author_replied_to(message)
        if author is not None and author.id != self._own_id:
            return None, False
        conversation = await self._inbox.key_of(self._installation, str(answered))
        ours = author is not None or conversation is not None
        if conversation is None and ours and seconds_between(answered, message.id) < FRESH:
            # It was posted a moment ago, and its worker is still writing down where it belongs.
            await asyncio.sleep(FRESH)
            conversation = await self._inbox.key_of(self._installation, str(answered))
        return conversation, ours

    async def _amend(self, message: discord.Message, *, held: bool) -> None:
        before = self._texts.get(message.id)
        if before is not None and before[1] == message.content:
            return
        seen = sighting_of(message, self._own_id, replies_to_bot=False, bots=self._bots)
        if not (seen.human and seen.ordinary):
            return
        if seen.mentions_bot and before is None and _is_fresh(message) and await self._asks_now(message):
            return
        conversation, ours = await self._answered(message, spot_of(message))
        edited = self._message(message, seen, conversation)
        # What people say to one another no store should see. What the message was before is not told: one that is held
        # may have named the bot, and the question of a channel is the thread it takes part in.
        known = before is not None or held or ours or seen.addressed
        if not (known or await self._inbox.takes_part(edited.key)):
            return
        at = message.edited_at.timestamp() if message.edited_at else None
        await self._inbox.edited(edited, at=at)
        if before is not None:
            self._texts[message.id] = (before[0], message.content)

    async def _asks_now(self, message: discord.Message) -> bool:
        """Take in a message to which an edit added our mention; False where it was taken in before."""
        taken = await self._read(message, judged=False)
        if taken is None or not await self._inbox.submit(taken):
            return False
        self._texts[message.id] = (taken.key, message.content)
        return True

    async def _withdraw(self, spot: Spot, id_: int) -> None:
        """Take a question back; a message of ours that a person deletes is a stop of its thread's turn."""
        known = self._texts.get(id_)
        key = known[0] if known else spot.key or await self._inbox.key_of(self._installation, str(id_))
        if key is None:
            key = ThreadKey("discord", str(spot.guild), str(id_))
        await self._inbox.deleted(key, self._installation, str(id_))

    def _message(
        self, message: discord.Message, seen: Sighting, conversation: ThreadKey | None, *, new_here: bool = False
    ) -> Message:
        return message_of(
            message,
            self._installation,
            self._own_id,
            conversation=conversation,
            addressed=seen.addressed,
            new_here=new_here,
        )

    @property
    def _own_id(self) -> int:
        user = self._client.user
        if user is None:
            raise RuntimeError("the client has not logged in")
        return user.id


def _is_fresh(message: discord.Message) -> bool:
    """Whether the store would know a message that was taken in: what it said before an edit is not told."""
    return discord.utils.utcnow() - message.created_at < REMEMBERED


def seconds_between(earlier: int, later: int) -> float:
    """Seconds from one snowflake to another."""
    return (discord.utils.snowflake_time(later) - discord.utils.snowflake_time(earlier)).total_seconds()
