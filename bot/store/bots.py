"""Several bots on one server: which of them has the plain names, and which names of its own. See `keys`."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from bot.store import rules
from bot.store.codec import to_bytes, to_text
from bot.store.keys import Keys, scope_of
from bot.store.link import Argument, Link

log = logging.getLogger(__name__)


class Bots:
    """Finds out whose the plain names are, and keeps them where they are ours.

    Args:
        link: the way to the server.
        names: told where they belong to another bot.
    """

    def __init__(self, link: Link, names: Keys) -> None:
        self._link = link
        self._names = names
        self._owned: dict[bytes, str] = {}

    async def identify(self, installation: str, bot: str) -> None:
        """Take the plain names of an installation, unless another bot has them: then use names of one's own.

        So what a version stored that knew of one bot alone belongs to the bot that comes first.

        Args:
            installation: whose credentials are used.
            bot: the id of the bot's account, the same in every process that uses them.

        Raises:
            StoreUnavailable: the server does not answer.
        """
        scope = scope_of(installation, bot)
        name = self._names.owner(scope)
        _, owner = await self._link.call(self._take(name, bot), ("GET", name))
        if owner is None or to_text(owner) == bot:
            self._owned[name] = bot
        else:
            self._names.tell_apart(scope, bot)
            log.info("another bot uses this Redis, too; what it stores stands apart", extra={"scope": scope})

    def kept(self) -> Iterator[tuple[Argument, ...]]:
        """Yield the commands that keep the plain names ours, for whoever calls now and then."""
        for name, bot in self._owned.items():
            yield self._take(name, bot)
            yield ("PEXPIRE", name, rules.OWNER_TTL * 1000)

    @staticmethod
    def _take(name: bytes, bot: str) -> tuple[Argument, ...]:
        return ("SET", name, to_bytes(bot), "NX", "PX", rules.OWNER_TTL * 1000)
