"""The methods that write: chat.postMessage, chat.update, chat.delete and their small relatives."""

from __future__ import annotations

import re
import time
from typing import Any

from sandbox.slack import payloads
from sandbox.slack.backend import Answer, Backend
from sandbox.slack.call import Call, Refusal
from sandbox.slack.content import Content, given_back, read_content
from sandbox.slack.world import Channel, Post, micros

_TS = re.compile(r"\d{9,10}\.\d{6}")


def thread_of(call: Call, channel: Channel) -> str | None:
    """The root's ts of `thread_ts`, which may name a reply; None when the call names no thread."""
    ts = call.text("thread_ts")
    if not ts:
        return None
    if not _TS.fullmatch(ts):
        raise Refusal("invalid_thread_ts")
    post = channel.posts.get(ts)
    return post.thread or ts if post is not None else ts


def _blocks(content: Content) -> list[dict[str, Any]]:
    return given_back(content.blocks) if content.blocks else payloads.rich_text(content.text or "")


def _warned(answer: Answer, content: Content) -> Answer:
    if content.warnings:
        answer |= {"warning": ",".join(content.warnings), "response_metadata": {"warnings": content.warnings}}
    return answer


def post_message(call: Call, back: Backend) -> Answer:
    """chat.postMessage. A person's id as the channel means their direct message with the bot."""
    person = back.workspace.users.get(call.text("channel") or "")
    if person is not None and not person.is_bot:
        call = Call(call.method, {**call.arguments, "channel": back.workspace.direct([person.id]).id})
    channel = back.room(call, writes=True)
    content = read_content(call, back.rules, back.names())
    post = Post(
        channel.id,
        back.workspace.ts(),
        back.workspace.bot.id,
        content.text or "",
        content.seen,
        from_bot=True,
        blocks=_blocks(content),
        own_blocks=bool(content.blocks),
        markdown=content.markdown,
        attachments=content.attachments or [],
        metadata=content.metadata or None,
        thread=thread_of(call, channel),
        broadcast=call.flag("reply_broadcast"),
    )
    back.ledger.post(post, pings=content.pings)
    back.clear_status(post)
    shown = payloads.message(post, back.workspace, metadata=True)
    return _warned({"channel": channel.id, "ts": post.ts, "message": shown}, content)


def update(call: Call, back: Backend) -> Answer:
    """chat.update. Blocks and metadata stay as they were unless the call names them; empty ones take them away."""
    channel = back.room(call, writes=True)
    post = back.own_post(call, channel, "cant_update_message")
    window = back.rules.edit_window
    if window is not None and time.time() - micros(post.ts) / 1e6 > window:
        raise Refusal("edit_window_closed")
    if post.stream is not None and back.streaming(post.stream):
        raise Refusal("streaming_state_conflict")
    content = read_content(call, back.rules, back.names(), update=True)
    before = back.ledger.snapshot(post)
    if content.text is not None:
        post.text = content.text
    if content.blocks:
        post.blocks, post.own_blocks, post.written = given_back(content.blocks), True, content.seen
    elif content.blocks == [] or not post.own_blocks:
        post.blocks, post.own_blocks, post.written = payloads.rich_text(post.text), False, post.text
    post.markdown = content.markdown or (post.markdown and post.own_blocks)
    if content.attachments is not None:
        post.attachments = content.attachments
    if content.metadata is not None:
        post.metadata = content.metadata or None
    if post.stream is not None:
        post.stream.state = "done"
    if not content.blocks:
        post.edited = (back.workspace.bot.id, back.workspace.ts())
    back.ledger.changed(post, before, pings=content.pings, marked=bool(post.edited), metadata=post.metadata)
    shown = payloads.message(post, back.workspace, metadata=True)
    return {"channel": channel.id, "ts": post.ts, "text": shown["text"], "message": shown}


def delete(call: Call, back: Backend) -> Answer:
    """chat.delete."""
    channel = back.room(call, writes=True)
    post = back.own_post(call, channel, "cant_delete_message")
    back.ledger.delete(post)
    return {"channel": channel.id, "ts": post.ts}


def post_ephemeral(call: Call, back: Backend) -> Answer:
    """chat.postEphemeral: shown to one person, kept by nobody."""
    channel = back.room(call, writes=True)
    if call.required("user") not in channel.members:
        raise Refusal("user_not_in_channel")
    content = read_content(call, back.rules, back.names())
    user, thread = call.text("user"), thread_of(call, channel)
    back.journal.add(
        "slack", "ephemeral", channel=channel.id, user=user, text=content.seen, thread=thread, pings=content.pings
    )
    return {"message_ts": back.workspace.ts()}


def get_permalink(call: Call, back: Backend) -> Answer:
    """chat.getPermalink."""
    channel = back.room(call, joined=False)
    post = channel.posts.get(call.required("message_ts"))
    if post is None:
        raise Refusal("message_not_found")
    link = f"https://{back.workspace.domain}.slack.com/archives/{channel.id}/p{post.ts.replace('.', '')}"
    if post.thread:
        link += f"?thread_ts={post.thread}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


def set_status(call: Call, back: Backend) -> Answer:
    """assistant.threads.setStatus: an empty status takes it away."""
    channel = back.room(call, "channel_id")
    thread = call.required("thread_ts")
    text = call.text("status") or ""
    if not _TS.fullmatch(thread):
        raise Refusal("invalid_thread_ts")
    back.statuses.pop((channel.id, thread), None)
    if text:
        back.statuses[channel.id, thread] = (text, time.time())
    back.journal.add("slack", "status", channel=channel.id, thread=thread, text=text)
    return {}


def add_reaction(call: Call, back: Backend) -> Answer:
    """reactions.add."""
    channel = back.room(call)
    post = channel.posts.get(call.required("timestamp"))
    if post is None:
        raise Refusal("message_not_found")
    name = call.required("name")
    if not re.fullmatch(r"[\w+'-]+(?:::skin-tone-[2-6])?", name):
        raise Refusal("invalid_name")
    people = post.reactions.setdefault(name, [])
    if back.workspace.bot.id in people:
        raise Refusal("already_reacted")
    people.append(back.workspace.bot.id)
    back.journal.add("slack", "reaction", channel=channel.id, id=post.ts, name=name)
    return {}
