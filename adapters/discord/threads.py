"""Opens a thread from a question, or says where to reply instead. Never fails for want of a thread."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import discord

from adapters.discord.calls import Calls
from adapters.discord.cooldown import Cooldown
from adapters.discord.gateway import Gateway
from adapters.discord.limits import Limits
from adapters.discord.refusals import THREAD_EXISTS, refusal
from bot.conversation import Place
from bot.errors import BadCredentials, OutcomeUnknown, PlatformError, RateLimited, Unavailable
from bot.ports import Write
from bot.text import title as plain_title
from bot.text import wellformed

log = logging.getLogger(__name__)

NAME_LIMIT = 100
"""Characters of a thread's name (Developer Docs, "Start Thread from Message")."""

AUTO_ARCHIVE = 1440
"""Minutes without a message after which Discord archives the thread."""


PAUSES = (0.2, 1.0)
"""Seconds between tries while Discord or the network fails; the reader waits for the placeholder meanwhile."""

SHORT_REST = 2.0
"""Seconds up to which a rate limit is waited for: longer, and the answer is a reply instead."""


class ThreadOpener:
    """Opens threads for one bot.

    Args:
        client: logged in; what it knows of permissions while it is connected saves calls that would be refused.
        calls: carries the calls out.
        cooldown: keeps calls away from channels where threads are refused.
        limits: learns from the answers how many threads may be opened.
    """

    def __init__(self, client: Gateway, calls: Calls, cooldown: Cooldown, limits: Limits) -> None:
        self._client = client
        self._calls = calls
        self._cooldown = cooldown
        self._limits = limits

    def opens(self, place: Place) -> bool:
        """Whether `open` would make a call there."""
        asked = place.root is not None and place.thread is None
        return asked and not self._cooldown.rests(place.channel) and not self._useless(place.channel)

    async def open(self, place: Place, title: str) -> Place:
        """Return the place in the thread opened from `place.root`; else that of a reply to the root.

        The thread may be there already (its id is the root's): that is success, so opening may be repeated. A place
        without a root comes back as it is. A long rate limit, or trouble that lasts, is no reason to keep the reader
        waiting: it makes a reply. Raises BadCredentials when the token was revoked.
        """
        root = place.root
        if root is None or place.thread is not None:
            return place
        if not self.opens(place):
            return _reply(place, root)
        trouble: PlatformError | None = None
        for pause in (*PAUSES, None):
            try:
                thread = await self._create(place.channel, root, wellformed(title))
            except BadCredentials:
                raise
            except (Unavailable, OutcomeUnknown) as error:
                trouble = error
                if pause is not None:
                    await asyncio.sleep(pause)
            except RateLimited as error:
                trouble = error
                rest = error.retry_after or 0.0
                if pause is None or rest > SHORT_REST:
                    self._cooldown.limited(place.channel, rest)
                    break
                await asyncio.sleep(rest)
            except PlatformError as error:
                trouble = error
                self._cooldown.refused(place.channel)
                break
            else:
                self._cooldown.accepted(place.channel)
                return replace(place, thread=thread, root=None)
        log.info("no thread could be opened, replying instead", extra={"reason": str(trouble)})
        return _reply(place, root)

    async def _create(self, channel: str, root: str, title: str) -> str:
        """Open the thread, or find it open; returns its id, which is that of the message it was opened from."""
        answer = await self._calls.request(
            self._client.http,
            "POST",
            "/channels/{channel_id}/messages/{message_id}/threads",
            json={"name": plain_title(title, NAME_LIMIT), "auto_archive_duration": AUTO_ARCHIVE},
            channel_id=channel,
            message_id=root,
        )
        self._limits.learn(Write.OPEN, channel, answer.headers)
        if answer.ok:
            if answer.data.get("id") != root:  # a thread has the id of the message it was opened from
                raise OutcomeUnknown("Discord's answer names no thread")
            return root
        if answer.data.get("code") == THREAD_EXISTS:
            return root
        raise refusal(answer)

    def _useless(self, channel_id: str) -> bool:
        """Whether the bot surely could not write in a thread it opened there. Permissions not known allow all."""
        channel = self._client.channel_known(int(channel_id))
        if not isinstance(channel, discord.abc.GuildChannel):
            return False
        if not isinstance(channel, discord.TextChannel):
            return True
        guild, user = channel.guild, self._client.user
        me = guild.get_member(user.id) if user else None
        if me is None or guild.get_role(guild.id) is None:
            return False
        may = channel.permissions_for(me)
        # Where not even plain messages are allowed, the cache is more likely to be incomplete than the answer to be.
        return may.send_messages and not (may.create_public_threads and may.send_messages_in_threads)


def _reply(place: Place, root: str) -> Place:
    return replace(place, reply_to=root, root=None)
