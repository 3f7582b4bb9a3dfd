"""Every error the bot raises on purpose.

    BotError
    ├── SettingsError           a value from the environment is wrong: one line, exit status 2
    ├── ModelError              Claude
    │   ├── Interrupted         the stream broke or never began: try again from scratch
    │   ├── Busy                overloaded or rate limited before any text: wait, then ask again
    │   └── Refused             the API will not take this request: no retry, `reason` is for people
    ├── PlatformError           Slack, Discord
    │   ├── RateLimited         the whole bucket rests for `retry_after`
    │   ├── Unavailable         the call surely had no effect (refused connection, 5xx before work): repeat it
    │   ├── OutcomeUnknown      the answer was lost: an edit may be repeated, a post must be looked for first
    │   │   └── Unforeseen      refused for a reason that nobody here knows: as if lost, but maybe for the text
    │   ├── MessageGone         a person deleted the message: it counts as a stop
    │   ├── MessageFrozen       the message can no longer be edited: go on in a new one
    │   ├── PlaceClosed         no way to write there (archived, removed, no permission): end quietly
    │   ├── TooLong             the text is over the limit: the dialect has been lowered, split again
    │   ├── ContentRefused      the platform will not take this content
    │   └── BadCredentials      token revoked or scope missing: `cure` names what to do
    └── StoreError              Redis
        ├── StoreUnavailable    no answer from the store; what was asked may or may not have happened
        └── LeaseLost           another worker holds this turn now: stop, never redo

`retry_after` is seconds from 0 to `LONGEST_PAUSE`, None when the other side named no time.
"""

from __future__ import annotations

import math

LONGEST_PAUSE = 300.0
"""Seconds that a platform or Claude can make us wait at most. Then it is asked again: a `Retry-After` of years, from a
proxy or a mistake, would silence a channel for good. Slack and Discord name at most a minute in their documents."""


def bounded(seconds: float | None) -> float | None:
    """Return how long to wait where another side said `seconds`; None for what is no time."""
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_PAUSE)


class BotError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: one sentence that names the thing and the cure; holds no secret.
        retry_after: seconds to wait before trying again, where the other side said so.
    """

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = bounded(retry_after)


class SettingsError(BotError):
    """A value from the environment is missing, malformed or not accepted by the service it is for."""


class ModelError(BotError):
    """Claude did not give a whole answer. `request_id` is the API's id, where one was sent."""

    def __init__(self, message: str = "", *, retry_after: float | None = None, request_id: str | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.request_id = request_id


class Interrupted(ModelError):
    """The stream broke, or ended without `message_stop`."""


class Busy(ModelError):
    """Overloaded or rate limited, and no text had arrived."""


class Refused(ModelError):
    """The API will not take the request. The message is a reason a person can act on."""


class PlatformError(BotError):
    """A platform call did not succeed."""


class RateLimited(PlatformError):
    """The platform refused the call for its rate; `retry_after` is always set.

    `bucket` names the one rate limit that was refused; empty when that is not known: all then rest.
    """

    def __init__(self, message: str = "", *, retry_after: float | None = None, bucket: str = "") -> None:
        super().__init__(message, retry_after=retry_after)
        self.bucket = bucket


class Unavailable(PlatformError):
    """The call surely had no effect and may be repeated."""


class OutcomeUnknown(PlatformError):
    """The call may have had its effect; the answer was lost."""


class Unforeseen(OutcomeUnknown):
    """The platform refused the call for a reason that nobody here knows: it may pass, or be about the text."""


class MessageGone(PlatformError):
    """The message was deleted by a person."""


class MessageFrozen(PlatformError):
    """The message exists but can no longer be edited."""


class PlaceClosed(PlatformError):
    """The bot cannot write there."""


class TooLong(PlatformError):
    """The platform refused the text for its length; the dialect there has a lower limit from now on."""


class ContentRefused(PlatformError):
    """The platform refused the content itself."""


class BadCredentials(PlatformError):
    """A token was revoked or lacks a scope; the message names which and what to do."""


class StoreError(BotError):
    """The store did not do what was asked."""


class StoreUnavailable(StoreError):
    """No answer from the store."""


class LeaseLost(StoreError):
    """The token is stale: another worker holds the turn."""
