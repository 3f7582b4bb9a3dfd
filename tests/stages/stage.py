"""Where policies are tried: streams, a platform that enforces its limits, a clock that jumps. It decides nothing."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from adapters.discord.limits import BURSTS, CALLS, WINDOW
from bot.pacing.pacer import LiveReply, Pacer
from bot.ports import Observed, RateLimit, Write
from sandbox.limits import Counting, Limiter
from tests.stages.traces import Trace
from tests.stages.virtual import run


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform allows and what it says about it.

    Args:
        edit: the rate limit of edits, as the adapter states it.
        post: the rate limit of new messages in a channel; None where a final may not take that way.
        headers: whether answers tell how full the bucket is.
        bound: (burst, calls a second) that the clairvoyant may use.
    """

    edit: RateLimit
    post: RateLimit | None
    headers: bool
    bound: tuple[float, float]


SLACK = Limits(
    RateLimit("chat.update", 50, 60.0, 10), RateLimit("chat.postMessage", 60, 60.0, 1), False, (10.0, 40 / 60)
)
"""Tier 3 of Slack's documentation for edits, shared by a workspace; about one post a second and channel."""

DISCORD = Limits(RateLimit("edit", CALLS, WINDOW, BURSTS[Write.EDIT]), None, True, (5.0, 1.0))
"""One Discord channel: five edits in five seconds, as the community measured it."""


class Stream:
    """One answer on its way to its readers.

    Attributes:
        received: characters so far.
        ended: whether the stream ended.
        shown: (sent at, visible from, characters) of every edit.
        finished_at: when the final was visible (s).
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.received = 0
        self.ended = False
        self.shown: list[tuple[float, float, int]] = []
        self.finished_at = math.inf
        self.live_reply: LiveReply | None = None
        self.changed = asyncio.Event()

    def schedule(self) -> None:
        """Let the deltas come at their times."""
        loop = asyncio.get_running_loop()
        for at, chars in self.trace.deltas:
            loop.call_at(at, self._receive, chars)
        loop.call_at(self.trace.last, self._end)

    def _receive(self, chars: int) -> None:
        self.received += chars
        if self.live_reply is not None:
            self.live_reply.received(chars)
        self.changed.set()

    def _end(self) -> None:
        self.ended = True
        if self.live_reply is not None:
            self.live_reply.end()
        self.changed.set()

    def lag(self) -> float:
        """Characters received and not shown, over time, until the final is visible (characters × s)."""
        lag = sum(chars * (self.finished_at - at) for at, chars in self.trace.deltas)
        before = 0
        for _, visible, chars in self.shown:
            lag -= (chars - before) * (self.finished_at - visible)
            before = chars
        return lag

    def max_lag(self) -> int:
        """The most characters that were received and not shown."""
        most = received = before = index = 0
        for _, visible, chars in self.shown:
            while index < len(self.trace.deltas) and self.trace.deltas[index][0] < visible:
                received += self.trace.deltas[index][1]
                index += 1
            most = max(most, received - before)
            before = chars
        return most


@dataclass(slots=True)
class Platform:
    """Lets a call through or refuses it, half the latency after it was sent.

    Args:
        limits: what it allows.
        counting: how it counts.
        latency: seconds from a call to its answer.
        factor: multiplies what it allows, without a word.
    """

    limits: Limits
    counting: Counting = "sliding"
    latency: float = 0.15
    factor: float = 1.0
    calls: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    posts: int = 0
    _limiters: dict[str, Limiter] = field(default_factory=dict)

    async def call(self, rate_limit: RateLimit) -> tuple[float, Observed | None]:
        """Write once. Returns the seconds to wait when it was refused, else 0.0, and what headers said."""
        limiter = self._limiters.get(rate_limit.name)
        if limiter is None:
            calls = max(1, int(rate_limit.calls * self.factor))
            limiter = self._limiters[rate_limit.name] = Limiter(calls, rate_limit.window, self.counting)
        await asyncio.sleep(self.latency / 2)
        now = asyncio.get_running_loop().time()
        wait = limiter.admit(now)
        (self.refusals if wait else self.calls).append(now)
        self.posts += rate_limit.name != self.limits.edit.name
        remaining, reset = limiter.state(now)
        await asyncio.sleep(self.latency / 2)
        return wait, Observed(rate_limit.name, limiter.calls, remaining, reset) if self.limits.headers else None


Policy = Callable[[Stream, Platform, Pacer, str], Coroutine[None, None, None]]
"""Shows one stream's text until all is shown; also given are the pacer of its process and its channel."""


def play(traces: Sequence[Trace], policy: Policy, platform: Platform, *, same_channel: bool = False) -> list[Stream]:
    """Replay the traces together against a fresh platform and return what the readers saw."""

    async def main() -> list[Stream]:
        now = asyncio.get_running_loop().time()
        streams = [Stream(trace.later(now)) for trace in traces]
        pacer = Pacer()
        async with asyncio.TaskGroup() as group:
            for number, stream in enumerate(streams):
                stream.schedule()
                group.create_task(policy(stream, platform, pacer, "" if same_channel else str(number)))
        return streams

    return run(main())
