"""The names of what lies on the server, but for what the scripts build inside an installation's hash tag.

Several bots may share a server, two apps of one workspace too, and none may answer for another. The first one that
comes has the plain names, as all had them before there could be several; the names of every other one hold its id.
"""

from __future__ import annotations

from bot.conversation import ThreadKey
from bot.store.codec import to_bytes

PREFIX = "firsttoken"


def text(key: ThreadKey) -> bytes:
    """A thread in a name, or as an argument."""
    return to_bytes(str(key))


def scope_of(installation: str, bot: str) -> str:
    """Return within what a bot must be told apart from others.

    That is its installation (`slack:T1`, the same for every app of a workspace); where that names the bot itself
    (`discord:<application>`), all conversations of its platform.
    """
    platform, _, tenant = installation.partition(":")
    return platform if tenant == bot else installation


class Keys:
    """The names for one process.

    Args:
        prefix: what every name begins with.
    """

    def __init__(self, prefix: str = PREFIX) -> None:
        self._prefix = to_bytes(prefix)
        self._others: dict[str, str] = {}

    def tell_apart(self, scope: str, bot: str) -> None:
        """Use names with the bot's id in that scope from now on: the plain ones belong to another."""
        self._others[scope] = bot

    def owner(self, scope: str) -> bytes:
        """To which bot the plain names of a scope belong."""
        return self._prefix + b":owner:" + to_bytes(scope)

    def prefix(self, installation: str) -> bytes:
        """What every key of an installation begins with: its hash tag."""
        return b"%s:{%s}:" % (self._prefix, self._named(installation))

    def turns(self, installation: str, key: ThreadKey) -> bytes:
        """A thread's history."""
        return self.prefix(installation) + b"turns:" + text(key)

    def rated(self, installation: str, turn_id: str) -> bytes:
        """What people think of an answer."""
        return self.prefix(installation) + b"rated:" + to_bytes(turn_id)

    def joined(self, key: ThreadKey) -> bytes:
        """Which installation takes part in a thread."""
        bot = self._others.get(f"{key.platform}:{key.tenant}") or self._others.get(key.platform, "")
        return self._prefix + b":joined:" + text(key) + to_bytes(f"@{bot}" if bot else "")

    def ours(self, installation: str, message_id: str) -> bytes:
        """Which thread a message of ours is in; written with the turn's record of it, or not at all."""
        return self.prefix(installation) + b"ours:" + to_bytes(message_id)

    def cursor(self, installation: str) -> bytes:
        """How far an installation has read."""
        return self._prefix + b":cursor:" + self._named(installation)

    def workers(self, installation: str) -> bytes:
        """Which workers of an installation are alive."""
        return self._prefix + b":workers:" + self._named(installation)

    def lead(self, installation: str) -> bytes:
        """Which process leads an installation."""
        return self._prefix + b":lead:" + self._named(installation)

    def ping(self, installation: str) -> bytes:
        """What is written to see whether the server that has an installation's turns takes writes."""
        return self.prefix(installation) + b"ping"

    def directs(self, installation: str) -> bytes:
        """Which direct conversations an installation has."""
        return self._prefix + b":directs:" + self._named(installation)

    def _named(self, installation: str) -> bytes:
        bot = self._others.get(installation)
        return to_bytes(f"{installation}@{bot}" if bot else installation)
