"""The JSON Slack speaks: messages, users, channels and the events about them, made from the workspace. Pure."""

from __future__ import annotations

import re
from typing import Any

from sandbox.slack.content import escaped
from sandbox.slack.world import Channel, Post, User, Workspace

Json = dict[str, Any]

_TOKEN = re.compile(
    r"<(?:@(?P<user>[UW][A-Z0-9]++)|#(?P<channel>[CG][A-Z0-9]++)|!(?P<range>here|channel|everyone))[^<>]*+>"
)


def message(post: Post, workspace: Workspace, *, metadata: bool = False) -> Json:
    """A message as `conversations.history` and the answers of `chat.*` hold it."""
    channel = workspace.channels[post.channel]
    body: Json = {"user": post.user, "type": "message", "ts": post.ts}
    if post.client_msg_id:
        body["client_msg_id"] = post.client_msg_id
    if post.from_bot:
        body |= {"bot_id": workspace.bot_id, "app_id": workspace.app_id, "bot_profile": _bot_profile(workspace)}
    body |= {"text": escaped(post.text) if post.from_bot else post.text, "team": workspace.team_id}
    if subtype := post.subtype or ("thread_broadcast" if post.broadcast else None):
        body["subtype"] = subtype
    if post.blocks:
        body["blocks"] = post.blocks
    if post.attachments:
        body["attachments"] = post.attachments
    if post.files:
        body |= {"files": post.files, "upload": False, "display_as_bot": False}
    if post.edited:
        body["edited"] = {"user": post.edited[0], "ts": post.edited[1]}
    if post.reactions:
        body["reactions"] = [{"name": n, "users": u, "count": len(u)} for n, u in post.reactions.items()]
    if post.stream and post.stream.state == "in_progress":
        body["streaming_state"] = "in_progress"
    if metadata and post.metadata:
        body["metadata"] = post.metadata
    return body | _thread_of(post, channel)


def _thread_of(post: Post, channel: Channel) -> Json:
    if post.thread is not None:
        root = channel.posts.get(post.thread)
        parent = {} if root is None else {"parent_user_id": root.user}
        shown = {"root": {"ts": root.ts, "user": root.user, "text": root.text}} if post.broadcast and root else {}
        return {"thread_ts": post.thread, **parent, **shown}
    replies = channel.replies(post.ts)
    if not replies:
        return {}
    users = list(dict.fromkeys(reply.user for reply in replies))
    return {
        "thread_ts": post.ts,
        "reply_count": len(replies),
        "reply_users_count": len(users),
        "latest_reply": replies[-1].ts,
        "reply_users": users[:5],
        "is_locked": False,
        "subscribed": False,
    }


def _bot_profile(workspace: Workspace) -> Json:
    return {
        "id": workspace.bot_id,
        "app_id": workspace.app_id,
        "user_id": workspace.bot.id,
        "name": workspace.bot.name,
        "icons": {},
        "deleted": False,
        "updated": 1_700_000_000,
        "team_id": workspace.team_id,
    }


def bot_info(workspace: Workspace) -> Json:
    """The app's bot as `bots.info` shows it."""
    return {key: value for key, value in _bot_profile(workspace).items() if key != "team_id"}


def rich_text(text: str) -> list[Json]:
    """The blocks Slack's client sends along with what a person types."""
    elements: list[Json] = []
    end = 0
    for token in _TOKEN.finditer(text):
        elements += _run(text[end : token.start()])
        if token["user"]:
            elements.append({"type": "user", "user_id": token["user"]})
        elif token["channel"]:
            elements.append({"type": "channel", "channel_id": token["channel"]})
        else:
            elements.append({"type": "broadcast", "range": token["range"]})
        end = token.end()
    elements += _run(text[end:])
    section = {"type": "rich_text_section", "elements": elements}
    return [{"type": "rich_text", "block_id": "rt0", "elements": [section]}]


PREVIEW = 100
"""Characters of a transcript that a message carries."""


def _run(text: str) -> list[Json]:
    plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return [{"type": "text", "text": plain}] if plain else []


def file_object(given: Json, workspace: Workspace, user: str, number: int) -> Json:
    """A file as messages carry it; `given` may set any field, most usefully name, mimetype and size (bytes)."""
    name = str(given.get("name", "file.txt"))
    kind = name.rpartition(".")[2] or "text"
    link = f"{workspace.files_url}/files-pri/{workspace.team_id}-F{number}/{name}"
    if (content := given.pop("content", None)) is not None:
        workspace.uploads[f"{workspace.team_id}-F{number}"] = content
        given.setdefault("size", len(content))
    if (said := given.pop("said", None)) is not None:
        given |= _transcribed(said, workspace, number)
    base = {"id": f"F0SBX{number:05d}", "created": 1_700_000_000, "name": name, "title": name, "user": user}
    base |= {"mimetype": "text/plain", "filetype": kind, "pretty_type": kind.upper(), "size": 0, "mode": "hosted"}
    base |= {"is_external": False, "is_public": False, "url_private": link, "url_private_download": link}
    return base | given


