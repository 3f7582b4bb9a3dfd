"""What tests of the Slack adapter look at: calls and messages in the journal, and a question to ask."""

from __future__ import annotations

from typing import Any

from bot.conversation import Author, Message, MessageRef, Place, ThreadKey
from sandbox.journal import Journal


def arguments(journal: Journal, method: str) -> list[dict[str, Any]]:
    return [entry["arguments"] for entry in journal.of("slack", "call", method=method)]


def shown(journal: Journal, ref: MessageRef) -> str:
    return journal.message("slack", ref.channel, ref.id).text


def question(place: Place, ts: str, text: str = "and now?", user: str = "U1") -> Message:
    key = ThreadKey("slack", "T1", f"{place.channel}:{place.thread}")
    return Message(
        key=key,
        installation="slack:T1",
        id=f"{place.channel}:{ts}",
        author=Author(user),
        text=text,
        sent_at=float(ts),
        place=place,
    )
