"""That tests go by the doors that everybody has: they break where behaviour does, and not where insides are moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.suite.reaching import reaches

TESTS = Path(__file__).parents[1]

REACHING = {
    "store._seen": "store._seen",
    "store.threads()._seen[1]": "store.threads()._seen",
    "store._seen = {}": "store._seen",
    "class Mine(Theirs):\n    def size(self):\n        return len(self._entries)": "self._entries",
    "from bot.store.embedded import _unlock": "bot.store.embedded._unlock",
    "from bot.store._inside import unlock": "bot.store._inside.unlock",
    "import bot.store._inside": "bot.store._inside",
    'getattr(store, "_seen")': "getattr(store, '_seen')",
    'patch.setattr("bot.store.embedded._unlock", None)': "patch.setattr('bot.store.embedded._unlock', None)",
    "def test():\n    from benchmarks import stage": "benchmarks",
    "import benchmarks.stage": "benchmarks.stage",
}


def test_no_test_reaches_into_the_insides() -> None:
    """Whatever tests need to see or to set is public, and what they share with benchmarks is theirs."""
    files = sorted(TESTS.rglob("*.py"))
    assert len(files) > 100
    found = [
        line
        for file in files
        for line in reaches(file.relative_to(TESTS.parent).as_posix(), file.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("source", REACHING)
def test_every_way_to_reach_inside_is_found(source: str) -> None:
    """By an attribute, an import or a string, and in whatever expression."""
    [line] = reaches("tests/turn/test_any.py", source)
    assert line.split(": ", 1)[1] == REACHING[source]


def test_what_is_ones_own_may_be_private() -> None:
    """A name that the file defines, what everybody has, and the benchmarks where they are what is tried."""
    own = "class Fake:\n    def __init__(self):\n        self._seen = 0\n        self._seen += len(__name__)"
    assert reaches("tests/turn/fakes.py", own) == []
    assert reaches("tests/benchmarks/test_soak.py", "from benchmarks.soak import judge") == []
