"""What benchmarks draw."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from benchmarks.draw import staircase
from tests.stages.traces import stalled


def test_the_drawing_is_well_formed() -> None:
    """The staircase is XML with one line for each policy."""
    trace = stalled(10.0)
    root = ET.fromstring(staircase(trace, [("a & b", [(1.0, 10), (9.0, trace.chars)])], "t"))  # noqa: S314 our own
    assert len(root.findall(".//{*}polyline")) == 1
