"""Misbehaviour on order: a queue of faults that the stand-ins look into at every call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

Kind = Literal["status", "error", "reset", "lost", "delay"]


@dataclass(slots=True)
class Fault:
    """One way to misbehave.

    Args:
        on: which calls, as a shell pattern over the call's name: `chat.update`, `PATCH *`, `*`.
        kind: "status" answers with HTTP `status` and does nothing; "error" answers as the platform words an error
            (`code`); "reset" drops the connection before anything is done; "lost" does it, then drops the
            connection instead of answering; "delay" waits `seconds`, then goes on as usual.
        times: how many calls it hits; None for all.
        skip: how many matching calls pass unharmed first.
        status: HTTP status of "status".
        retry_after: seconds, sent with a 429.
        code: the platform's error code of "error".
        seconds: how long "delay" waits.
        when: a further condition on the call's parameters.
    """

    on: str
    kind: Kind
    times: int | None = 1
    skip: int = 0
    status: int = 500
    retry_after: float = 1.0
    code: str | int = ""
    seconds: float = 0.0
    when: Callable[[Mapping[str, Any]], bool] | None = None


@dataclass(slots=True)
class Faults:
    """The faults on order, oldest first."""

    waiting: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> Fault:
        """Order a fault."""
        self.waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Behave again."""
        self.waiting.clear()

    def take(self, call: str, parameters: Mapping[str, Any] | None = None) -> Fault | None:
        """The fault that hits this call, used up once; None when the call goes well."""
        for fault in self.waiting:
            if not fnmatchcase(call, fault.on) or (fault.when and not fault.when(parameters or {})):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.waiting.remove(fault)
            return fault
        return None
