"""Taking messages in: what a platform's adapter is to the application, and what an intake may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from aiohttp import web

from bot.conversation import Message, Press, ThreadKey
from bot.ports.platform import Platform


@dataclass(frozen=True, slots=True)
class PressResult:
    """What came of a press.

    Args:
        done: whether it was carried out.
        told: what the person is told privately; empty where it shows by itself.
    """

    done: bool
    told: str = ""


class Inbox(Protocol):
    """What an intake may do: hand messages in before the platform is acknowledged, and a few look-ups."""

    async def submit(self, message: Message) -> bool:
        """Accept a message that is for us; False when it was accepted before. Raises StoreUnavailable."""
        ...

    async def takes_part(self, key: ThreadKey) -> bool:
        """Whether the bot takes part in that thread."""
        ...

    async def key_of(self, installation: str, message_id: str) -> ThreadKey | None:
        """The conversation one of the bot's own messages belongs to; None when it is not known."""
        ...

    async def edited(self, message: Message, *, at: float | None = None) -> None:
        """A person changed the text of a message handed in before; unknown ones are ignored.

        `at` is when, in Unix seconds of the platform: edits that come in another order end with the newest.
        """
        ...

    async def deleted(self, key: ThreadKey, installation: str, message_id: str) -> None:
        """A message was deleted: a question handed in before is taken back, one of the growing answer stops it."""
        ...

    async def press(self, press: Press) -> PressResult:
        """Carry out what somebody pressed, if they may. Raises StoreUnavailable."""
        ...

    async def cursor(self, installation: str) -> str | None:
        """Where backfill goes on: what `move_cursor` stored last."""
        ...

    async def move_cursor(self, installation: str, value: str) -> None:
        """Remember how far messages were seen. Values are decimal numbers; it never moves back."""
        ...


@runtime_checkable
class KnowsDirects(Protocol):
    """An inbox that remembers where direct messages were: Discord lists no bot's direct messages, and backfill asks."""

    async def directs(self, installation: str) -> tuple[str, ...]:
        """Return the channels of the direct messages submitted last, newest first, capped. Raises StoreUnavailable."""
        ...


@runtime_checkable
class ChoosesLeader(Protocol):
    """An inbox that several processes share, where one at a time is chosen for what only one may do."""

    async def lead(self, installation: str, candidate: str, lasts: float) -> bool:
        """Lead an installation for `lasts` seconds from now (0: no more), unless another candidate does.

        Returns whether this candidate leads now. Raises StoreUnavailable.
        """
        ...


class Adapter(Protocol):
    """One platform, whole, as the application starts and stops it; `start` comes before everything else."""

    @property
    def name(self) -> str:
        """The platform's: `slack`, `discord`."""
        ...

    @property
    def installations(self) -> Mapping[str, Platform]:
        """Where answers are written, by installation. Live: one that is added or removed while it runs shows here."""
        ...

    @property
    def bots(self) -> Mapping[str, str]:
        """The id of the bot's own account, by installation: several apps of one workspace are told apart by it."""
        ...

    @property
    def connected(self) -> bool:
        """Whether messages can come in now."""
        ...

    @property
    def health(self) -> str:
        """One line about the connection, for people."""
        ...

    def routes(self) -> Sequence[web.RouteDef]:
        """What the application's HTTP server must serve for it."""
        ...

    async def start(self) -> None:
        """Find out who the bot is. Raises SettingsError for what the operator must mend."""
        ...

    async def check(self) -> list[str]:
        """Try everything `run` would need; returns warnings. Raises as `start`."""
        ...

    async def listen(self, inbox: Inbox) -> None:
        """Hand messages to `inbox` from now on; returns when they can come. Raises SettingsError."""
        ...

    async def closed(self) -> None:
        """Wait until no message can ever come again. Raises SettingsError when the platform refused the bot."""
        ...

    async def stop_intake(self) -> None:
        """Take no more messages; answers can still be written."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
