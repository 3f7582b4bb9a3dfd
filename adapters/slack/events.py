"""Is it for us, and what does it say: Slack's events as `Message`s. Pure: knows payloads, no network and no store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.slack.blocks import files_of, name_of, shown_by, words_of, written_in
from adapters.slack.markup import addresses_others, mentions, readable
from bot.conversation import Attachment, Author, FollowUps, Message, Place, ThreadKey
from bot.text import LONGEST_NAME, wellformed

Event = Mapping[str, Any]

ORDINARY = frozenset({"", "file_share", "thread_broadcast", "me_message"})
"""Subtypes of `message` events that are a person saying something."""

LONGEST_URL = 2_000
"""Characters of a file's address that are kept; Slack's have about 150."""

SLACKBOT = "USLACKBOT"

JOINED = frozenset({"member_joined_channel", "channel_join", "group_join"})
UNARCHIVED = frozenset({"channel_unarchive", "group_unarchive"})
"""Types of events, and subtypes of messages, that say so. An app hears the latter without asking for more events."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is in the workspace it is installed in, as `auth.test` says.

    Args:
        team: the id of the workspace.
        user: the bot's user id.
        bot: its bot id; empty where Slack names none.
        name: its user name.
        answers: ids of other bots that it answers: of a bot, its app or its user.
    """

    team: str
    user: str
    bot: str = ""
    name: str = ""
    answers: frozenset[str] = frozenset()

    @property
    def installation(self) -> str:
        """The name its mailbox goes by."""
        return f"slack:{self.team}"


def field(event: Event, name: str) -> str:
    """The value of `name` if it is text, else an empty text: payloads are not to be trusted in their form."""
    value = event.get(name)
    return value if isinstance(value, str) else ""


def is_direct(event: Event) -> bool:
    """Whether it happened in a direct message between one person and the bot."""
    return field(event, "channel_type") == "im" or field(event, "channel").startswith("D")


def in_thread(event: Event) -> bool:
    """Whether it is a reply in a thread, as against the message a thread begins with."""
    return field(event, "thread_ts") not in {"", field(event, "ts")}


def may_ask(message: Event, us: Identity) -> bool:
    """Whether a person wrote it, or a bot that is answered: not another bot or app, not Slack itself, not the bot."""
    if message.get("hidden") or field(message, "user") in {SLACKBOT, us.user}:
        return False
    return is_heard_bot(message, us) if is_bot(message) else bool(field(message, "user"))


def is_bot(message: Event) -> bool:
    """Whether a bot or an app wrote it."""
    return bool(field(message, "bot_id") or message.get("bot_profile"))


def is_heard_bot(message: Event, us: Identity) -> bool:
    """Whether one of the bots wrote it that are answered; never the bot itself."""
    if us.bot and field(message, "bot_id") == us.bot:
        return False
    return is_bot(message) and not us.answers.isdisjoint(field(message, name) for name in ("bot_id", "app_id", "user"))


def is_written(message: Event, us: Identity) -> bool:
    """Whether somebody who may ask said something with it: a person's message whose text may be edited."""
    return field(message, "subtype") in ORDINARY and may_ask(message, us) and is_time(field(message, "ts"))


def is_addressed(event: Event, us: Identity) -> bool:
    """Whether it is written to the bot itself: directly, or with a mention."""
    return is_direct(event) or field(event, "type") == "app_mention" or mentions(words_of(event), us.user)


def is_for_us(event: Event, us: Identity, *, follow_ups: FollowUps, takes_part: bool) -> bool:
    """Whether the bot answers this event.

    Args:
        event: a `message` or `app_mention` event.
        us: who the bot is.
        follow_ups: "all" answers messages without a mention in threads the bot takes part in; "mention" does not.
        takes_part: whether it takes part in the event's thread.
    """
    subtypes = ORDINARY | {"bot_message"} if is_heard_bot(event, us) else ORDINARY
    if field(event, "type") not in {"message", "app_mention"} or field(event, "subtype") not in subtypes:
        return False
    if not (field(event, "channel") and is_time(field(event, "ts")) and may_ask(event, us)):
        return False
    if is_addressed(event, us):
        return True
    return follow_ups == "all" and takes_part and in_thread(event) and not addresses_others(words_of(event), us.user)


def is_external(body: Event, us: Identity) -> bool:
    """Whether an event comes from another organisation, or from where such people read along (Slack Connect).

    The event and what it comes in decide. Where nothing in them says that it is of our own workspace, it is not.

    Args:
        body: what the event came in, as `payloads.typed` returns it.
        us: who the bot is.
    """
    event = body.get("event")
    said = event.get("message") if isinstance(event, Mapping) and isinstance(event.get("message"), Mapping) else event
    teams = {field(said, name) for name in ("user_team", "source_team", "team")} if isinstance(said, Mapping) else set()
    teams.discard("")
    shared = body.get("is_ext_shared_channel")
    if shared or teams - {us.team}:
        return True
    return not teams and shared is None and field(body, "team_id") != us.team


def is_ours(event: Event, us: Identity) -> bool:
    """Whether an event tells of a message of the bot's own, or of a change of one."""
    said = event.get("message") if isinstance(event.get("message"), Mapping) else event
    return isinstance(said, Mapping) and field(said, "user") == us.user


def opens_channel(event: Event, us: Identity) -> bool:
    """Whether the bot may write in the event's channel from now on: it was invited, or the channel is in use again."""
    what = field(event, "subtype") if field(event, "type") == "message" else field(event, "type")
    return what in UNARCHIVED or (what in JOINED and field(event, "user") == us.user)


def is_time(ts: str) -> bool:
    """Whether `ts` is a message's time as Slack writes it."""
    seconds, _, fraction = ts.partition(".")
    return seconds.isdecimal() and len(seconds) <= 12 and (not fraction or fraction.isdecimal())


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
    """The files sent along, and those of shared messages. Of one from another company only the id is known."""
    found = []
    for file in files_of(message):
        if field(file, "mode") != "tombstone":
            size = file.get("size")
            mime = field(file, "mimetype")[:LONGEST_NAME]
            name = wellformed(name_of(file)[:LONGEST_NAME])
            url = field(file, "url_private_download") or field(file, "url_private")
            found.append(Attachment(name, mime, size if isinstance(size, int) else 0, url[:LONGEST_URL]))
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


def calls_us_now(event: Event, us: Identity) -> bool:
    """Whether an edit adds the bot's mention: then it asks the bot as a new message would."""
    new, old = event.get("message"), event.get("previous_message")
    if is_direct(event) or not (isinstance(new, Mapping) and isinstance(old, Mapping)):
        return False
    return mentions(words_of(new), us.user) and not mentions(words_of(old), us.user)


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


def surely_concerns(event: Event, us: Identity) -> bool:
    """Whether an edit or a deletion concerns the bot wherever it stands: others do only in a thread it takes part in.

    So do those in direct messages, of its own messages, and of what mentions it, before the change or after. Slack
    always tells what there was before; where it does not, it may have been anything.
    """
    new, old = event.get("message"), event.get("previous_message")
    if is_direct(event) or not isinstance(old, Mapping):
        return True
    versions = (old, new) if isinstance(new, Mapping) else (old,)
    return any(field(it, "user") == us.user or mentions(words_of(it), us.user) for it in versions)


def _placed(message: Event, event: Event) -> Event:
    return {
        **message,
        "type": "message",
        "channel": field(event, "channel"),
        "channel_type": field(event, "channel_type"),
        "external": event.get("external") is True,
    }
