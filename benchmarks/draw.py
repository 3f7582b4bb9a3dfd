"""Pictures as SVG text: a staircase of characters received and shown, and a curve. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tests.stages.traces import Trace

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


def curve(points: Sequence[tuple[float, float]], *, warm: float, band: tuple[float, float], title: str) -> str:
    """Draw `points` as a line from zero up, with the band that those from `warm` on are to stay in."""
    most_x, most_y = points[-1][0], 1.1 * max([band[1], *(y for _, y in points)])

    def point(x: float, y: float) -> tuple[float, float]:
        return (
            MARGIN + x / most_x * (WIDTH - 2 * MARGIN),
            HEIGHT - MARGIN - y / most_y * (HEIGHT - 2 * MARGIN),
        )

    left, top = point(warm, band[1])
    right, bottom = point(most_x, band[0])
    area = f'x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}"'
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (point(*each) for each in points))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
            "<style>text { font-size: 13px }</style>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            f'<text x="{MARGIN}" y="24">{escape(title)}</text>',
            f'<rect {area} fill="#e3e7eb"/>',
            f'<polyline points="{line}" fill="none" stroke="{COLOURS[0]}" stroke-width="1.6"/>',
            f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 15}" text-anchor="end">{most_x:g}</text>',
            f'<text x="8" y="{top:.0f}">{band[1]:.0f}</text>',
            "</svg>",
            "",
        ]
    )
