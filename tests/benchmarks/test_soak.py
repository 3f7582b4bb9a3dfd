"""What the soak makes of its samples."""

from __future__ import annotations

import pytest

from benchmarks.draw import curve
from benchmarks.soak import judge


def samples(*sizes: float) -> list[dict[str, float]]:
    return [{"turns": 500.0 * n, "rss_mb": size} for n, size in enumerate(sizes, 1)]


def test_growth_in_the_warm_up_is_forgiven():
    """Caches that fill in the warm-up are no leak."""
    verdict = judge(samples(60, 90, 100, 101, 99, 100), warm=1500)
    assert verdict["flat"]
    assert verdict["off"] == pytest.approx(0.01)
    assert (verdict["lowest_mb"], verdict["highest_mb"]) == (99, 101)


def test_growth_that_goes_on_is_not():
    """Memory that leaves its band is not flat, and the slope says how fast."""
    verdict = judge(samples(*(100 + 2 * n for n in range(10))), warm=500)
    assert not verdict["flat"]
    assert verdict["kb_per_1000_turns"] == pytest.approx(4000)


def test_the_picture_shows_the_band_and_the_line():
    """The line has a point for each sample."""
    picture = curve([(500.0, 90.0), (1000.0, 100.0), (1500.0, 101.0)], warm=1000, band=(95, 105), title="a < b")
    line = picture.partition('<polyline points="')[2].partition('"')[0]
    assert len(line.split()) == 3
    assert "a &lt; b" in picture
