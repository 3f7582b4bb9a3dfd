"""What counts as a fault: each is one small change of what runs, and the program still compiles."""

from __future__ import annotations

from tests.mutation.mutants import mutants

SOURCE = '''\
"""A docstring."""

from typing import Protocol

LIMIT: int = 3


class Port(Protocol):
    def only_declared(self) -> int:
        """A docstring."""
        ...


def decide(first: int, *, patient: bool = False) -> str:
    """A docstring."""
    log.info("deciding")
    if first < LIMIT and not patient:
        first += 100
    return f"{first + 1} ü" if first else ""
'''


def changes() -> set[str]:
    return {str(mutant).partition(": ")[2] for mutant in mutants("a.py", SOURCE)}


def test_every_kind_of_fault_is_found() -> None:
    """Comparisons, conditions, numbers, defaults, branches, statements and the way out: each is changed once."""
    assert {
        "3 -> (4)",
        "3 -> (2)",
        "False -> (True)",
        '(before) log.info("deciding") -> return',
        "first < LIMIT and not patient -> (not (first < LIMIT and (not patient)))",
        "first < LIMIT and not patient -> (first < LIMIT or not patient)",
        "first < LIMIT -> (first <= LIMIT)",
        "not patient -> (patient)",
        "first += 100 -> pass",
        "100 -> (200)",
        "100 -> (50)",
    } <= {" ".join(change.split()) for change in changes()}


def test_what_is_said_or_only_declared_is_left_alone() -> None:
    """Docstrings, logging, annotations and a Protocol's methods are no behaviour, and are not changed."""
    assert not any("docstring" in change or change.startswith(("log.", "...")) for change in changes())


def test_a_fault_changes_its_own_place_alone() -> None:
    """Beside text of several bytes a character, too: what stands before and after it stays."""
    for mutant in mutants("a.py", SOURCE):
        changed = mutant.applied(SOURCE)
        assert changed != SOURCE
        assert changed.encode().startswith(SOURCE.encode()[: mutant.start])
        assert changed.encode().endswith(SOURCE.encode()[mutant.end :])
        compile(changed, "a.py", "exec")
