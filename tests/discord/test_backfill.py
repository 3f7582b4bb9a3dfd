"""Servers that are late or down when a session begins, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from adapters.discord.backfill import GUILDS_COME_WITHIN, Backfill


class Quiet:
    """A channel whose history is empty."""

    def __init__(self, id_: int) -> None:
        self.id = id_

    async def history(self, **_: Any) -> AsyncIterator[discord.Message]:
        for nothing in ():
            yield nothing


class Listener:
    """A backfill over one server that is not there yet, and what it hands on."""

    def __init__(self) -> None:
        self.guild = SimpleNamespace(id=7, unavailable=True, channels=(), threads=())
        self.live: list[int] = []
        self.finished = 0
        client = SimpleNamespace(guilds=[self.guild])
        self.backfill = Backfill(cast("discord.Client", client), self._missed, self._held, self._directs, self._finish)

    def message(self) -> discord.Message:
        """A live message in that server."""
        now = discord.utils.time_snowflake(discord.utils.utcnow())
        return cast("discord.Message", SimpleNamespace(id=now, channel=Quiet(8), guild=self.guild))

    async def _missed(self, message: discord.Message) -> None:
        raise AssertionError("nothing was missed")

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
    listener.backfill.settle(cast("discord.Guild", listener.guild))
    assert listener.backfill.admit(listener.message())
    await listener.backfill.close()
