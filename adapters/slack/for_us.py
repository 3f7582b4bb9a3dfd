"""Decides which of Slack's events are for the bot. Pure: it knows payloads, no network and no store."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.slack.blocks import shown_by, words_of
from adapters.slack.fields import Event, Identity, field, in_thread, is_direct, is_time
from adapters.slack.markup import addresses_others, mentions
from bot.conversation import FollowUps

ORDINARY = frozenset({"", "file_share", "thread_broadcast", "me_message"})
"""Subtypes of `message` events that are a person saying something."""

SLACKBOT = "USLACKBOT"

JOINED = frozenset({"member_joined_channel", "channel_join", "group_join"})
UNARCHIVED = frozenset({"channel_unarchive", "group_unarchive"})
"""Types of events, and subtypes of messages, that say so. An app hears the latter without asking for more events."""


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
    """Whether somebody who may ask said something with it: a message whose text may be edited."""
    return field(message, "subtype") in ORDINARY and may_ask(message, us) and is_time(field(message, "ts"))


def is_addressed(event: Event, us: Identity) -> bool:
    """Whether it is written to the bot itself: directly, or with a mention."""
    if is_direct(event) or mentions(words_of(event), us.user):
        return True
    return field(event, "type") == "app_mention" and not mentions(shown_by(event), us.user)  # else it is quoted only


def calls_us_now(event: Event, us: Identity) -> bool:
    """Whether an edit adds the bot's mention: then it asks the bot as a new message would."""
    new, old = event.get("message"), event.get("previous_message")
    if is_direct(event) or not (isinstance(new, Mapping) and isinstance(old, Mapping)):
        return False
    return mentions(words_of(new), us.user) and not mentions(words_of(old), us.user)


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


def opens_channel(event: Event, us: Identity) -> bool:
    """Whether the bot may write in the event's channel from now on: it was invited, or the channel is in use again."""
    what = field(event, "subtype") if field(event, "type") == "message" else field(event, "type")
    return what in UNARCHIVED or (what in JOINED and field(event, "user") == us.user)
