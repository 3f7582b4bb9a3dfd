"""Events on their way to the bot: who is told what, the wait for the acknowledgement, and the redeliveries."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sandbox.journal import Journal
from sandbox.slack import payloads
from sandbox.slack.world import Workspace

SUBSCRIPTIONS = frozenset({"app_mention", "message.channels", "message.groups", "message.im", "message.mpim"})

_SUBSCRIPTION = {"channel": "message.channels", "group": "message.groups", "im": "message.im", "mpim": "message.mpim"}


class Outcome(NamedTuple):
    """What became of one try: acknowledged or not, why not, and whether the bot asked for no retry."""

    acked: bool
    reason: str = ""
    retry: bool = True


class Transport(Protocol):
    """A way to the bot: Socket Mode or the HTTP push."""

    name: str

    async def deliver(self, body: dict[str, Any], attempt: int, reason: str, patience: float) -> Outcome:
        """Send an event and wait at most `patience` seconds for its acknowledgement."""
        ...

    async def interact(self, body: dict[str, Any], patience: float) -> Outcome:
        """Send what somebody pressed and wait at most `patience` seconds for its acknowledgement."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that was sent once."""

    event_id: str
    body: dict[str, Any]


class Dispatcher:
    """Sends events and redelivers what is not acknowledged.

    Args:
        ack_timeout: seconds the bot has to acknowledge (3, by Slack's documentation).
        retry_delays: seconds before each redelivery (at once, 1 min, 5 min, by the documentation).
    """

    def __init__(
        self,
        workspace: Workspace,
        journal: Journal,
        transport: Transport,
        *,
        ack_timeout: float = 3.0,
        retry_delays: Sequence[float] = (0.0, 60.0, 300.0),
    ) -> None:
        self.transport = transport
        self.subscriptions = set(SUBSCRIPTIONS)
        self.ack_timeout = ack_timeout
        self.retry_delays = tuple(retry_delays)
        self.deliveries: dict[str, Delivery] = {}
        self._workspace = workspace
        self._journal = journal
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    def publish(self, event: dict[str, Any]) -> str | None:
        """Send an event if the app subscribed to its kind and the bot is where it happened; returns its id."""
        channel = self._workspace.channels[event["channel"]]
        kind = event["type"] if event["type"] != "message" else _SUBSCRIPTION[channel.kind]
        if kind not in self.subscriptions or self._workspace.bot.id not in channel.members:
            return None
        return self.send(event)

    def send(self, event: dict[str, Any]) -> str:
        """Send an event, whatever the app subscribed to; returns its id at once."""
        event_id = f"Ev0SBX{next(self._numbers):06d}"
        body = payloads.envelope(event, event_id, self._workspace, time.time())
        self.deliveries[event_id] = Delivery(event_id, body)
        self._spawn(self._deliver(self.deliveries[event_id]))
        return event_id

    def redeliver(self, event_id: str, *, reason: str = "timeout") -> None:
        """Send an event once more under its old id, as after a lost acknowledgement; raises KeyError."""
        self._spawn(self._deliver(self.deliveries[event_id], first=1, reason=reason, last=1))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery, *, first: int = 0, reason: str = "", last: int | None = None) -> None:
        event = delivery.body["event"]
        final = len(self.retry_delays) if last is None else last
        for attempt in range(first, final + 1):
            if attempt > first:
                await asyncio.sleep(self.retry_delays[attempt - 1])
            self._journal.add(
                "slack",
                "event",
                id=delivery.event_id,
                type=event["type"],
                subtype=event.get("subtype"),
                channel=event.get("channel"),
                ts=event.get("ts"),
                attempt=attempt,
                over=self.transport.name,
                event=event,
            )
            outcome = await self.transport.deliver(delivery.body, attempt, reason, self.ack_timeout)
            if outcome.acked:
                self._journal.add("slack", "ack", id=delivery.event_id, attempt=attempt)
                return
            reason = outcome.reason
            self._journal.add("slack", "unacked", id=delivery.event_id, attempt=attempt, reason=reason)
            if not outcome.retry:
                return

    async def idle(self) -> None:
        """Wait until every event sent so far is acknowledged or given up."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def close(self) -> None:
        """Give up all that is on its way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
