"""Lays a growing text out over messages of one dialect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a platform takes text: at most `limit` of what `measure` counts; `render` turns Markdown into it."""

    name: str
    limit: int
    measure: Callable[[str], int]
    render: Callable[[str], str]


class Layout:
    """A growing text, laid out over messages."""
