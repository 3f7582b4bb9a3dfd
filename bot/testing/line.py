"""The order of those who wait, and who of them has a status, for the store in memory; see `rules.lanes`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from bot.conversation import Place
from bot.store import rules
from bot.store.mailbox import Standing


class Line:
    """The line of one installation."""

    def __init__(self) -> None:
        self._pace: dict[str, int] = {}
        self._shown: dict[str, float] = {}
        self._arrivals = itertools.count()

    def fair_turn(self, lanes: Iterable[tuple[str, int]], head: Standing | None) -> Standing:
        """When a thread's turn comes behind `head`, the next one that waits; None where nobody does."""
        first = head[0] if head else 0
        self._pace = {name: turn for name, turn in self._pace.items() if turn > first} if head else {}
        turn = first
        for name, step in lanes:
            slot = self._pace.get(name, first)
            if turn == first:
                self._pace[name] = slot + step
            turn = max(turn, slot)
        return turn, next(self._arrivals)

    def show(self, places: Iterable[Place], now: float, lasts: float) -> tuple[Place, ...]:
        """Take those of `places` that have no status, as many as may get one now, as having one for `lasts` seconds."""
        self._shown = {spot: until for spot, until in self._shown.items() if until > now}
        room = rules.STATUSES_A_SECOND - sum(until >= now + lasts - 1.0 for until in self._shown.values())
        found: list[Place] = []
        for place in places:
            if len(found) < room and rules.spot(place) not in self._shown:
                self._shown[rules.spot(place)] = now + lasts
                found.append(place)
        return tuple(found)

    def begun(self, place: Place) -> None:
        """A turn there begins. A conversation of its own loses its status with the first message of the answer."""
        if place.thread:
            self._shown.pop(rules.spot(place), None)
