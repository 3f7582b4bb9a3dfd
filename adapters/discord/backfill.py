"""Fetches what was written while the bot was not listening: after every start and every new session.

What comes in live in a channel that may hold missed messages is held until its history was read, so that a channel's
messages keep their order. It reads and hands on; what a message means, and where the cursor stands, is Intake's.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from datetime import timedelta
from itertools import islice

import aiohttp
import discord

from adapters.discord.odd import told
from bot.backoff import growing
from bot.log_limit import LimitedLog

log = logging.getLogger(__name__)

REACH = timedelta(hours=1)
"""Nothing older is answered any more."""

OVERLAP = timedelta(seconds=5)
"""Read again before the cursor: messages of different channels do not arrive in the order of their ids."""

PER_CHANNEL = 1000
"""Messages read of one channel."""

HOLD = 500
"""Live messages held of one channel."""

AT_ONCE = 2
"""Channels read at the same time: reading shares the whole bot's 50 requests a second with the answers."""

TRIES, PAUSE, LONGEST_PAUSE = 6, 0.5, 16.0
"""How often reading a channel is tried, and the first and the longest pause between tries (s)."""

AGAIN = 60.0
"""Seconds until a channel that could not be read is looked into anew."""

HOLD_MESSAGES = (discord.TextChannel, discord.VoiceChannel, discord.StageChannel, discord.Thread)
"""Channels with messages of their own; a forum's are in its threads."""

GUILDS_COME_WITHIN = 10.0
"""Seconds after which a server that was not sent counts as down: it is settled when it is back."""

DIRECTS = 0
"""Stands for the direct messages where a server's id is expected; no snowflake is 0."""


def snowflake_before(snowflake: int, span: timedelta) -> int:
    """The id of a moment `span` before that of `snowflake`."""
    return max(0, snowflake - (int(span.total_seconds() * 1000) << 22))


def within_reach(snowflake: int) -> int:
    """The id itself, or the oldest that is still answered."""
    return max(snowflake, discord.utils.time_snowflake(discord.utils.utcnow() - REACH))


class _Unreadable(Exception):
    """A channel's history could not be read, however often it was tried."""


