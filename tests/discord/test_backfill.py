"""Servers that are late or down when a session begins, and histories that cannot be read, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from adapters.discord.backfill import AGAIN, GUILDS_COME_WITHIN, REACH, TRIES, Backfill


class Quiet:
    """A channel whose history is empty."""

    def __init__(self, id_: int) -> None:
        self.id = id_

    async def history(self, **_: Any) -> AsyncIterator[discord.Message]:
        for nothing in ():
            yield nothing


class Odd(Quiet):
    """A channel in whose history discord.py fails, until `missed` is set; `asked` counts how often it was tried."""

    def __init__(self, id_: int, error: Exception) -> None:
        super().__init__(id_)
        self.error = error
        self.asked = 0
        self.missed: discord.Message | None = None

    async def history(self, *, after: discord.Object, **_: Any) -> AsyncIterator[discord.Message]:
        self.asked += 1
        if self.missed is None:
            raise self.error
        if self.missed.id > after.id:
            yield self.missed


class Endless(Quiet):
    """A channel whose history never comes."""

    async def history(self, **_: Any) -> AsyncIterator[discord.Message]:
        await asyncio.Event().wait()
        for nothing in ():
            yield nothing


class Listener:
    """A backfill over one server that is not there yet, and what it hands on."""

    def __init__(self) -> None:
        self.guild = SimpleNamespace(id=7, unavailable=True, channels=(), threads=())
        self.live: list[int] = []
        self.missed: list[int] = []
        self.finished = 0
        client = SimpleNamespace(guilds=[self.guild])
        self.backfill = Backfill(cast("discord.Client", client), self._missed, self._held, self._directs, self._finish)

    def message(self, channel: Quiet | None = None) -> discord.Message:
        """A live message in that server, in a channel whose history is empty if nothing else is said."""
        now = discord.utils.time_snowflake(discord.utils.utcnow())
        return cast("discord.Message", SimpleNamespace(id=now, channel=channel or Quiet(8), guild=self.guild))

    async def _missed(self, message: discord.Message) -> None:
        self.missed.append(message.id)

    def _held(self, message: discord.Message) -> None:
        self.live.append(message.id)

    async def _directs(self) -> tuple[int, ...]:
        return ()

    def _finish(self) -> None:
        self.finished += 1


def cursor() -> int:
    """A minute ago."""
    return discord.utils.time_snowflake(discord.utils.utcnow()) - (60_000 << 22)


@pytest.mark.looptime
async def test_a_server_that_stays_down_does_not_hold_the_cursor_for_ever() -> None:
    """After a while it counts as down, and what was handled may be remembered."""
    listener = Listener()
    listener.backfill.begin(cursor())
    await asyncio.sleep(GUILDS_COME_WITHIN - 1)
    assert listener.backfill.pending
    assert not listener.finished
    await asyncio.sleep(2)
    assert not listener.backfill.pending
    assert listener.finished == 1
    await listener.backfill.close()


@pytest.mark.looptime
async def test_what_comes_in_before_a_server_was_sent_waits_for_its_history() -> None:
    """Nobody knows yet what was missed there."""
    listener = Listener()
    listener.backfill.begin(cursor())
    await asyncio.sleep(1)
    message = listener.message()
    assert not listener.backfill.admit(message)
    assert listener.live == []
    await asyncio.sleep(1)
    assert listener.live == [message.id]
    assert listener.missed == []
    listener.backfill.settle(cast("discord.Guild", listener.guild))
    assert listener.backfill.admit(listener.message())
    await listener.backfill.close()


UNREADABLE = [
    pytest.param(KeyError("a field that discord.py takes for granted"), id="odd"),
    pytest.param(OSError("no network"), id="network"),
]


@pytest.mark.looptime
@pytest.mark.parametrize("error", UNREADABLE)
async def test_a_history_that_cannot_be_read_makes_no_channel_deaf(error: Exception) -> None:
    """What was held for it is handed on, what comes in later as well; the cursor stays while anything is in reach."""
    listener, channel = Listener(), Odd(8, error)
    listener.backfill.begin(cursor())
    first = listener.message(channel)
    assert not listener.backfill.admit(first)
    await asyncio.sleep(GUILDS_COME_WITHIN + AGAIN)
    assert listener.live == [first.id]
    assert listener.backfill.admit(listener.message(channel))
    assert listener.backfill.pending
    await asyncio.sleep(2 * REACH.total_seconds())
    assert not listener.backfill.pending
    assert listener.finished == 1
    await listener.backfill.close()


@pytest.mark.looptime
@pytest.mark.parametrize("error", UNREADABLE)
async def test_what_could_not_be_read_is_read_later(error: Exception) -> None:
    """A channel whose history failed however often it was tried is looked into again; only then the cursor may move."""
    listener, channel = Listener(), Odd(8, error)
    listener.backfill.begin(cursor())
    missed, live = listener.message(channel), listener.message(channel)
    assert not listener.backfill.admit(live)
    await asyncio.sleep(GUILDS_COME_WITHIN + AGAIN / 2)
    assert listener.backfill.pending
    assert channel.asked in (1, TRIES)
    channel.missed = missed
    await asyncio.sleep(AGAIN)
    assert (listener.live, listener.missed) == ([live.id], [missed.id])
    assert not listener.backfill.pending
    await listener.backfill.close()


@pytest.mark.looptime
@pytest.mark.parametrize("channel", [Odd(8, KeyError("odd")), Endless(8)], ids=["odd", "endless"])
async def test_a_stop_leaves_the_cursor_before_what_was_not_read(channel: Quiet) -> None:
    """However its reading ends, the next start reads it; nobody waits for a call that is over."""
    listener = Listener()
    listener.backfill.begin(cursor())
    listener.backfill.admit(listener.message(channel))
    await asyncio.sleep(GUILDS_COME_WITHIN)
    listener.backfill.stop()
    assert listener.backfill.reading
    await listener.backfill.close()
    assert not listener.backfill.reading
    assert listener.backfill.pending
    assert not listener.finished


@pytest.mark.looptime
async def test_nothing_is_read_after_a_stop() -> None:
    """Events that the queue could not hold are read after the next start, and until then the cursor stays."""
    listener = Listener()
    listener.backfill.begin(cursor())
    await asyncio.sleep(GUILDS_COME_WITHIN + 1)
    listener.backfill.stop()
    assert not listener.backfill.pending
    listener.backfill.begin(cursor())
    assert listener.backfill.pending
    assert not listener.backfill.reading
    await listener.backfill.close()
