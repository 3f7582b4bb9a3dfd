"""Asking the model: streamed for people, in one call for code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from bot.conversation import Delta, Finished

Role = Literal["user", "assistant"]


class Said(NamedTuple):
    """One message of a request. Whatever stands beside its text is a field of its own, so that no second way is needed.

    Args:
        role: whose message it is.
        text: what it says; not empty.
    """

    role: Role
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What Claude is asked.

    Args:
        messages: whole messages in alternation, beginning and ending with the user's.
        system: the system prompt.
        model: the model's id; empty for the configured one.
        max_tokens: an upper bound on the answer, thinking included; 0 for the configured one.
    """

    messages: tuple[Said, ...]
    system: str = ""
    model: str = ""
    max_tokens: int = 0


class Model(Protocol):
    """Claude. Raises only `bot.errors.ModelError`s."""

    def stream(self, request: Request) -> AsyncIterator[Delta | Finished]:
        """Yield text as it arrives and one `Finished` last, or raise Interrupted, Busy or Refused.

        One call is one request on the wire: retrying is the caller's. Closing the iterator frees the connection.
        """
        ...

    async def ask(self, request: Request) -> Finished:
        """One standard call for text that code consumes. Retries a few times by itself within a minute."""
        ...
