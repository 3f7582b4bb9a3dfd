"""The messages of one attempt, as a reply remembers them: which there are, what each surely shows, which are to go."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.conversation import MessageRef
from bot.errors import Unavailable
from bot.ports import Content, Part

log = logging.getLogger(__name__)

REFUSED = "(This part of the answer cannot be shown: the platform refused its content.)"


@dataclass(slots=True)
class PostedMessage:
    """One message of ours.

    Args:
        ref: the platform's id.
        shown: what it surely shows; None while that is not known.
        adopted: posted by an earlier worker, and not yet confirmed.
        stand_in: a sentence shown in place of a page that the platform refuses.
        rewritten: written a second time because the platform stored another text than it was given.
    """

    ref: MessageRef
    shown: Content | None
    adopted: bool = False
    stand_in: str | None = None
    rewritten: bool = False


class PostedMessages:
    """The messages in reading order. Knows nothing of how they are written.

    Attributes:
        superseded: messages whose text stands elsewhere by now, to be removed.
        frozen: whether messages cannot be edited there; a page is then written once, when it is whole.
    """

    def __init__(self) -> None:
        self.superseded: list[MessageRef] = []
        self.frozen = False
        self._messages: list[PostedMessage] = []
        self._refused: dict[int, str] = {}  # pages refused before there was a message for them

    def __len__(self) -> int:
        return len(self._messages)

    def __getitem__(self, index: int) -> PostedMessage:
        return self._messages[index]

    @property
    def refs(self) -> list[MessageRef]:
        """The messages' ids, in reading order."""
        return [message.ref for message in self._messages]

    def adopt(self, parts: Sequence[Part]) -> None:
        """Take over what an earlier worker posted, in the order of its posts; what it shows is not known."""
        latest = {part.index: part.ref for part in parts}
        self.superseded = [part.ref for part in parts if part.ref != latest[part.index]]
        self._messages = [PostedMessage(latest[index], None, adopted=True) for index in sorted(latest)]

    def add(self, ref: MessageRef) -> None:
        """A message was posted for the next page."""
        self._messages.append(PostedMessage(ref, None, stand_in=self._refused.pop(len(self._messages), None)))

    def holds(self, message_id: str) -> bool:
        """Whether a message is one of these; it is known by its id, and by `channel:id`."""
        return any(message_id in (ref.id, f"{ref.channel}:{ref.id}") for ref in self.refs)

    def wanted(self, index: int, page: Content) -> Content:
        """What a message, or one that is still to be posted, shows for its page: that, or what stands in for it."""
        stand_in = self._messages[index].stand_in if index < len(self._messages) else self._refused.get(index)
        return replace(page, text=stand_in) if stand_in else page

    def shows(self, index: int, content: Content) -> bool:
        """Whether a message is there and surely shows this."""
        return index < len(self._messages) and self._messages[index].shown == content

    def behind(self, pages: Sequence[Content], *, growing: bool) -> int | None:
        """The first message, in reading order, that does not show what it should; None when all do.

        Args:
            pages: what should stand there.
            growing: whether the last page still grows.
        """
        for index, page in enumerate(pages):
            if self.frozen and growing and index == len(pages) - 1:
                return None
            if not self.shows(index, self.wanted(index, page)):
                return index
        return None

    def refuse(self, index: int) -> None:
        """Have a sentence stand in for a page. Raises Unavailable where that was refused, too."""
        log.warning("the platform refused the content of a message", extra={"part": index})
        if self.wanted(index, Content("")).text == REFUSED:
            raise Unavailable("the platform takes no text there")
        if index < len(self._messages):
            self._messages[index].stand_in = REFUSED
        else:
            self._refused[index] = REFUSED

    def forget(self, index: int) -> None:
        """The messages from `index` on are not there any more."""
        del self._messages[index:]

    def retire(self, index: int) -> None:
        """The messages from `index` on are to go: their text stands, or will stand, elsewhere."""
        self.superseded += self.refs[index:]
        self.forget(index)