class Backfill:
    """Missed messages of all channels.

    Args:
        client: reads history.
        missed: takes a message that was missed, a channel's in order; waited for.
        held: takes a live message that was held until then; must not block.
        directs: returns the channels of direct messages that are known.
        finished: told when nothing is pending any more; must not block.
    """

    def __init__(
        self,
        client: discord.Client,
        missed: Callable[[discord.Message], Awaitable[None]],
        held: Callable[[discord.Message], None],
        directs: Callable[[], Awaitable[Iterable[int]]],
        finished: Callable[[], None],
    ) -> None:
        self._client = client
        self._missed = missed
        self._release = held
        self._directs = directs
        self._finished = finished
        self._trouble = LimitedLog(log)
        self._after: int | None = None
        self._unsettled: set[int] = set()
        self._held: dict[int, list[discord.Message]] = {}
        self._session = 0
        self._over = False
        self._cut = False  # stopped while messages may have been missing
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def pending(self) -> bool:
        """Whether messages may still be missing: the cursor must not be stored."""
        return bool(self._cut or self._unsettled or self._held or self._tasks)

    @property
    def reading(self) -> bool:
        """Whether a call may be under way."""
        return bool(self._tasks)

    def begin(self, cursor: int) -> None:
        """A new session begins, or messages were lost: read what came after `cursor` everywhere."""
        if self._over:
            self._cut = True
            return
        self._session += 1
        after = snowflake_before(cursor, OVERLAP)
        self._after = after if not self.pending or self._after is None else min(after, self._after)
        self._unsettled = {DIRECTS, *(guild.id for guild in self._client.guilds)}
        self._spawn(self._settle_directs())
        self.settle_known()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(GUILDS_COME_WITHIN, self._wait_no_longer)

    def settle(self, guild: discord.Guild) -> None:
        """A server's channels are known now: read those that have something newer."""
        self._unsettled.discard(guild.id)
        if self._after is None:
            return
        for channel in (*guild.channels, *guild.threads):
            if isinstance(channel, HOLD_MESSAGES):
                self._catch_up(channel, channel.id, channel.last_message_id)

    def settle_known(self) -> None:
        """Settle every server that is known by now and was not settled yet."""
        for guild in self._client.guilds:
            if guild.id in self._unsettled and not guild.unavailable:
                self.settle(guild)

    def admit(self, message: discord.Message) -> bool:
        """Whether a live message may be handled now; False when it is held until its channel has caught up."""
        channel = message.channel
        if (held := self._held.get(channel.id)) is not None:
            if len(held) < HOLD:
                held.append(message)
            else:
                self._session += 1  # what does not fit is read from history with the rest
            return False
        if (message.guild.id if message.guild else DIRECTS) not in self._unsettled:
            return True
        self._catch_up(channel, channel.id, message.id)
        return self.admit(message) if channel.id in self._held else True

    def holds(self, channel_id: int) -> bool:
        """Whether live messages of a channel are held."""
        return channel_id in self._held

    def stop(self) -> None:
        """Hand on nothing more, for good; what was not read is read after the next start."""
        self._cut = self.pending
        self._over = True
        self._session += 1
        self._after = None
        if self._timer is not None:
            self._timer.cancel()
        self._unsettled.clear()
        self._held.clear()

    async def close(self) -> None:
        """End what is being read; not before the last write has its answer, for the client may be unusable then."""
        self.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _stopped(self) -> bool:  # asked again after every wait
        return self._over

    def _wait_no_longer(self) -> None:
        self._unsettled &= {DIRECTS}
        if not self.pending:
            self._finished()

    def _catch_up(self, channel: discord.abc.Messageable, channel_id: int, last: int | None) -> None:
        if self._after is None or channel_id in self._held or last is None:
            return
        after = within_reach(self._after)
        if last > after:
            self._held[channel_id] = []
            self._spawn(self._read(channel, channel_id, after))

    async def _settle_directs(self) -> None:
        session = self._session
        known = await self._directs()
        if session != self._session:
            return
        self._unsettled.discard(DIRECTS)
        for id_ in known:
            channel = self._client.get_partial_messageable(id_, type=discord.ChannelType.private)
            self._catch_up(channel, id_, sys.maxsize)  # how new its last message is, nobody knows

    async def _read(self, channel: discord.abc.Messageable, channel_id: int, after: int) -> None:
        """Hand on what came after an id, then what was held. What cannot be read is tried until it is out of reach.

        What comes in while it waits for another try is not held: the channel would be deaf for as long.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + REACH.total_seconds()
        left = await self._pages(channel, after)
        for message in self._held.pop(channel_id, ()):
            self._release(message)
        while left is not None and loop.time() < until:
            await asyncio.sleep(AGAIN)
            if self._stopped() or channel_id in self._held:  # a newer session reads it, from there or before
                return
            left = await self._pages(channel, within_reach(left))

    async def _pages(self, channel: discord.abc.Messageable, after: int) -> int | None:
        """Hand on what came after an id; returns None, or the id after which something is left that cannot be read."""
        session = -1
        try:
            async with self._at_once:
                while session != self._session and not self._stopped():
                    session = self._session  # one that begins meanwhile may have missed more
                    async for message in self._history(channel, after):
                        if self._stopped():
                            return None
                        await self._missed(message)
                        after = message.id
        except _Unreadable:
            log.warning("missed messages of a channel could not be read, trying again later", extra={"tries": TRIES})
            return after
        except Exception as error:  # noqa: BLE001 - a history of a form nobody foresaw must make no channel deaf
            self._trouble.warning(
                type(error).__name__, "missed messages could not be read, trying again later", **told(error)
            )
            return after
        return None

    async def _history(self, channel: discord.abc.Messageable, after: int) -> AsyncIterator[discord.Message]:
        """Yield what was written after an id, oldest first; tried again where Discord or the network fails."""
        left = PER_CHANNEL
        for pause in islice(growing(PAUSE, LONGEST_PAUSE), TRIES):
            if self._stopped():
                return
            try:
                async for message in channel.history(limit=left, after=discord.Object(after), oldest_first=True):
                    yield message
                    after, left = message.id, left - 1
            except (discord.Forbidden, discord.NotFound):
                return
            except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
                log.info("reading missed messages failed, trying again", extra={"error": type(error).__name__})
                await asyncio.sleep(pause)
            else:
                if left <= 0:
                    log.warning("a channel holds more missed messages than are read", extra={"read": PER_CHANNEL})
                return
        raise _Unreadable

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="discord history")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._trouble.warning("a task", "reading missed messages failed", **told(error))
        if not self.pending:
            self._finished()
