"""Reads Slack's events and messages as the core's `Message`s. Pure: it knows payloads, no network and no store."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.slack.blocks import files_of, name_of, shown_by, transcript_of, written_in
from adapters.slack.fields import Event, Identity, field, is_direct, is_time
from adapters.slack.for_us import is_addressed, is_bot, is_written, may_ask
from adapters.slack.markup import readable
from bot.conversation import Attachment, Author, Message, Place, ThreadKey
from bot.text import LONGEST_NAME, wellformed

LONGEST_URL = 2_000
"""Characters of a file's address that are kept; Slack's have about 150."""


def message_id(channel: str, ts: str) -> str:
    """The id a message is known by within its installation."""
    return f"{channel}:{ts}"


def thread_key(event: Event, us: Identity) -> ThreadKey:
    """The conversation an event belongs to by its place alone."""
    channel, thread = field(event, "channel"), field(event, "thread_ts")
    if is_direct(event):
        return ThreadKey("slack", us.team, f"{channel}:{thread}" if thread else channel)
    return ThreadKey("slack", us.team, f"{channel}:{thread or field(event, 'ts')}")


def to_message(event: Event, us: Identity, key: ThreadKey | None = None, *, mid_thread: bool = False) -> Message:
    """Return what a person wrote.

    Args:
        event: an event for which `is_for_us` holds, or a message of `conversations.replies` with its channel.
        us: who the bot is.
        key: the conversation, where it is another than the place says.
        mid_thread: see `Message`.
    """
    channel, ts, direct = field(event, "channel"), field(event, "ts"), is_direct(event)
    thread = field(event, "thread_ts") or (None if direct else ts)
    return Message(
        key=key or thread_key(event, us),
        installation=us.installation,
        id=message_id(channel, ts),
        author=author_of(event),
        text=readable(shown_by(event), us.user),
        sent_at=float(ts),
        place=Place(channel, thread=thread, direct=direct),
        attachments=tuple(attachments_of(event)),
        addressed=is_addressed(event, us),
        mid_thread=mid_thread,
        external=event.get("external") is True,
        from_bot=is_bot(event),
    )


def author_of(message: Event) -> Author:
    """Who wrote it; a bot's name stands in its message, a person's has to be looked up."""
    profile = message.get("bot_profile")
    name = field(message, "username") or (field(profile, "name") if isinstance(profile, Mapping) else "")
    return Author(field(message, "user") or field(message, "bot_id"), wellformed(name[:LONGEST_NAME]))


def attachments_of(message: Event) -> list[Attachment]:
    """The files sent along, and those of shared messages. Of one from another company only the id is known.

    The transcript of a voice message is a text file beside it where the message shows only its beginning.
    """
    found = []
    for file in files_of(message):
        if field(file, "mode") != "tombstone":
            size = file.get("size")
            mime = field(file, "mimetype")[:LONGEST_NAME]
            name = wellformed(name_of(file)[:LONGEST_NAME])
            url = field(file, "url_private_download") or field(file, "url_private")
            found.append(Attachment(name, mime, size if isinstance(size, int) else 0, url[:LONGEST_URL]))
            _, more = transcript_of(file)
            if more and (transcript := field(file, "vtt")):
                found.append(Attachment(f"{name} (transcript)", "text/plain", 0, transcript[:LONGEST_URL]))
    return found


def edit_of(event: Event, us: Identity) -> Event | None:
    """The new version of a message whose text a person changed, with its channel and when; None for anything else.

    Link previews, the bot's own edits and thread counters come as `message_changed` too, with the same text.
    """
    new, old = event.get("message"), event.get("previous_message")
    if field(event, "subtype") != "message_changed" or not isinstance(new, Mapping):
        return None
    if not is_written({**new, "hidden": None}, us):
        return None
    if isinstance(old, Mapping) and written_in(new) == written_in(old):
        return None
    return {**_placed(new, event), "event_ts": field(event, "event_ts")}


def deletion_of(event: Event, us: Identity) -> Event | None:
    """The message that was deleted, a person's or one of ours, as far as it is known, with its channel; else None.

    A message that has replies leaves a tombstone, which comes as `message_changed`. Who deleted it is not told.
    """
    new, old = event.get("message"), event.get("previous_message")
    if not isinstance(old, Mapping):
        old = {}
    if field(event, "subtype") == "message_deleted":
        ts = field(event, "deleted_ts") or field(old, "ts")
    elif (
        field(event, "subtype") == "message_changed"
        and isinstance(new, Mapping)
        and field(new, "subtype") == "tombstone"
    ):
        ts = field(new, "ts")
    else:
        return None
    concerns_us = not old or field(old, "user") == us.user or may_ask({**old, "hidden": None}, us)
    if not is_time(ts) or not concerns_us:
        return None
    return _placed({"thread_ts": field(event, "thread_ts"), **old, "ts": ts}, event)


def _placed(message: Event, event: Event) -> Event:
    return {
        **message,
        "type": "message",
        "channel": field(event, "channel"),
        "channel_type": field(event, "channel_type"),
        "external": event.get("external") is True,
    }
