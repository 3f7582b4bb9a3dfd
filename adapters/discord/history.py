"""Reads what was said before the bot was spoken to, and looks for a message of its own. Writes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import discord

from adapters.discord.markup import attachments_of, name_of, text_of, titled
from adapters.discord.payloads import OddFrame
from adapters.discord.reading import ORDINARY, replied_to
from bot.conversation import Author, Message, MessageRef, Place
from bot.ports import Posted

THREAD_MESSAGES = 50
"""Messages read of a thread that the bot is first mentioned in the middle of."""

OWN_MESSAGES = 200
"""Messages among which the bot's own are looked for."""

LOOK_BACK = 60.0
"""Seconds by which Discord's clock may be behind ours when they are looked for."""

EPOCH = discord.utils.DISCORD_EPOCH / 1000 + LOOK_BACK
"""Unix seconds at which Discord's ids begin, with room to look back."""

ANSWERS_OF_APPS = frozenset({discord.MessageType.chat_input_command, discord.MessageType.context_menu_command})
"""What apps answer to commands: nobody asks us by one, but people ask about them."""

REPLY_CHAIN = 5
"""Messages read of a chain of replies that ends in a mention of the bot."""


async def thread_before(client: discord.Client, message: Message) -> tuple[Message, ...]:
    """What was said before `message`, oldest first: in its thread, or up the chain of replies it ends.

    At most `THREAD_MESSAGES` or `REPLY_CHAIN`. Raises whatever discord.py raises.
    """
    guild_id = int(message.key.tenant)
    if message.place.thread is not None:
        channel = client.get_partial_messageable(int(message.place.thread), guild_id=guild_id)
        found = await _thread(channel, int(message.id))
    else:
        channel = client.get_partial_messageable(int(message.place.channel), guild_id=guild_id)
        found = await _chain(channel, int(message.id))
    spoken = [said for item in found if (said := _spoken(item)) is not None]
    names = await _names(client, guild_id, spoken)
    read = [told for said in spoken if (told := _read(said, client, message, names)) is not None]
    if message.place.thread is None or any(item.type is discord.MessageType.thread_starter_message for item in found):
        return tuple(read)  # what a thread was opened from says more than its title, which is made of that mostly
    return tuple(await _with_title(client, message, read))


async def _with_title(client: discord.Client, asked: Message, read: list[Message]) -> list[Message]:
    """Return what was said in a thread after its title, where that was not told with the question."""
    id_ = int(asked.place.thread or 0)
    try:
        thread = client.get_channel(id_) or await client.fetch_channel(id_)
    except (discord.Forbidden, discord.NotFound):
        return read
    if not isinstance(thread, discord.Thread) or (title := titled(thread)) in asked.text:
        return read
    if read and read[0].id == str(id_):  # the post that begins it
        return [replace(read[0], text=f"{title}\n{read[0].text}".strip()), *read[1:]]
    names = {said.author.id: said.author.name for said in (*read, asked)}
    owner = Author(str(thread.owner_id), names.get(str(thread.owner_id), ""))
    began = discord.utils.snowflake_time(id_).timestamp()
    first = Message(
        key=asked.key,
        installation=asked.installation,
        id=str(id_),
        author=owner,
        text=title,
        sent_at=began,
        place=Place(asked.place.channel, thread=asked.place.thread),
        addressed=False,
    )
    return [first, *read]


async def _names(client: discord.Client, guild_id: int, found: Sequence[discord.Message]) -> dict[int, str]:
    """Names of what the messages mention by its id alone; asked for where there is no connection that told them."""
    texts = " ".join(said.content for said in found)
    if client.get_guild(guild_id) or not ("<@&" in texts or "<#" in texts):
        return {}
    try:
        guild = await client.fetch_guild(guild_id, with_counts=False)
        names = {role.id: "" if role == guild.self_role else role.name for role in guild.roles}
        return names | ({channel.id: channel.name for channel in await guild.fetch_channels()} if "<#" in texts else {})
    except (discord.Forbidden, discord.NotFound):
        return {}


