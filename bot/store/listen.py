"""A subscription that comes back by itself. Best effort: whoever listens must also look for himself now and then."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from bot.backoff import growing
from bot.store.link import FAILURES, Link, heed_cancellation

_log = logging.getLogger(__name__)

PING_AFTER: Final = 10.0
"""Seconds of silence after which the server is asked for a sign of life; as long again and it is taken for dead."""

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds between two attempts to subscribe: after the first, and at most."""


async def listen(link: Link, channels: Sequence[bytes]) -> AsyncGenerator[tuple[bytes, bytes]]:
    """Yield the channel and text of what is published, and two empty ones whenever the subscription was made.

    Never ends by itself and raises nothing; closing the generator closes its connection.
    """
    pauses = growing(FIRST_PAUSE, LONGEST_PAUSE)
    while True:
        try:
            async with contextlib.aclosing(await link.pubsub()) as pubsub:
                await pubsub.subscribe(*channels)
                heed_cancellation()
                confirmed, silent = 0, False
                while True:
                    message = await pubsub.get_message(timeout=PING_AFTER)
                    if message is None:
                        if silent:
                            break
                        silent = True
                        await pubsub.ping()
                        heed_cancellation()
                        continue
                    silent = False
                    if message["type"] == "message":
                        yield message["channel"], message["data"]
                    elif message["type"] == "subscribe":
                        # The client re-subscribes by itself after a short break: each time to all channels.
                        confirmed += 1
                        if confirmed % len(channels) == 0:
                            pauses = growing(FIRST_PAUSE, LONGEST_PAUSE)
                            yield b"", b""
        except FAILURES as error:
            _log.info("signals are lost for now: %s", link.unavailable(error))
        await asyncio.sleep(next(pauses))
