"""One message of ours, as a reply remembers it."""

from __future__ import annotations

from dataclasses import dataclass

from bot.conversation import MessageRef


@dataclass(slots=True)
class Slot:
    """One message of ours.

    Args:
        ref: the platform's id.
        shown: the text it surely shows; None while that is not known.
        adopted: posted by an earlier worker, and not yet confirmed.
        stand_in: a sentence shown in place of a page that the platform refuses.
        rewritten: written a second time because the platform stored another text than it was given.
    """

    ref: MessageRef
    shown: str | None
    adopted: bool = False
    stand_in: str | None = None
    rewritten: bool = False
