"""Heartbeats of a gateway connection, and when an answer to one is overdue.

discord.py's own run in a thread that does not mind when they are not answered, and that ends without a word when one
cannot be sent: such a connection looks alive and hears nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable

ANSWERED_WITHIN, ANSWERED_AT_LEAST_WITHIN = 10.0, 1.0
"""Seconds for the answer to a heartbeat: ten, or the interval where that is shorter, but never less than one."""

SPACING = 1.0
"""Seconds between two heartbeats at least, however often Discord asks: it closes after 120 messages a minute."""


class Heartbeat:
    """Sends a heartbeat at once, then at every interval and when Discord asks for one.

    Args:
        send: sends one.
        interval: seconds between two.
    """

    def __init__(self, send: Callable[[], Awaitable[None]], interval: float) -> None:
        self._send = send
        self._interval = interval
        self._answer_timeout = max(ANSWERED_AT_LEAST_WITHIN, min(ANSWERED_WITHIN, interval))
        self._asked = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._sent = self._loop.time()
        self.latency = math.inf
        """Seconds from the last heartbeat to its answer."""
        self.due = self._sent + self._answer_timeout
        """Loop time by which an answer must be here, whether its heartbeat was sent or not."""
        self._task = asyncio.create_task(self._run(), name="discord heartbeat")
        self._task.add_done_callback(_ended)

    def ask(self) -> None:
        """Send one as soon as may be: Discord wants it now."""
        self._asked.set()

    def answered(self) -> None:
        """Discord answered the last one."""
        self.latency = self._loop.time() - self._sent
        self.due = self._sent + self._interval + self._answer_timeout

    def stop(self) -> None:
        """Send no more."""
        self._task.cancel()

    async def _run(self) -> None:
        spacing = min(SPACING, self._interval)
        while True:
            self._asked.clear()
            self._sent = self._loop.time()
            await self._send()
            await asyncio.sleep(spacing)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval - spacing):
                    await self._asked.wait()


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # the connection is closed, which is found where it is read; or it will be overdue