async def own_since(client: discord.Client, place: Place, since: float, after_all: Sequence[str]) -> tuple[Posted, ...]:
    """The bot's own messages in the conversation of `place`, oldest first, but for those that answer one of its own.

    They are newer than the messages `after_all` (ids), and than `since` (Unix s) by Discord's clock, or a little older.
    Where a thread was to be opened they stand in it, or in the channel as replies. Raises whatever discord.py raises.
    """
    moment = datetime.fromtimestamp(max(since, EPOCH) - LOOK_BACK, UTC)
    after = discord.Object(max(0, discord.utils.time_snowflake(moment), *map(int, after_all)))
    found: list[discord.Message] = []
    if thread := place.thread or place.root:
        try:
            found += await _after(client, thread, after)
        except discord.NotFound:
            if place.thread:
                raise
    if place.thread is None:
        answered = place.reply_to or place.root
        found += [
            item
            for item in await _after(client, place.channel, after)
            if answered is None or (item.reference and str(item.reference.message_id) == answered)
        ]
    own = client.user.id if client.user else 0
    ours = sorted(
        (item for item in found if item.author.id == own and item.type in ORDINARY and not _tells(item, own)),
        key=lambda item: item.id,
    )
    return tuple(Posted(MessageRef(str(item.channel.id), str(item.id)), item.content) for item in ours)


def _tells(item: discord.Message, own: int) -> bool:
    """Whether a message of ours is the notice that an answer is ready: it replies to that answer."""
    answered = item.reference.resolved if item.reference else None
    return isinstance(answered, discord.Message) and answered.author.id == own


async def _after(client: discord.Client, channel: str, after: discord.Object) -> list[discord.Message]:
    messageable = client.get_partial_messageable(int(channel))
    return [item async for item in messageable.history(limit=OWN_MESSAGES, after=after)]


async def _thread(channel: discord.PartialMessageable, before: int) -> list[discord.Message]:
    found = [item async for item in channel.history(limit=THREAD_MESSAGES, before=discord.Object(before))]
    found.reverse()
    return found


async def _chain(channel: discord.PartialMessageable, last: int) -> list[discord.Message]:
    found: list[discord.Message] = []
    with contextlib.suppress(OddFrame, discord.NotFound):  # what cannot be read, or is gone, is where the chain begins
        await _climb(channel, last, found)
    found.reverse()
    return found


async def _climb(channel: discord.PartialMessageable, last: int, found: list[discord.Message]) -> None:
    current = await channel.fetch_message(last)
    while len(found) < REPLY_CHAIN and (id_ := replied_to(current)) is not None and current.reference:
        resolved = current.reference.resolved
        if isinstance(resolved, discord.DeletedReferencedMessage) or current.reference.channel_id != channel.id:
            break
        # Discord sends along the message referred to, but not the one that refers to in turn.
        current = resolved or await channel.fetch_message(id_)
        found.append(current)


def _spoken(said: discord.Message) -> discord.Message | None:
    """What somebody said: the message itself, or what a thread was opened from; None for what Discord itself tells."""
    if said.type is discord.MessageType.thread_starter_message and said.reference:
        # The thread's opening: what it was opened from stands in the parent channel.
        return said.reference.resolved if isinstance(said.reference.resolved, discord.Message) else None
    return said if said.type in ORDINARY | ANSWERS_OF_APPS else None


def _read(said: discord.Message, client: discord.Client, asked: Message, names: Mapping[int, str]) -> Message | None:
    text, attachments = text_of(said, client.user.id if client.user else 0, names), attachments_of(said)
    if not text and not attachments:
        return None
    return Message(
        key=asked.key,
        installation=asked.installation,
        id=str(said.id),
        author=Author(str(said.author.id), name_of(said.author)),
        text=text,
        sent_at=said.created_at.timestamp(),
        place=Place(asked.place.channel, thread=asked.place.thread),
        attachments=attachments,
        addressed=False,
    )
