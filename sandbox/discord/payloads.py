"""The JSON objects of Discord's API and gateway, made from the world. Reads, never changes."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

from .permissions import Permission
from .world import DM, FORUM, THREAD, Channel, Message, Role, User, World

Json = dict[str, Any]

REFERRING = (19, 21)
"""Message types that carry the message they refer to: a reply, a thread's starter."""

HAS_THREAD = 1 << 5
"""Message flag: a thread was opened from it."""


def stamp(at: float | None) -> str | None:
    """ISO 8601 in UTC, as Discord writes times."""
    return None if at is None else dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="microseconds")


def user(person: User) -> Json:
    """A user object."""
    return {
        "id": person.id,
        "username": person.username,
        "global_name": person.global_name,
        "discriminator": "0000" if person.bot else "0",
        "avatar": None,
        "bot": person.bot,
        "public_flags": 0,
    }


def bot_user(world: World) -> Json:
    """The bot's own user, with what only it is told."""
    return user(world.users[world.bot_id]) | {
        "verified": True,
        "mfa_enabled": True,
        "locale": "en-US",
        "email": None,
        "flags": 0,
    }


def member(person: User, *, with_user: bool = True) -> Json:
    """A guild member object; messages carry it without the user."""
    data: Json = {
        "nick": person.nick,
        "avatar": None,
        "roles": list(person.roles),
        "joined_at": stamp(person.joined_at),
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
        "communication_disabled_until": None,
    }
    if with_user:
        data["user"] = user(person)
    return data


def role(one: Role) -> Json:
    """A role object."""
    data: Json = {
        "id": one.id,
        "name": one.name,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": one.position,
        "permissions": str(int(one.permissions)),
        "managed": one.managed_by is not None,
        "mentionable": one.mentionable,
        "flags": 0,
    }
    if one.managed_by is not None:
        data["tags"] = {"bot_id": one.managed_by}
    return data


def channel(world: World, one: Channel) -> Json:
    """A channel object: text channel, thread or direct message."""
    if one.kind == DM:
        return {
            "id": one.id,
            "type": DM,
            "last_message_id": one.last_message,
            "flags": 0,
            "recipients": [user(world.users[one.recipient or ""])],
        }
    if one.kind == THREAD:
        return thread(world, one)
    return {
        "id": one.id,
        "type": one.kind,
        "guild_id": world.guild_id,
        "name": one.name,
        "topic": one.topic,
        "position": one.position,
        "nsfw": False,
        "parent_id": None,
        "rate_limit_per_user": 0,
        "last_message_id": one.last_message,
        "flags": 0,
        "permission_overwrites": [
            {"id": o.id, "type": o.kind, "allow": str(int(o.allow)), "deny": str(int(o.deny))}
            for o in one.overwrites.values()
        ],
    } | ({"available_tags": [], "default_forum_layout": 0, "default_sort_order": None} if one.kind == FORUM else {})


def thread(world: World, one: Channel) -> Json:
    """A thread's channel object, with the bot's own membership when it has joined."""
    data: Json = {
        "id": one.id,
        "type": THREAD,
        "guild_id": world.guild_id,
        "parent_id": one.parent,
        "owner_id": one.owner,
        "name": one.name,
        "last_message_id": one.last_message,
        "message_count": one.sent,
        "total_message_sent": one.sent,
        "member_count": min(50, len(one.members)),
        "rate_limit_per_user": 0,
        "flags": 0,
        "thread_metadata": {
            "archived": one.archived,
            "auto_archive_duration": one.archive_minutes,
            "archive_timestamp": stamp(one.archive_changed),
            "create_timestamp": stamp(one.created),
            "locked": one.locked,
        },
    }
    if world.bot_id in one.members:
        data["member"] = thread_member(one, world.bot_id)
    return data


def thread_member(one: Channel, person: str) -> Json:
    """A thread member object."""
    return {"id": one.id, "user_id": person, "join_timestamp": stamp(one.members[person]), "flags": 1}


