"""What the bot remembers of its own messages: shared by the side that writes and the side that hears of them."""

from __future__ import annotations

from adapters.discord.recent import Recent
from bot.conversation import MessageRef


class OwnMessages:
    """The bot's last few thousand messages."""

    def __init__(self) -> None:
        self._by_nonce: Recent[str, MessageRef] = Recent(2000)
        self._deleted: Recent[str, None] = Recent(5000)

    def posted(self, nonce: str, ref: MessageRef) -> None:
        """A message was posted with that nonce, by what Discord answered or by what the gateway reports."""
        self._by_nonce[nonce] = ref

    def find(self, nonce: str) -> MessageRef | None:
        """The message that was posted with a nonce."""
        return self._by_nonce.get(nonce)

    def deleting(self, id_: str) -> None:
        """A message is about to be deleted by the bot itself."""
        self._deleted[id_] = None

    def deletes(self, id_: str) -> bool:
        """Whether the bot deletes that message itself, so that its deletion is no person's wish."""
        return id_ in self._deleted
