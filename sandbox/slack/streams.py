"""Native streaming: chat.startStream, chat.appendStream, chat.stopStream, and who sees the text while it grows."""

from __future__ import annotations

import time
from typing import Any

from sandbox.slack import payloads
from sandbox.slack.backend import Answer, Backend
from sandbox.slack.call import Call, Refusal
from sandbox.slack.chat import thread_of
from sandbox.slack.content import given_back, read_metadata, seen_in
from sandbox.slack.pings import live_tokens
from sandbox.slack.world import Channel, Post, Stream


def _piece(call: Call, back: Backend, *, needed: bool = False) -> str:
    text = call.text("markdown_text")
    chunks = call.structure("chunks", code="invalid_chunks")
    if chunks is not None:
        if not isinstance(chunks, list) or not all(isinstance(chunk, dict) for chunk in chunks):
            raise Refusal("invalid_chunks")
        text = (text or "") + "".join(str(c.get("text", "")) for c in chunks if c.get("type") == "markdown_text")
    if needed and not text and not chunks:
        raise Refusal("no_text")
    if len(text or "") > back.rules.markdown:
        raise Refusal("msg_too_long")
    return text or ""


def start(call: Call, back: Backend) -> Answer:
    """chat.startStream: in a thread; outside a direct message with the one person who sees it live."""
    channel = back.room(call, writes=True)
    call.required("thread_ts")
    if channel.kind != "im":
        for name in ("recipient_team_id", "recipient_user_id"):
            if not call.text(name):
                raise Refusal(f"missing_{name}")
    text = _piece(call, back)
    _check_total(text, back)
    stream = Stream(time.time(), live=channel.kind == "im", text=text)
    ts = back.workspace.ts()
    post = Post(channel.id, ts, back.workspace.bot.id, text, text, from_bot=True, markdown=True, stream=stream)
    post.thread, post.own_blocks, post.blocks = thread_of(call, channel), True, _blocks(text)
    back.ledger.post(post, pings=live_tokens(text), streamed=True)
    back.clear_status(post)
    return {"channel": channel.id, "ts": post.ts}


def append(call: Call, back: Backend) -> Answer:
    """chat.appendStream."""
    channel = back.room(call, writes=True)
    post, stream = _streaming(call, channel, back)
    piece = _piece(call, back, needed=True)
    _check_total(stream.text + piece, back)
    stream.text += piece
    if stream.live:
        _show(post, stream, back)
    else:
        back.journal.add("slack", "streamed", channel=channel.id, id=post.ts, text=stream.text)
    return {"channel": channel.id, "ts": post.ts}


def stop(call: Call, back: Backend) -> Answer:
    """chat.stopStream: the last piece, then everybody sees all of it."""
    channel = back.room(call, writes=True)
    post, stream = _streaming(call, channel, back)
    piece = _piece(call, back)
    _check_total(stream.text + piece, back)
    extra = call.structure("blocks", code="invalid_blocks_format") or []
    post.metadata = read_metadata(call) or post.metadata
    stream.text += piece
    stream.state = "done"
    _show(post, stream, back, extra)
    return {"channel": channel.id, "ts": post.ts, "message": payloads.message(post, back.workspace)}


def _streaming(call: Call, channel: Channel, back: Backend) -> tuple[Post, Stream]:
    post = back.own_post(call, channel, "message_not_owned_by_app")
    stream = post.stream
    if stream is not None and stream.state == "stopped_by_user":
        raise Refusal("stopped_by_user")
    if stream is None or not back.streaming(stream):
        raise Refusal("message_not_in_streaming_state")
    return post, stream


def _check_total(text: str, back: Backend) -> None:
    if len(text) > back.rules.stream_text:
        raise Refusal("msg_too_long")


def _blocks(text: str) -> list[dict[str, Any]]:
    return given_back([{"type": "markdown", "text": text}])


def _show(post: Post, stream: Stream, back: Backend, extra: list[dict[str, Any]] | None = None) -> None:
    before = back.ledger.snapshot(post)
    post.text = post.written = stream.text
    post.blocks = _blocks(stream.text) + (extra or [])
    pings = live_tokens("\n".join([stream.text, *seen_in(extra or [], literal=False)]))
    back.ledger.changed(post, before, pings=pings)
