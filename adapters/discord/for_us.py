"""Decides whether a Discord message is for the bot. Pure: it sees what is known of a message and touches nothing."""

from __future__ import annotations

from dataclasses import dataclass

from bot.conversation import FollowUps


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What is known of one message.

    Args:
        human: written by a person: no bot, no webhook, not Discord itself.
        ordinary: of type default or reply, as against a join, a pin, a thread's opening.
        direct: in a direct message.
        mentions_bot: mentions the bot or its own role; `@everyone` and `@here` do not count.
        replies_to_bot: is a reply to one of the bot's messages.
        in_thread: in a thread or a forum post.
        takes_part: the bot takes part in that thread.
        addresses_others: mentions other people, a role or everyone, or replies to somebody else's message.
    """

    human: bool = True
    ordinary: bool = True
    direct: bool = False
    mentions_bot: bool = False
    replies_to_bot: bool = False
    in_thread: bool = False
    takes_part: bool = False
    addresses_others: bool = False

    @property
    def addressed(self) -> bool:
        """Whether the bot itself is spoken to, as against a follow-up in a thread."""
        return self.direct or self.mentions_bot or self.replies_to_bot


def is_for_us(seen: Sighting, follow_ups: FollowUps) -> bool:
    """Whether the bot answers this message."""
    if not (seen.human and seen.ordinary):
        return False
    if seen.addressed:
        return True
    return follow_ups == "all" and seen.in_thread and seen.takes_part and not seen.addresses_others