def _transcribed(said: str, workspace: Workspace, number: int) -> Json:
    """What Slack adds to a clip or a voice message when it has listened: the beginning, and all of it as captions."""
    id_ = f"{workspace.team_id}-V{number}"
    workspace.uploads[id_] = f"WEBVTT\n\n00:00.000 --> 00:09.000\n{said}\n".encode()
    preview = {"content": said[:PREVIEW], "has_more": len(said) > PREVIEW}
    link = f"{workspace.files_url}/files-pri/{id_}/file.vtt"
    return {"transcription": {"status": "complete", "locale": "en-US", "preview": preview}, "vtt": link}


def user_object(user: User, workspace: Workspace) -> Json:
    """A user as `users.info` shows it."""
    profile = {
        "real_name": user.real_name,
        "real_name_normalized": user.real_name,
        "display_name": user.display_name,
        "display_name_normalized": user.display_name,
        "team": workspace.team_id,
    }
    body = {"id": user.id, "team_id": workspace.team_id, "name": user.name, "deleted": user.deleted}
    body |= {"real_name": user.real_name, "tz": "Etc/UTC", "tz_label": "UTC", "tz_offset": 0, "profile": profile}
    return body | {"is_bot": user.is_bot, "is_app_user": False, "is_restricted": False, "updated": 1_700_000_000}


def channel_object(channel: Channel, workspace: Workspace) -> Json:
    """A conversation as `conversations.info` and `conversations.list` show it."""
    body: Json = {"id": channel.id, "created": channel.created, "is_archived": channel.archived}
    body |= {"is_im": channel.kind == "im", "is_org_shared": False, "context_team_id": workspace.team_id}
    if channel.kind == "im":
        partner = next((member for member in channel.members if member != workspace.bot.id), workspace.bot.id)
        return body | {"user": partner, "is_user_deleted": False, "priority": 0}
    return body | {
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": channel.kind == "channel",
        "is_group": channel.kind == "group",
        "is_mpim": channel.kind == "mpim",
        "is_private": channel.kind != "channel",
        "is_shared": False,
        "is_ext_shared": False,
        "is_pending_ext_shared": False,
        "is_general": channel.name == "general",
        "is_member": workspace.bot.id in channel.members,
        "num_members": len(channel.members),
        "creator": next(iter(channel.members), ""),
        "topic": {"value": "", "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }


def message_event(post: Post, workspace: Workspace) -> Json:
    """The `message` event of a new post."""
    body = message(post, workspace)
    if post.files and not post.subtype:
        body["subtype"] = "file_share"
    channel = workspace.channels[post.channel]
    return body | {"channel": channel.id, "event_ts": post.ts, "channel_type": channel.kind}


def mention_event(post: Post, workspace: Workspace) -> Json:
    """The `app_mention` event of the same post: no subtype, no channel type."""
    body = message_event(post, workspace) | {"type": "app_mention"}
    for name in ("subtype", "channel_type", "upload", "display_as_bot"):
        body.pop(name, None)
    return body


def changed_event(post: Post, before: Json, workspace: Workspace, ts: str) -> Json:
    """The `message_changed` event; `before` is the message as it was."""
    now = message(post, workspace) | {"source_team": workspace.team_id, "user_team": workspace.team_id}
    return _hidden("message_changed", post, workspace, ts) | {"message": now, "previous_message": before}


def deleted_event(post: Post, before: Json, workspace: Workspace, ts: str) -> Json:
    """The `message_deleted` event."""
    return _hidden("message_deleted", post, workspace, ts) | {"previous_message": before, "deleted_ts": post.ts}


def _hidden(subtype: str, post: Post, workspace: Workspace, ts: str) -> Json:
    channel = workspace.channels[post.channel]
    body = {"type": "message", "subtype": subtype, "hidden": True, "channel": channel.id}
    return body | {"ts": ts, "event_ts": ts, "channel_type": channel.kind}


def envelope(event: Json, event_id: str, workspace: Workspace, at: float) -> Json:
    """The outer body of an event, the same over Socket Mode and HTTP; `at` is in Unix seconds."""
    authorization = {"enterprise_id": None, "team_id": workspace.team_id, "user_id": workspace.bot.id}
    return {
        "token": "sandbox-verification-token",
        "team_id": workspace.team_id,
        "context_team_id": workspace.team_id,
        "context_enterprise_id": None,
        "api_app_id": workspace.app_id,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(at),
        "authorizations": [authorization | {"is_bot": True, "is_enterprise_install": False}],
        "is_ext_shared_channel": False,
        "event_context": f"4-{event_id}",
    }
