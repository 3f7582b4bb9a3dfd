"""Which tests belong to which files, and what is never mutated, with the reason."""

from __future__ import annotations

import re

TESTS = {
    "bot/app": ("tests/core", "tests/day_one"),
    "bot/claude": ("tests/claude",),
    "bot/intake": ("tests/core", "tests/turn"),
    "bot/pacing": ("tests/pacing",),
    "bot/store": ("tests/store",),
    "bot/testing": ("tests/store",),
    "bot/terminal": ("tests/terminal",),
    "bot/text": ("tests/text",),
    "bot/turn": ("tests/turn", "tests/core/test_context.py"),
    "bot/worker": ("tests/turn",),
    "adapters/discord": ("tests/discord",),
    "adapters/slack": ("tests/slack",),
    "adapters/terminal": ("tests/terminal",),
    "sandbox": ("tests/sandbox",),
}
"""Test paths for a file, a folder, or what a path begins with; the longest wins."""

EXCLUDED = {
    r"\blog\.(debug|info|warning|error|exception)\(": "what is logged is for people and no promise",
    r"\.name = |\bname=f?\"": "a task's name is seen by who debugs",
    r"\bassert\b": "it tells of a caller's mistake, which no caller makes",
}
"""Statements that match are left as they are, for the reason beside."""


def tests_for(path: str) -> tuple[str, ...]:
    """Return the test paths for a source file. Raises SystemExit where the table names none."""
    fitting = [prefix for prefix in TESTS if path == prefix or path.startswith(f"{prefix}/")]
    if not fitting:
        raise SystemExit(f"{path}: no tests are named for it in tests/mutation/table.py")
    return TESTS[max(fitting, key=len)]


def is_excluded(statement: str) -> bool:
    """Return whether a statement is never mutated."""
    return any(re.search(pattern, statement) for pattern in EXCLUDED)
