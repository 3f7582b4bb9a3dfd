"""The names of what lies on the server, but for what the scripts build inside an installation's hash tag."""

from __future__ import annotations

from bot.conversation import ThreadKey
from bot.store.codec import to_bytes


def text(key: ThreadKey) -> bytes:
    """A thread in a name, or as an argument."""
    return to_bytes(str(key))


def prefix(installation: str) -> bytes:
    """What every key of an installation begins with: its hash tag."""
    return b"firsttoken:{%s}:" % to_bytes(installation)


def turns(installation: str, key: ThreadKey) -> bytes:
    """A thread's history."""
    return prefix(installation) + b"turns:" + text(key)


def joined(key: ThreadKey) -> bytes:
    """Which installation takes part in a thread."""
    return b"firsttoken:joined:" + text(key)


def ours(installation: str, message_id: str) -> bytes:
    """Which thread a message of ours is in; written with the turn's record of it, or not at all."""
    return prefix(installation) + b"ours:" + to_bytes(message_id)


def cursor(installation: str) -> bytes:
    """How far an installation has read."""
    return b"firsttoken:cursor:" + to_bytes(installation)


def workers(installation: str) -> bytes:
    """Which workers of an installation are alive."""
    return b"firsttoken:workers:" + to_bytes(installation)


def lead(installation: str) -> bytes:
    """Which process leads an installation."""
    return b"firsttoken:lead:" + to_bytes(installation)


def ping(installation: str) -> bytes:
    """What is written to see whether the server that has an installation's turns takes writes."""
    return prefix(installation) + b"ping"


def directs(installation: str) -> bytes:
    """Which direct conversations an installation has."""
    return b"firsttoken:directs:" + to_bytes(installation)
