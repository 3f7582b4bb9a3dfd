"""The methods that read: conversations, users, the bot, the team. Pages by cursor as Slack does."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, TypeVar

from sandbox.slack import payloads
from sandbox.slack.backend import Answer, Backend, instant
from sandbox.slack.call import Call, Refusal
from sandbox.slack.scopes import TYPES
from sandbox.slack.world import Channel, Post, micros

T = TypeVar("T")

_FOREVER = 1 << 62


def _page(call: Call, items: Sequence[T], *, default: int, most: int = 1000) -> tuple[list[T], str]:
    """One page of `items` and the cursor of the next; the cursor is empty on the last page."""
    limit = call.number("limit", min(default, most), most=most)
    start = 0
    if cursor := call.text("cursor"):
        try:
            start = int(base64.b64decode(cursor, validate=True).decode().removeprefix("at:"))
        except (binascii.Error, ValueError):
            raise Refusal("invalid_cursor") from None
    after = start + limit
    following = base64.b64encode(f"at:{after}".encode()).decode() if after < len(items) else ""
    return list(items[start:after]), following


def _between(call: Call, posts: Sequence[Post]) -> list[Post]:
    oldest, latest = instant(call, "oldest", 0), instant(call, "latest", _FOREVER)
    if call.flag("inclusive"):
        return [post for post in posts if oldest <= micros(post.ts) <= latest]
    return [post for post in posts if oldest < micros(post.ts) < latest]


def _messages(call: Call, back: Backend, posts: Sequence[Post], cursor: str) -> Answer:
    metadata = call.flag("include_all_metadata")
    shown = [payloads.message(post, back.workspace, metadata=metadata) for post in posts]
    answer: Answer = {"messages": shown, "has_more": bool(cursor)}
    return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


def history(call: Call, back: Backend) -> Answer:
    """conversations.history: newest first, without the replies in threads."""
    channel = back.room(call)
    posts, cursor = _page(call, _between(call, channel.listed())[::-1], default=100, most=back.rules.page)
    return _messages(call, back, posts, cursor) | {"pin_count": 0}


def replies(call: Call, back: Backend) -> Answer:
    """conversations.replies: a thread with its root, oldest first. The root comes along whatever the time asked for."""
    channel = back.room(call)
    ts = call.required("ts")
    named = channel.posts.get(ts)
    root_ts = named.thread if named is not None and named.thread else ts
    root = channel.posts.get(root_ts)
    thread = channel.replies(root_ts)
    if root is None and not thread:
        raise Refusal("thread_not_found")
    wanted = ([root] if root is not None else []) + _between(call, thread)
    posts, cursor = _page(call, wanted, default=1000, most=back.rules.page)
    return _messages(call, back, posts, cursor)


def info(call: Call, back: Backend) -> Answer:
    """conversations.info."""
    return {"channel": payloads.channel_object(back.room(call, joined=False), back.workspace)}


def _visible(call: Call, back: Backend) -> list[Channel]:
    asked = [name.strip() for name in (call.text("types") or "public_channel").split(",")]
    if unknown := set(asked) - set(TYPES):
        raise Refusal("invalid_types", provided=",".join(sorted(unknown)))
    kinds = {TYPES[name] for name in asked}
    bot = back.workspace.bot.id
    channels = [c for c in back.workspace.channels.values() if c.kind in kinds]
    seen = [c for c in channels if c.kind == "channel" or bot in c.members]
    return [c for c in seen if not (call.flag("exclude_archived") and c.archived)]


def _listed(call: Call, back: Backend, channels: Sequence[Channel]) -> Answer:
    page, cursor = _page(call, channels, default=100)
    shown = [payloads.channel_object(channel, back.workspace) for channel in page]
    return {"channels": shown, "response_metadata": {"next_cursor": cursor}}


def list_(call: Call, back: Backend) -> Answer:
    """conversations.list."""
    return _listed(call, back, _visible(call, back))


def users_conversations(call: Call, back: Backend) -> Answer:
    """users.conversations: those the bot, or `user`, is in."""
    user = call.text("user") or back.workspace.bot.id
    if user not in back.workspace.users:
        raise Refusal("user_not_found")
    return _listed(call, back, [c for c in _visible(call, back) if user in c.members])


def members(call: Call, back: Backend) -> Answer:
    """conversations.members."""
    page, cursor = _page(call, list(back.room(call, joined=False).members), default=100)
    return {"members": page, "response_metadata": {"next_cursor": cursor}}


def open_(call: Call, back: Backend) -> Answer:
    """conversations.open: the direct message with one or several people."""
    if call.text("channel"):
        channel = back.room(call)
    else:
        people = [user.strip() for user in call.required("users").split(",")]
        if any(user not in back.workspace.users for user in people):
            raise Refusal("user_not_found")
        known = set(back.workspace.channels)
        channel = back.workspace.direct(people)
        if channel.id in known:
            return _opened(call, back, channel) | {"no_op": True, "already_open": True}
    return _opened(call, back, channel)


def _opened(call: Call, back: Backend, channel: Channel) -> Answer:
    full: dict[str, Any] = payloads.channel_object(channel, back.workspace)
    return {"channel": full if call.flag("return_im") else {"id": channel.id}}


def user_info(call: Call, back: Backend) -> Answer:
    """users.info."""
    user = back.workspace.users.get(call.required("user"))
    if user is None:
        raise Refusal("user_not_found")
    return {"user": payloads.user_object(user, back.workspace)}


def user_list(call: Call, back: Backend) -> Answer:
    """users.list."""
    page, cursor = _page(call, list(back.workspace.users.values()), default=1000)
    people = [payloads.user_object(user, back.workspace) for user in page]
    return {"members": people, "cache_ts": 1_700_000_000, "response_metadata": {"next_cursor": cursor}}


def bot_info(call: Call, back: Backend) -> Answer:
    """bots.info."""
    if call.text("bot") != back.workspace.bot_id:
        raise Refusal("bot_not_found")
    return {"bot": payloads.bot_info(back.workspace)}


def team_info(_: Call, back: Backend) -> Answer:
    """team.info."""
    space = back.workspace
    team = {"id": space.team_id, "name": space.name, "domain": space.domain, "email_domain": ""}
    return {"team": team | {"url": f"https://{space.domain}.slack.com/"}}


def auth_test(_: Call, back: Backend) -> Answer:
    """auth.test."""
    space = back.workspace
    answer = {"url": f"https://{space.domain}.slack.com/", "team": space.name, "user": space.bot.name}
    answer |= {"team_id": space.team_id, "user_id": space.bot.id, "bot_id": space.bot_id}
    return answer | {"is_enterprise_install": False}


def publish_view(call: Call, back: Backend) -> Answer:
    """views.publish: accepted for a person's home tab, and shown nowhere."""
    view = call.structure("view", code="invalid_arguments")
    if call.required("user_id") not in back.workspace.users:
        raise Refusal("user_not_found")
    if not isinstance(view, dict) or view.get("type") != "home":
        raise Refusal("invalid_arguments")
    back.journal.add("slack", "view", user=call.text("user_id"), view=view)
    return {"view": {"id": "V0SANDBOX", "team_id": back.workspace.team_id, **view}}
