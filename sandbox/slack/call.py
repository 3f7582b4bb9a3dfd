"""One call of the Web API: typed access to its arguments, and the refusal that a method answers with. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Refusal(Exception):
    """The method answers `ok: false` with `code`; `more` goes into the body beside it."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.code = code
        self.more = more


def invalid(*messages: str, code: str = "invalid_arguments") -> Refusal:
    """A refusal that says what was wrong the way Slack does, in `response_metadata.messages`."""
    return Refusal(code, response_metadata={"messages": [f"[ERROR] {message}" for message in messages]})


@dataclass(frozen=True, slots=True)
class Call:
    """A method's name and its arguments, whether they came as a query, a form or JSON."""

    method: str
    arguments: Mapping[str, Any]

    def text(self, name: str) -> str | None:
        """The argument as text; None when it was not given."""
        value = self.arguments.get(name)
        return None if value is None else str(value)

    def required(self, name: str) -> str:
        """The argument as text; refuses the call when it is missing or empty."""
        value = self.text(name)
        if not value:
            raise invalid(f"missing required field: {name}")
        return value

    def flag(self, name: str) -> bool:
        """The argument as a truth value, however it was encoded."""
        return str(self.arguments.get(name, "")).lower() in {"1", "true"}

    def number(self, name: str, default: int, *, most: int) -> int:
        """The argument as a number from 1 to `most`; refuses the call when it is none."""
        value = self.text(name)
        if not value:
            return default
        try:
            number = int(value)
        except ValueError:
            raise Refusal("invalid_limit" if name == "limit" else "invalid_arguments") from None
        if number < 1:
            raise Refusal("invalid_limit" if name == "limit" else "invalid_arguments")
        return min(number, most)

    def structure(self, name: str, *, code: str) -> Any:
        """The argument as a list or object, decoded if it came as JSON text; refuses with `code` when it is neither."""
        value = self.arguments.get(name)
        if isinstance(value, str) and value:
            try:
                value = json.loads(value)
            except ValueError:
                raise Refusal(code) from None
        if value is None or value == "":
            return None
        if not isinstance(value, list | dict):
            raise Refusal(code)
        return value
