"""What client and event loop raise when a connection breaks, in whatever words."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from bot.errors import StoreUnavailable
from bot.store.redis import RedisStore

CLOSED = "unable to perform operation on <TCPTransport closed=True reading=False 0x55>; the handler is closed"


class Broken(Redis):
    """A client whose connection is gone as soon as it was made, as uvloop says it."""

    def pipeline(self, *_args, **_more):
        raise RuntimeError(CLOSED)

    def pubsub(self, **_more):
        raise RuntimeError(CLOSED)


async def test_a_connection_that_broke_while_it_was_made_is_an_outage():
    """Whatever is asked, the store is unavailable, as when nobody answers; who waits for signals goes on waiting."""
    store = RedisStore(Broken(), history_ttl=1000)
    for call in (store.cursor("slack:T1"), store.claim(["slack:T1"], "w", 15)):
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await call
    listening = asyncio.ensure_future(anext(store.signals(["slack:T1"])))
    await asyncio.wait({listening}, timeout=0.05)
    assert not listening.done()
    listening.cancel()
    await asyncio.wait({listening})
    await store.close()
