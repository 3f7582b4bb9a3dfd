"""Every sentence the bot says itself, in one place. Plain Markdown that reads well on every platform."""

from __future__ import annotations

from bot.conversation import StopReason
from bot.intake import Kind

INTERRUPTED_AGAIN = "(Response interrupted. Trying again...)"
INTERRUPTED_FOR_GOOD = "(Response interrupted.) Say “retry” to ask again."
ELSEWHERE = "(The answer stands in another message.)"
BUSY = "… (Claude is busy; still trying.)"
BUSY_FOR_GOOD = "(Claude is overloaded right now.) Say “retry” to ask again."
APOLOGY = "(Sorry: something goes wrong each time I try to answer this.) Please ask in another way."
STATUS = "is thinking…"
WAITING = "is answering others first…"

HELP = """\
Mention me with a question, write me a direct message, or go on in a thread I take part in. \
My answer appears while it is written, and I remember the conversation of each thread.

- `help`: this text
- `reset`: start a new conversation here
- `stop`: stop the answer that is being written
- `retry`: ask the last question again\
"""
GREETING = "Hello! Ask me anything: write your question after the mention, or in a direct message. Say `help` for more."
RESET = "Done. This is a new conversation: I no longer remember what was said here before."
NOTHING_TO_STOP = "There is no answer being written here."
NOTHING_TO_RETRY = "There is no question here to ask again."
LOOP = "(We seem to be answering each other, so I stop answering this bot here for ten minutes.)"
STRANGER = "Sorry, I may not answer you here. Please ask whoever runs this bot for access."

OWN_ANSWERS = {
    Kind.HELP: HELP,
    Kind.GREETING: GREETING,
    Kind.RESET: RESET,
    Kind.STOP: NOTHING_TO_STOP,
    Kind.RETRY: NOTHING_TO_RETRY,
    Kind.LOOP: LOOP,
    Kind.STRANGER: STRANGER,
}
"""What the bot answers by itself."""

_REASONS = {
    StopReason.MAX_TOKENS: "(The answer was cut at its length limit.) Say “continue” for the rest.",
    StopReason.CONTEXT_EXCEEDED: "(The conversation filled Claude's memory here.) Say “reset” to start anew.",
    StopReason.TOOL_USE: "(Claude asked for a tool, and there is none here.)",
    StopReason.PAUSE_TURN: "(Claude paused here.) Say “continue” for the rest.",
    StopReason.STOPPED: "(Stopped.)",
    StopReason.MAX_PARTS: "(The answer filled as many messages as it may.) Say “continue” for the rest.",
}

_NOTHING = {
    StopReason.MAX_TOKENS: "(Claude reached its length limit before it wrote anything.) Please ask something narrower.",
    StopReason.CONTEXT_EXCEEDED: "(This conversation is too long for Claude.) Say “reset” to start anew.",
}


def sentence_below(stop: StopReason) -> str:
    """The sentence below an answer that ended with `stop`; empty when the answer speaks for itself."""
    return _REASONS.get(stop, "")


def unknown_reason(reason: str) -> str:
    """The sentence below an answer that ended for a reason that the bot does not know."""
    return f"(The answer ended here; the reason given is “{reason}”.)"


def nothing(stop: StopReason) -> str:
    """What stands in place of an answer that ended with `stop` before any text."""
    return _NOTHING.get(stop, "(Claude ended without an answer.) Say “retry” to ask again.")


def refusal(category: str) -> str:
    """What stands at the end of an answer Claude declined to give; part of the stored answer."""
    about = f" (category: {category})" if category else ""
    return f"Claude declined to answer this{about}. Please ask in another way."


def refused_by_api(reason: str) -> str:
    """What stands in place of an answer when the API did not take the request."""
    return f"(Claude could not be asked: {reason.strip().rstrip('.')}.)"
