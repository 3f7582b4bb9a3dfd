"""Reads a `discord.Message` as the core's `Message`: where it stands, whether it speaks to the bot, and what it says.

Asks nobody: what only the store knows (which conversation one of the bot's messages belongs to) is passed in.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import discord

from adapters.discord.for_us import Sighting
from adapters.discord.markup import attachments_of, name_of, text_of
from bot.conversation import Author, Message, Place, ThreadKey
from bot.text import bounded

ORDINARY = frozenset({discord.MessageType.default, discord.MessageType.reply})
DIRECT = "@me"
"""The tenant of direct messages, as Discord's own links write it."""

_QUOTED = re.compile(r"^[ ]*+>(?:>> [\s\S]*+| [^\n]*+)", re.MULTILINE)
_MENTION = re.compile(r"<@[!&]?+(\d{1,20})>")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a message stands: the server (None in a direct message), the channel, and the thread in that channel."""

    guild: int | None
    channel: int
    thread: int | None = None

    @property
    def target(self) -> int:
        """The channel id that messages there are written to: a thread is a channel of its own."""
        return self.thread or self.channel

    @property
    def key(self) -> ThreadKey | None:
        """The conversation of everything said there; None in a channel, where each question is one of its own."""
        if self.guild is None:
            return ThreadKey("discord", DIRECT, str(self.channel))
        return ThreadKey("discord", str(self.guild), str(self.thread)) if self.thread else None


def spot_of_channel(channel: object, channel_id: int, guild_id: int | None) -> Spot:
    """Where messages of a channel stand; `channel` is what the cache holds of it, or None."""
    if isinstance(channel, discord.Thread):
        return Spot(channel.guild.id, channel.parent_id, channel.id)
    return Spot(guild_id, channel_id)


def spot_of(message: discord.Message) -> Spot:
    """Where a message stands."""
    channel = message.channel
    guild_id = message.guild.id if message.guild else getattr(channel, "guild_id", None)
    if isinstance(channel, discord.PartialMessageable) and guild_id and message.position is not None:
        return Spot(guild_id, channel.id, channel.id)  # not in the cache, but only messages of threads have a position
    return spot_of_channel(channel, channel.id, guild_id)


def replied_to(message: discord.Message) -> int | None:
    """The id of the message this one is a reply to; None when it is none."""
    if message.type is not discord.MessageType.reply or message.reference is None:
        return None
    return message.reference.message_id


def author_replied_to(message: discord.Message) -> discord.abc.User | None:
    """Who wrote the message this one is a reply to, where Discord said so."""
    if replied_to(message) is None or message.reference is None:
        return None
    return message.reference.resolved.author if isinstance(message.reference.resolved, discord.Message) else None


def sighting_of(
    message: discord.Message,
    own_id: int,
    *,
    replies_to_bot: bool,
    takes_part: bool = False,
    bots: Collection[str] = (),
) -> Sighting:
    """What `is_for_us` has to know of a message; `bots` are the ids of other bots that are answered."""
    spot = spot_of(message)
    quoted = _quoted_alone(message.content)
    users = {user.id for user in message.mentions} - quoted
    roles = [role for role in message.role_mentions if role.id not in quoted]
    own_roles = {role.id for role in roles if role.tags and role.tags.bot_id == own_id}
    answered = author_replied_to(message)
    not_others = {own_id, message.author.id}  # a reply to one's own message mentions oneself
    return Sighting(
        human=_may_ask(message, own_id, bots),
        ordinary=message.type in ORDINARY,
        direct=spot.guild is None,
        mentions_bot=own_id in users or bool(own_roles),
        replies_to_bot=replies_to_bot,
        in_thread=spot.thread is not None,
        takes_part=takes_part,
        addresses_others=(
            message.mention_everyone
            or bool(users - not_others)
            or any(role.id not in own_roles for role in roles)
            or (answered is not None and answered.id not in not_others)
        ),
    )


def message_of(
    message: discord.Message,
    installation: str,
    own_id: int,
    *,
    conversation: ThreadKey | None = None,
    addressed: bool = True,
    new_here: bool = False,
) -> Message:
    """The core's form of a message.

    Args:
        message: what Discord sent.
        installation: whose credentials it came in by.
        own_id: the bot's user id.
        conversation: of the bot's message that this one is a reply to.
        addressed: it names the bot, or is a direct message.
        new_here: the bot does not take part in the thread the message stands in.
    """
    spot = spot_of(message)
    id_, reply = str(message.id), replied_to(message)
    mid_thread = False
    if spot.key is not None:
        key = spot.key
        place = Place(str(spot.channel), thread=str(spot.thread) if spot.thread else None, direct=spot.guild is None)
        mid_thread = new_here and spot.thread is not None
    elif conversation is not None:
        key, place = conversation, Place(str(spot.channel), reply_to=id_)
    else:
        # A question about somebody's message ("what do you think of that?") has that message for its background.
        key, place = ThreadKey("discord", str(spot.guild), id_), Place(str(spot.channel), root=id_)
        mid_thread = reply is not None
    return Message(
        key=key,
        installation=installation,
        id=id_,
        author=Author(str(message.author.id), name_of(message.author)),
        text=text_of(message, own_id) if mid_thread else _with_app_s_words(message, own_id),
        sent_at=message.created_at.timestamp(),
        place=place,
        attachments=attachments_of(message),
        addressed=addressed,
        mid_thread=mid_thread,
        from_bot=_is_bot(message),
        roles=tuple(str(role.id) for role in getattr(message.author, "roles", ())),
    )


def _with_app_s_words(message: discord.Message, own_id: int) -> str:
    """The text of a message; after it, that of another bot's which it answers: no conversation of ours holds that."""
    text, about = text_of(message, own_id), message.reference and message.reference.resolved
    if not isinstance(about, discord.Message) or not _is_bot(about) or about.author.id == own_id:
        return text
    return bounded(f"{text}\n[in reply to {name_of(about.author)}]\n{text_of(about, own_id)}")


def _quoted_alone(content: str) -> set[int]:
    """Ids that a message mentions in quotes alone: quoted words speak to nobody."""
    if ">" not in content:
        return set()
    return set(map(int, _MENTION.findall(content))) - set(map(int, _MENTION.findall(_QUOTED.sub("", content))))


def _may_ask(message: discord.Message, own_id: int, bots: Collection[str]) -> bool:
    author = message.author
    if _is_bot(message):
        return str(author.id) in bots and author.id != own_id
    return not _is_system(author)


def _is_bot(message: discord.Message) -> bool:
    return message.author.bot or message.webhook_id is not None


def _is_system(author: discord.abc.User) -> bool:
    return isinstance(author, (discord.User, discord.Member)) and author.system