def message(world: World, one: Message, *, with_content: bool = True, resolve_reference: bool = True) -> Json:
    """A message object as REST answers it.

    Args:
        world: where its people are.
        one: the message.
        with_content: False empties what the MESSAGE_CONTENT intent guards, unless the bot is exempt (`readable`).
        resolve_reference: False leaves `referenced_message` out, as in a message that is itself referred to.
    """
    shown = with_content or readable(world, one)
    data: Json = {
        "id": one.id,
        "channel_id": one.channel,
        "author": user(world.users[one.author]),
        "content": one.content if shown else "",
        "timestamp": stamp(one.created),
        "edited_timestamp": stamp(one.edited),
        "tts": one.tts,
        "mention_everyone": one.mention_everyone,
        "mentions": [user(world.users[id_]) for id_ in one.mentions],
        "mention_roles": list(one.mention_roles),
        "attachments": [dict(each) for each in one.attachments] if shown else [],
        "embeds": [dict(each) for each in one.embeds] if shown else [],
        "components": [dict(each) for each in one.components] if shown else [],
        "pinned": False,
        "type": one.kind,
        "flags": one.flags,
    }
    if one.reactions and shown:
        data["reactions"] = [_reaction(world, emoji, by) for emoji, by in one.reactions.items()]
    if one.interaction is not None:
        data["interaction_metadata"] = one.interaction
    if one.reference is not None:
        data["message_reference"] = dict(one.reference)
        if resolve_reference and one.kind in REFERRING:
            target = world.find_message(one.reference["channel_id"], one.replies_to())
            data["referenced_message"] = target and message(
                world, target, with_content=with_content, resolve_reference=False
            )
    if one.flags & HAS_THREAD and one.id in world.channels:
        data["thread"] = thread(world, world.channels[one.id])
    if one.position is not None:
        data["position"] = one.position
    return data | (one.extra if shown else {})


def message_event(world: World, one: Message, *, with_content: bool) -> Json:
    """A message object as MESSAGE_CREATE and MESSAGE_UPDATE carry it: in a guild with its members."""
    data = message(world, one, with_content=with_content)
    place = world.channels[one.channel]
    data["channel_type"] = place.kind
    if world.in_guild(place):
        data["guild_id"] = world.guild_id
        data["member"] = member(world.users[one.author], with_user=False)
        for mentioned in data["mentions"]:
            mentioned["member"] = member(world.users[mentioned["id"]], with_user=False)
    return data


def readable(world: World, one: Message) -> bool:
    """Whether the bot sees the content without the MESSAGE_CONTENT intent: its own, in a DM, or mentioned."""
    return one.author == world.bot_id or world.bot_id in one.mentions or world.channels[one.channel].kind == DM


def _reaction(world: World, emoji: str, by: list[str]) -> Json:
    return {
        "emoji": partial_emoji(emoji),
        "count": len(by),
        "count_details": {"normal": len(by), "burst": 0},
        "me": world.bot_id in by,
        "me_burst": False,
        "burst_colors": [],
    }


def partial_emoji(emoji: str) -> Json:
    """A reaction's emoji: Unicode, or `name:id` of a custom one."""
    name, _, id_ = emoji.partition(":")
    return {"id": id_ or None, "name": name, "animated": False}


def guild(world: World) -> Json:
    """The guild object as REST answers it."""
    return {
        "id": world.guild_id,
        "name": world.guild_name,
        "icon": None,
        "splash": None,
        "discovery_splash": None,
        "banner": None,
        "description": None,
        "owner_id": world.owner_id,
        "region": "deprecated",
        "afk_channel_id": None,
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 1,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "roles": [role(each) for each in world.roles.values()],
        "emojis": [],
        "stickers": [],
        "features": [],
        "application_id": None,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "safety_alerts_channel_id": None,
        "vanity_url_code": None,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "premium_progress_bar_enabled": False,
        "preferred_locale": "en-US",
        "max_members": 500_000,
        "max_presences": None,
        "widget_enabled": False,
        "incidents_data": None,
    }


def guild_create(world: World, *, everybody: bool) -> Json:
    """GUILD_CREATE: the guild with channels, active threads and members (the bot alone unless `everybody`)."""
    bot = world.users[world.bot_id]
    return guild(world) | {
        "joined_at": stamp(bot.joined_at),
        "large": False,
        "unavailable": False,
        "member_count": len(world.users),
        "members": [member(each) for each in (world.users.values() if everybody else [bot])],
        "channels": [channel(world, each) for each in world.channels.values() if each.kind not in (DM, THREAD)],
        "threads": [
            thread(world, each)
            for each in world.threads(archived=False)
            if Permission.VIEW_CHANNEL in world.permissions(world.bot_id, each)
        ],
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def application(world: World, flags: int) -> Json:
    """The application object; `flags` tell which privileged intents are switched on."""
    bot = world.users[world.bot_id]
    return {
        "id": world.application_id,
        "name": bot.username,
        "icon": None,
        "description": "",
        "summary": "",
        "bot_public": False,
        "bot_require_code_grant": False,
        "verify_key": hashlib.sha256(world.application_id.encode()).hexdigest(),
        "owner": user(world.users[world.owner_id]),
        "team": None,
        "bot": user(bot),
        "flags": flags,
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "approximate_guild_count": 1,
    }
