"""The clairvoyant bounds: the least lag that anybody could have reached who knew all arrivals beforehand.

Lag is the integral of (characters received - characters shown) over time, from the first delta until the final
edit is shown. An edit sent at t shows what was received by t, at t + latency. Sends are looked for on cells: the
times of deltas and a grid between them, so that what is received is constant within a cell. A send within a cell
counts as sent at its beginning, and every constraint is taken at the cell's most favourable end: the result is a
lower bound for sends at any real times.

With R the characters received at a send and g its time, the lag is a constant less the sum of R_i (g_j - g_i) over
consecutive sends i, j: each send is a line over time, with slopes that grow, so that the best predecessor of every
cell is read off an upper hull in one sweep (Lawler's least-weight subsequence in linear time).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from tests.stages.traces import Trace

_NEVER = -math.inf


@dataclass(frozen=True, slots=True)
class Cells:
    """One stream cut into cells: `begin[i]`..`begin[i + 1]`, with `received[i]` characters by then."""

    begin: tuple[float, ...]
    received: tuple[int, ...]
    latency: float
    ended: float
    integral: float

    @classmethod
    def of(cls, trace: Trace, latency: float, step: float, late: float = 0.0) -> Cells:
        """Cut at every delta and every `step` s, until the final was sent, at most `late` s after the end."""
        until = trace.last + late + 2 * latency + 2 * step
        count = math.ceil((until - trace.first) / step) + 1
        times = {at for at, _ in trace.deltas} | {trace.first + index * step for index in range(count)}
        begin = sorted(times)
        at = [time for time, _ in trace.deltas]
        sums = [0, *accumulate(chars for _, chars in trace.deltas)]
        received = tuple(sums[bisect_right(at, time)] for time in begin)
        integral = sum(chars * (trace.last - time) for time, chars in trace.deltas)
        return cls(tuple(begin), received, latency, trace.last, integral)

    def end(self, cell: int) -> float:
        """Where the cell ends."""
        return self.begin[cell + 1] if cell + 1 < len(self.begin) else self.begin[cell]

    def lag(self, shown: float, final: int) -> float:
        """The lag when the sum over sends is `shown` and the final is sent in cell `final`."""
        return self.integral + (self.begin[final] + self.latency - self.ended) * self.received[final] - shown


class _Hull:
    """The upper hull of lines whose slopes and whose queries both grow."""

    __slots__ = ("_at", "_lines")

    def __init__(self) -> None:
        self._lines: list[tuple[float, float, int]] = []
        self._at = 0

    def add(self, slope: float, intercept: float, name: int) -> None:
        lines = self._lines
        if lines and lines[-1][0] == slope:
            if lines[-1][1] >= intercept:
                return
            lines.pop()
        while len(lines) >= 2:
            (m1, b1, _), (m2, b2, _) = lines[-2], lines[-1]
            if (b2 - intercept) * (m2 - m1) > (b1 - b2) * (slope - m2):
                break
            lines.pop()
        lines.append((slope, intercept, name))
        self._at = min(self._at, len(lines) - 1)

    def best(self, x: float) -> tuple[float, int]:
        lines, at = self._lines, self._at
        if not lines:
            return _NEVER, -1
        value = lines[at][0] * x + lines[at][1]
        while at + 1 < len(lines) and (following := lines[at + 1][0] * x + lines[at + 1][1]) >= value:
            at, value = at + 1, following
        self._at = at
        return value, lines[at][2]


def _sweep(cells: Cells, before: Sequence[float], allowed_from: int) -> list[float]:
    """For every cell: the best sum of a schedule whose last send is there, one send after those in `before`."""
    begin, received, latency = cells.begin, cells.received, cells.latency
    count = len(begin)
    values = [_NEVER] * count
    hull = _Hull()
    ready = 0
    for cell in range(allowed_from, count):
        end = cells.end(cell)
        while ready < cell and end - begin[ready] >= latency:
            if before[ready] > _NEVER:
                hull.add(received[ready], before[ready] - received[ready] * begin[ready], ready)
            ready += 1
        values[cell], _ = hull.best(begin[cell])
    return values


def _last(cells: Cells) -> int:
    """The first cell in which all has been received."""
    return bisect_left(cells.received, cells.received[-1])


def one_stream(
    trace: Trace,
    *,
    latency: float,
    burst: float,
    rate: float,
    edits: int | None = None,
    step: float = 0.05,
    first_at_once: bool = False,
) -> tuple[float, int]:
    """The least lag of one stream that may have sent `burst + rate * t` edits by t s after its first delta.

    Args:
        trace: the arrival.
        latency: seconds from a send until it is shown; also the least spacing of two sends.
        burst: edits at once.
        rate: edits a second.
        edits: at most that many in all; None for as many as the rate limit gives.
        step: the grid (s); the finer the tighter.
        first_at_once: bind the clairvoyant to show the first delta at once.

    Returns:
        the bound (characters × seconds) and how many edits it takes.
    """
    # By 1 / rate after the end the rate limit gives a send: had the one before been later than the end, it were the
    # final.
    cells = Cells.of(trace, latency, step, 1.0 / rate if rate > 0.0 else 0.0)
    count, last = len(cells.begin), _last(cells)
    values = [0.0] * (1 if first_at_once else count) + [_NEVER] * (count - 1 if first_at_once else 0)
    best, taken, sent, earliest = math.inf, 0, 0, 0
    while sent < (math.inf if edits is None else edits):
        sent += 1
        while earliest < count and burst + rate * (cells.end(earliest) - trace.first) < sent:
            earliest += 1
        values = [_NEVER] * min(earliest, count) + values[earliest:] if sent == 1 else _sweep(cells, values, earliest)
        if all(value == _NEVER for value in values):
            break
        for cell in range(last, count):
            if values[cell] > _NEVER and (lag := cells.lag(values[cell], cell)) < best:
                best, taken = lag, sent
    return best, taken


def best_placement(trace: Trace, *, latency: float, edits: int, step: float = 0.05) -> float:
    """The least lag with at most that many edits, whenever they are sent."""
    return one_stream(trace, latency=latency, burst=edits, rate=0.0, edits=edits, step=step)[0]


def _priced(cells: Cells, prices: Sequence[float], first_at_once: bool) -> tuple[float, list[int]]:
    """The least lag plus prices of one stream, and the cells it sends in."""
    begin, received, latency = cells.begin, cells.received, cells.latency
    count, last = len(begin), _last(cells)
    values, parents = [_NEVER] * count, [-1] * count
    hull = _Hull()
    ready = 0
    best, final = math.inf, last
    for cell in range(count):
        end = cells.end(cell)
        while ready < cell and end - begin[ready] >= latency:
            if values[ready] > _NEVER:
                hull.add(received[ready], values[ready] - received[ready] * begin[ready], ready)
            ready += 1
        value, parent = hull.best(begin[cell])
        if cell == 0 or (value <= 0.0 and not first_at_once):
            value, parent = 0.0, -1
        values[cell], parents[cell] = value - prices[cell], parent
        if cell >= last and (lag := cells.lag(values[cell], cell)) < best:
            best, final = lag, cell
    sends = [final]
    while (parent := parents[sends[-1]]) >= 0:
        sends.append(parent)
    return best, sends[::-1]


def many_streams(
    traces: Sequence[Trace],
    *,
    latency: float,
    burst: float,
    rate: float,
    step: float = 0.1,
    rounds: int = 150,
    target: float | None = None,
    first_at_once: bool = False,
) -> float:
    """A lower bound of the summed lag of streams that share one rate limit: the Lagrangian dual, by subgradient steps.

    Every window [a, b] of a grid has a price; writes within it may not exceed burst + rate * (b - a).

    Args:
        traces: the arrivals, on one clock.
        latency: seconds from a send until it is shown.
        burst: edits at once.
        rate: edits a second.
        step: the grid (s).
        rounds: subgradient steps; every one gives a valid bound, the best is returned.
        target: a lag known to be reachable, which sets the step size (Polyak); None for a guess.
        first_at_once: bind the clairvoyant to show every stream's first delta at once.
    """
    late = len(traces) / rate  # no final needs to wait for longer than all of them one after the other
    streams = [Cells.of(trace, latency, step, late) for trace in traces]
    begin = min(trace.first for trace in traces)
    until = max(cells.end(len(cells.begin) - 1) for cells in streams)
    windows = _windows(begin, until)
    caps = [burst + rate * (b - a) for a, b in windows]
    prices = [0.0] * len(windows)
    edges = sorted({time for window in windows for time in window})
    best = 0.0
    scale = 1.0
    stale = 0
    for _ in range(rounds):
        price_of = _price_function(windows, prices, edges)
        bound = -sum(price * cap for price, cap in zip(prices, caps, strict=True))
        spans: list[tuple[float, float]] = []
        for cells in streams:
            costs = [price_of(cells.begin[i], cells.end(i)) for i in range(len(cells.begin))]
            value, sends = _priced(cells, costs, first_at_once)
            bound += value
            spans += [(cells.begin[i], cells.end(i)) for i in sends]
        if bound > best * 1.0001:
            best, stale = bound, 0
        else:
            stale += 1
            if stale >= 10:
                scale, stale = scale / 1.5, 0
        slope = _excess(windows, caps, spans, prices)
        size = sum(value * value for value in slope)
        if size == 0.0:
            break
        goal = target if target is not None else best * 1.1 + 1.0
        stride = scale * max(goal - bound, 0.01 * goal) / size
        prices = [max(0.0, price + stride * value) for price, value in zip(prices, slope, strict=True)]
    return best


def _windows(begin: float, until: float) -> list[tuple[float, float]]:
    """All prefixes by about a second, and windows elsewhere on a coarser grid."""
    fine = max(1.0, (until - begin) / 60)
    ends = [begin + fine * (i + 1) for i in range(math.ceil((until - begin) / fine))]
    coarse = max(5.0, (until - begin) / 10)
    marks = [begin + coarse * i for i in range(1, math.ceil((until - begin) / coarse))]
    inner = [(a, b) for a in marks for b in [*marks, ends[-1]] if b > a]
    return [(begin, end) for end in ends] + inner


def _price_function(
    windows: Sequence[tuple[float, float]], prices: Sequence[float], edges: Sequence[float]
) -> Callable[[float, float], float]:
    """What a write in a cell pays: the prices of the windows that hold the whole cell."""
    # Cells are shorter than the grid of windows: only edges inside a cell make a difference, so walk segments.
    sums = [0.0] * (len(edges) + 1)
    index = {edge: number for number, edge in enumerate(edges)}
    crossing: dict[int, list[tuple[float, float, float]]] = {}
    for (a, b), price in zip(windows, prices, strict=True):
        if price > 0.0:
            sums[index[a]] += price
            sums[index[b]] -= price
            for edge in (a, b):
                crossing.setdefault(index[edge], []).append((a, b, price))
    levels = list(accumulate(sums))

    def price_of(start: float, end: float) -> float:
        first = bisect_right(edges, start) - 1
        following = first + 1
        total = levels[first] if first >= 0 else 0.0
        while following < len(edges) and edges[following] < end:
            for _, b, price in crossing.get(following, ()):
                if b == edges[following] and b > start:
                    total -= price  # the window ends within the cell: the write may lie after it
            following += 1
        return max(0.0, total)

    return price_of


def _excess(
    windows: Sequence[tuple[float, float]],
    caps: Sequence[float],
    spans: Sequence[tuple[float, float]],
    prices: Sequence[float],
) -> list[float]:
    """By how much each window is overfull; zero where it is not and has no price."""
    result = []
    for (a, b), cap, price in zip(windows, caps, prices, strict=True):
        over = sum(1 for start, end in spans if a <= start and end <= b) - cap
        result.append(over if over > 0.0 or price > 0.0 else 0.0)
    return result
