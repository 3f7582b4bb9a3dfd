"""Reads what a person wrote: Discord's markup becomes plain words that Claude understands. Pure; fetches nothing."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import discord

from adapters.discord.embeds import components_text, embeds_text
from bot.conversation import Attachment
from bot.text import LONGEST_NAME, bounded, wellformed

UNKNOWN_MIME = "application/octet-stream"

_MARKUP = re.compile(
    r"<(?:"
    r"@!?(?P<user>\d{1,20})"
    r"|@&(?P<role>\d{1,20})"
    r"|#(?P<channel>\d{1,20})"
    r"|a?:(?P<emoji>\w{1,64}):\d{1,20}"
    r"|/(?P<command>[^:<>\n]{1,100}):\d{1,20}"
    r"|t:(?P<time>-?\d{1,12})(?::[tTdDfFRsS])?"
    r")>"
)


def text_of(message: discord.Message, own_id: int, known: Mapping[int, str] | None = None) -> str:
    """Return the text of a message as Claude should read it.

    Mentions become `@name`, channels `#name`, custom emoji `:name:`; the bot's own mention goes. Stickers, polls,
    descriptions of files and forwarded messages stand in brackets, the embeds and components of apps are read, previews
    of links are left out. `known` are names of channels and roles, by id, that the message's own server does not know
    (the bot's own role has none).
    """
    guild = message.guild if isinstance(message.guild, discord.Guild) else None
    names = _names(message, own_id, guild, known or {})
    parts = [_post_title(message), *_shown(message, names)]
    if message.poll is not None:
        parts.append(_poll(message.poll))
    for forwarded in message.message_snapshots:
        parts += ["[forwarded message]", *_shown(forwarded, names)]
    return bounded(wellformed("\n".join(part for part in parts if part)).strip())


def _shown(message: discord.Message | discord.MessageSnapshot, names: Callable[[re.Match[str]], str]) -> Iterator[str]:
    """Yield what a message shows beside its files, a part for each kind; parts may be empty."""
    for said in (message.content, embeds_text(message.embeds), components_text(getattr(message, "components", ()))):
        yield plain(said, names)
    for sticker in message.stickers:
        yield f"[sticker: {sticker.name}]"
    for file in message.attachments:
        if file.description:
            yield f"[{file.filename}: {file.description}]"


def _poll(poll: discord.Poll) -> str:
    """A poll in one line, with the votes where there are any."""
    counted = any(answer.vote_count for answer in poll.answers)
    answers = (f"{answer.text} ({answer.vote_count})" if counted else answer.text for answer in poll.answers)
    return f"[poll: {poll.question} {' / '.join(answers)}]"


def _post_title(message: discord.Message) -> str:
    """The title of the forum post that a message begins, see `titled`."""
    post = message.channel
    if (
        not isinstance(post, discord.Thread)
        or post.id != message.id
        or not isinstance(post.parent, discord.ForumChannel)
    ):
        return ""
    return titled(post)


def titled(thread: discord.Thread) -> str:
    """Say a thread's title; people often leave the question there, above all in forums."""
    return wellformed(f"[title: {thread.name}]")


def attachments_of(message: discord.Message) -> tuple[Attachment, ...]:
    """Describe the files sent along, those of forwarded messages included."""
    forwarded = (item for snapshot in message.message_snapshots for item in snapshot.attachments)
    return tuple(
        Attachment(wellformed(item.filename[:LONGEST_NAME]), _mime(item), item.size, item.url)
        for item in (*message.attachments, *forwarded)
    )


def _mime(file: discord.Attachment) -> str:
    """A file's type as Discord says; by its name where Discord says nothing."""
    return file.content_type or mimetypes.guess_type(file.filename)[0] or UNKNOWN_MIME


def name_of(user: discord.abc.User) -> str:
    """The name people see: nickname, else display name, else user name."""
    return wellformed(user.display_name)


def _names(
    message: discord.Message, own_id: int, guild: discord.Guild | None, known: Mapping[int, str]
) -> Callable[[re.Match[str]], str]:
    users = {user.id: user.display_name for user in message.mentions}
    own_role = guild.self_role if guild else None

    def name(match: re.Match[str]) -> str:
        kind, value = match.lastgroup, match[match.lastgroup or 0]
        if kind == "user":
            if (id_ := int(value)) == own_id:
                return ""
            member = guild.get_member(id_) if guild and id_ not in users else None
            return f"@{member.display_name if member else users.get(id_, 'unknown-user')}"
        if kind == "role":
            role = guild.get_role(int(value)) if guild else None
            named = role.name if role else known.get(int(value), "unknown-role")
            return "" if not named or (role and role == own_role) else f"@{named}"
        if kind == "channel":
            channel = guild.get_channel_or_thread(int(value)) if guild else None
            return f"#{channel.name if channel else known.get(int(value), 'unknown-channel')}"
        if kind == "emoji":
            return f":{value}:"
        if kind == "command":
            return f"/{value}"
        try:
            return f"{datetime.fromtimestamp(int(value), UTC):%Y-%m-%d %H:%M} UTC"
        except (ValueError, OverflowError, OSError):
            return match[0]

    return name


def plain(content: str, name: Callable[[re.Match[str]], str]) -> str:
    """Replace Discord's markup; what becomes nothing takes the blanks before it along."""
    pieces: list[str] = []
    end = 0
    for match in _MARKUP.finditer(content):
        between, word = content[end : match.start()], name(match)
        pieces += [between, word] if word else [between.rstrip(" \t")]
        end = match.end()
    return "".join([*pieces, content[end:]]).strip()
