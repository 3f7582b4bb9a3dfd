"""When a write may go: each asks the `Pacer`, which shares every bucket fairly among the live replies.

This file only waits; what is decided is in `_schedule`, what is counted in `_budget` and `_viewer`, and what is agreed
with other workers in `_sharing`. It owns one timer, and none while nobody waits.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

from bot._schedule import Schedule
from bot._sharing import Sharing
from bot._ticket import Ticket
from bot._viewer import Urgency, Viewer
from bot.ports import Budget, Observed, SharedBudgets

__all__ = ["Pacer", "Urgency", "Viewer"]


class Pacer:
    """The gate that no write passes by. For one event loop.

    Args:
        clock: seconds that never go back; None for the running event loop's own time.
        shares: how many live workers divide the budgets.
        ledger: what all workers spend is agreed on there; None where a process has its budgets, or a share, to itself.
    """

    def __init__(
        self, clock: Callable[[], float] | None = None, shares: int = 1, ledger: SharedBudgets | None = None
    ) -> None:
        self._given_clock = clock
        self._schedule = Schedule(shares)
        self._sharing = Sharing(ledger, self._schedule, self._now, self._go, self._look) if ledger else None
        self._waiting: dict[Ticket, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def _now(self) -> float:
        return self._given_clock() if self._given_clock is not None else asyncio.get_running_loop().time()

    def viewer(self, budgets: Sequence[Budget] = ()) -> Viewer:
        """Join the live replies.

        Args:
            budgets: what the reply's edits will spend from. Naming them keeps room for its ending, and counts it
                in `crowded`, from the start; otherwise that begins with its first `admit`.
        """
        clock = self._given_clock or asyncio.get_running_loop().time
        viewer = Viewer(clock, self._changed, self._left)
        self._schedule.join(viewer, budgets, clock())
        return viewer

    def crowded(self, budgets: Sequence[Budget]) -> bool:
        """Whether more replies live on one of `budgets` than may write at once: show a status, no placeholder."""
        return self._schedule.crowded(budgets, self._now())

    def share(self, shares: int) -> None:
        """Divide every budget by `shares` live workers from now on; with a ledger only while it does not answer.

        The call itself says that the store answers, and should come every few seconds.
        """
        if self._sharing is not None:
            self._sharing.attend(shares)
            return
        self._schedule.share(shares, self._now())
        self._look()

    def observe(self, observed: Observed) -> None:
        """Note what a platform's answer said about a bucket; one never asked for is ignored."""
        self._schedule.observe(observed, self._now())
        self._look()

    def refused(self, budgets: Sequence[Budget], retry_after: float) -> None:
        """Note a refusal for rate: all of `budgets` rest for `retry_after` s. The write has to ask again."""
        now = self._now()
        self._schedule.refused(budgets, retry_after, now)
        if self._sharing is not None and budgets:
            self._sharing.rest([self._schedule.bucket(budget, now) for budget in budgets], retry_after)
        self._look()

    async def close(self) -> None:
        """Ask the other workers nothing more, and wait for what is under way."""
        if self._sharing is not None:
            await self._sharing.close()

    async def admit(self, budgets: Sequence[Budget], who: Viewer | Urgency) -> None:
        """Wait until one write may go on all of `budgets` at once; one call of each is spent on return.

        An interim write of a viewer that has nothing unseen waits for text: pass an `Urgency` for one that brings
        none. Cancelling spends nothing.
        """
        await self.admit_any((budgets,), who, patience=math.inf)

    async def admit_any(self, choices: Sequence[Sequence[Budget]], who: Viewer | Urgency, *, patience: float) -> int:
        """Wait like `admit` for one of several ways to write; returns the index of the one that may go.

        Args:
            choices: the budgets of each way, the preferred first.
            who: whose write it is; an interim one waits for the first way alone.
            patience: seconds the first way may make an urgent write wait before another is taken (for a viewer's
                final from the stream's end).
        """
        ticket = self._schedule.ask(choices, who, self._now(), patience)
        future = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = future
        try:
            self._look()
            await future
        except asyncio.CancelledError:
            self._schedule.cancel(ticket, self._now())
            if self._sharing is not None:
                self._sharing.withdraw(ticket)
            self._look()
            raise
        finally:
            self._waiting.pop(ticket, None)
        return ticket.granted

    def _changed(self, viewer: Viewer) -> None:
        if self._schedule.changed(viewer, self._now()):
            self._look()

    def _left(self, viewer: Viewer) -> None:
        self._schedule.leave(viewer, self._now())
        self._look()

    def _go(self, ticket: Ticket) -> None:
        if (future := self._waiting.get(ticket)) is not None and not future.done():
            future.set_result(None)

    def _look(self) -> None:
        """Let go what may go, and set the one timer to when the next may."""
        granted, again = self._schedule.run(self._now())
        for ticket in granted:
            if self._sharing is None or not self._sharing.ask(ticket):
                self._go(ticket)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if again < math.inf:
            self._timer = asyncio.get_running_loop().call_later(max(0.001, again - self._now()), self._look)
