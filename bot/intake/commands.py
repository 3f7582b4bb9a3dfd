"""The words that a person can say to the bot itself, and what a message therefore wants."""

from __future__ import annotations

import enum
import re

from bot.conversation import Message
from bot.intake.access import Access
from bot.text import visible


class Kind(enum.Enum):
    """What a message wants."""

    QUESTION = "question"
    GREETING = "greeting"  # nothing one could see but the mention
    HELP = "help"
    RESET = "reset"
    STOP = "stop"
    RETRY = "retry"
    LOOP = "loop"  # from a bot that asked too often
    STRANGER = "stranger"  # from somebody or somewhere that may not ask


_WORDS = {kind.value: kind for kind in (Kind.HELP, Kind.RESET, Kind.STOP, Kind.RETRY)}


def classify(message: Message, access: Access) -> Kind:
    """What the message wants, from its text alone."""
    if not access.allows(message):
        return Kind.STRANGER
    if message.looping:
        return Kind.LOOP
    word = re.sub(r"[\s`*_.!/]+", "", message.text).lower()
    if not visible(message.text) and not message.attachments:
        return Kind.GREETING
    return _WORDS.get(word, Kind.QUESTION)
