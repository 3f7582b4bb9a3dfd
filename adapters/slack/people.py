"""Names of people: looked up once, kept for a while, never waited for long. Without the scope the id is the name."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from adapters.slack.calls import Api
from adapters.slack.fields import field
from bot.conversation import Author, Message
from bot.errors import BadCredentials, OutcomeUnknown, PlatformError, RateLimited, Unavailable
from bot.log_limit import LimitedLog
from bot.text import bounded, wellformed

log = logging.getLogger(__name__)

KEPT = 5_000
"""People remembered at most."""

LIFE = 3600.0
"""Seconds a name is believed."""

WAIT = 2.0
"""Seconds an answer waits for names; one that comes later serves the next answer."""

MOST_AT_ONCE = 50
"""People looked up at the same time: as many as can have written what Claude is told of a thread, and half of the
calls that may be under way to Slack. A message can mention thousands; those beyond are called by their ids."""

LONGEST = 80
"""Characters of a name; Slack allows as many."""

_MENTION = re.compile(r"<@([UW][A-Z0-9]{1,30})(?:\|([^<>]*))?>")
_ID = re.compile(r"[UW][A-Z0-9]{1,30}")


class People:
    """Display names by user id.

    Args:
        api: where they are looked up (users.info, Tier 4: 100 a minute).
        wait: seconds an answer waits for names.
        clock: seconds, for their age.
    """

    def __init__(self, api: Api, *, wait: float = WAIT, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._wait = wait
        self._clock = clock
        self._names: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._lookups: dict[str, asyncio.Task[None]] = {}
        self._failures = LimitedLog(log)
        self._refused = False
        self._rests_until = 0.0

    async def complete(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Return the messages with the authors' names and with `@name` for every mention."""
        authors = [message.author.id for message in messages if not message.author.name]
        mentioned = [user for message in messages for user, _ in _MENTION.findall(message.text)]
        await self._look_up(dict.fromkeys([*filter(_ID.fullmatch, authors), *mentioned]))
        return tuple(self._completed(message) for message in messages)

    def _completed(self, message: Message) -> Message:
        author = message.author if message.author.name else Author(message.author.id, self._name(message.author.id))
        text = _MENTION.sub(lambda mention: "@" + self._name(mention[1], mention[2] or ""), message.text)
        return replace(message, author=author, text=bounded(text))

    def _name(self, user: str, otherwise: str = "") -> str:
        return self._names.get(user, ("", 0.0))[0] or otherwise or user

    async def _look_up(self, users: Collection[str]) -> None:
        """Look up those whose names are not known, in this order, as far as there is room."""
        now = self._clock()
        for user in users:
            if self._refused or now < self._rests_until or len(self._lookups) >= MOST_AT_ONCE:
                break
            if user in self._names and self._names[user][1] > now:
                continue
            if user not in self._lookups:
                self._lookups[user] = asyncio.create_task(self._look_up_one(user), name=f"name of {user}")
        wanted = {self._lookups[user] for user in users if user in self._lookups}
        if wanted:
            # Those that take longer go on: no call is cut off, and the name is there next time.
            await asyncio.wait(wanted, timeout=self._wait)

    async def _look_up_one(self, user: str) -> None:
        try:
            await self._fetch(user)
        finally:
            del self._lookups[user]

    async def _fetch(self, user: str) -> None:
        try:
            answer = await self._api.call("users.info", {"user": user})
        except BadCredentials as error:
            self._refused = True
            log.warning("people's names are not known, their ids are used", extra={"error": str(error)})
            return
        except RateLimited as error:
            self._rests_until = max(self._rests_until, self._clock() + (error.retry_after or 0.0))
            self._failures.warning("rate", "names are not looked up for a while", error=str(error))
            return
        except (Unavailable, OutcomeUnknown) as error:
            self._failures.warning("unavailable", "a name could not be looked up now", error=str(error))
            return
        except PlatformError as error:
            log.debug("a person is not known to Slack", extra={"error": str(error)})
            name = ""
        else:
            name = _shown_name(answer.data.get("user"))
        self._names[user] = (name, self._clock() + LIFE)
        self._names.move_to_end(user)
        while len(self._names) > KEPT:
            self._names.popitem(last=False)

    async def close(self) -> None:
        """End what is still being looked up."""
        lookups = tuple(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)


def _shown_name(user: object) -> str:
    """The name Slack shows beside a person's messages."""
    if not isinstance(user, Mapping):
        return ""
    profile = user.get("profile")
    profile = profile if isinstance(profile, Mapping) else {}
    name = field(profile, "display_name") or field(profile, "real_name") or field(user, "real_name")
    return " ".join(wellformed(name or field(user, "name")).split())[:LONGEST]
