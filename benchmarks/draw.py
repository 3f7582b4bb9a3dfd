"""A staircase of characters received and shown over time, as SVG text. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.traces import Trace

WIDTH, HEIGHT, MARGIN = 900, 420, 50
COLOURS = ("#1264a3", "#c0392b", "#8e6c00", "#5b2c86")


def staircase(trace: Trace, shown: Sequence[tuple[str, Sequence[tuple[float, int]]]], title: str) -> str:
    """Draw what was received as an area and what each policy showed as a line.

    Args:
        trace: the arrival.
        shown: for each policy its name and (seconds, characters visible from then on).
        title: the heading.
    """
    begin = trace.first
    end = max([trace.last, *(steps[-1][0] for _, steps in shown if steps)])
    total = trace.chars

    def point(at: float, chars: float) -> str:
        x = MARGIN + (at - begin) / (end - begin) * (WIDTH - 2 * MARGIN)
        y = HEIGHT - MARGIN - chars / total * (HEIGHT - 2 * MARGIN)
        return f"{x:.1f},{y:.1f}"

    def stairs(steps: Sequence[tuple[float, int]]) -> str:
        points, before = [point(begin, 0)], 0
        for at, chars in steps:
            points += [point(at, before), point(at, chars)]
            before = chars
        return " ".join([*points, point(end, before)])

    received, so_far = [], 0
    for at, chars in trace.deltas:
        so_far += chars
        received.append((at, so_far))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        "<style>text { font-size: 13px }</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{MARGIN}" y="24">{escape(title)}</text>',
        f'<polygon points="{stairs(received)} {point(end, 0)} {point(begin, 0)}" fill="#e3e7eb"/>',
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 15}" text-anchor="end">{end - begin:.0f} s</text>',
        f'<text x="8" y="{MARGIN + 4}">{total}</text>',
        f'<text x="{MARGIN}" y="{MARGIN - 6}" fill="#667">grey: characters received</text>',
    ]
    for number, (name, steps) in enumerate(shown):
        colour = COLOURS[number % len(COLOURS)]
        lines.append(f'<polyline points="{stairs(steps)}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        lines.append(f'<text x="{MARGIN + 8}" y="{MARGIN + 18 + 18 * number}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*lines, "</svg>", ""])
