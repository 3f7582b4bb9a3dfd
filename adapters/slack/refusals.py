"""What Slack's answers mean to the bot: every error code and HTTP status becomes one of `bot.errors`. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bot.errors import (
    BadCredentials,
    ContentRefused,
    MessageFrozen,
    MessageGone,
    OutcomeUnknown,
    PlaceClosed,
    PlatformError,
    RateLimited,
    TooLong,
    Unavailable,
    Unforeseen,
)

LIMITED = frozenset({"ratelimited", "rate_limited"})
"""Codes that mean a 429, whatever the HTTP status: some methods answer 200 with them."""

TEXT_TOO_LONG = frozenset({"msg_too_long", "msg_blocks_too_long"})
BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format"})

UNNAMED_PAUSE = 5.0
"""Seconds to rest after a refusal for rate that names no time."""


class ChannelClosed(PlaceClosed):
    """Nothing can be written anywhere in that channel, until somebody opens it for the bot."""


class NoChannel(ChannelClosed):
    """There is no such channel, as far as the bot can see."""


MEANING: dict[str, type[PlatformError]] = {
    # a person removed the message
    "message_not_found": MessageGone,
    # the message is there but can no longer be changed
    "cant_update_message": MessageFrozen,
    "edit_window_closed": MessageFrozen,
    "cant_delete_message": MessageFrozen,
    "compliance_exports_prevent_deletion": MessageFrozen,
    # no way to write there
    "cannot_dm_bot": PlaceClosed,
    "cannot_reply_to_message": PlaceClosed,
    "channel_not_found": NoChannel,
    "ekm_access_denied": PlaceClosed,
    "is_archived": ChannelClosed,
    "invalid_thread_ts": PlaceClosed,
    "is_inactive": PlaceClosed,
    "messages_tab_disabled": PlaceClosed,
    "no_permission": PlaceClosed,
    "not_in_channel": ChannelClosed,
    "restricted_action": PlaceClosed,
    "restricted_action_non_threadable_channel": PlaceClosed,
    "restricted_action_read_only_channel": PlaceClosed,
    "restricted_action_thread_locked": PlaceClosed,
    "restricted_action_thread_only_channel": PlaceClosed,
    "team_access_not_granted": PlaceClosed,
    "team_not_found": PlaceClosed,
    "thread_not_found": PlaceClosed,
    "user_disabled": PlaceClosed,
    # the token
    "access_denied": BadCredentials,
    "account_inactive": BadCredentials,
    "invalid_auth": BadCredentials,
    "missing_scope": BadCredentials,
    "not_allowed_token_type": BadCredentials,
    "not_authed": BadCredentials,
    "org_login_required": BadCredentials,
    "token_expired": BadCredentials,
    "token_revoked": BadCredentials,
    # the text
    "msg_blocks_too_long": TooLong,
    "msg_too_long": TooLong,
    "invalid_blocks": ContentRefused,
    "invalid_blocks_format": ContentRefused,
    "no_text": ContentRefused,
    # Slack itself; of `fatal_error` and `internal_error` it says that parts of the call may have succeeded
    "external_channel_migrating": Unavailable,
    "request_timeout": Unavailable,
    "service_unavailable": Unavailable,
    "team_added_to_org": Unavailable,
    "fatal_error": OutcomeUnknown,
    "internal_error": OutcomeUnknown,
}
"""Slack's error codes, as its method reference words them."""

UNKNOWN: dict[str, type[PlatformError]] = {
    "chat.update": MessageFrozen,
    "chat.delete": MessageFrozen,
    "chat.postMessage": Unforeseen,
    "conversations.history": OutcomeUnknown,
    "conversations.replies": OutcomeUnknown,
}
"""What a refusal that nobody foresaw comes to. Where a message stands already, the core goes on beside it; a post is
looked for and tried again, since a reader waits for it; what could not be read may be there. Of any other method it is
final, a plain PlatformError."""

OPEN = "apps.connections.open"
"""The one call with an app-level token, whose scopes are mended elsewhere."""

CURES = {
    "missing_scope": "add it under OAuth & Permissions and install the app again",
    "not_allowed_token_type": "it is a token of another kind: bot tokens begin with xoxb-, app-level ones with xapp-",
}


def refusal(method: str, status: int, body: object, headers: Mapping[str, str]) -> PlatformError:
    """Return the error for an answer that is not a success.

    Args:
        method: the Web API method that was called.
        status: HTTP status.
        body: the decoded JSON; anything but an object means that Slack itself did not answer.
        headers: the answer's headers.
    """
    unknown = UNKNOWN.get(method, PlatformError)
    data: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    error = data.get("error")
    code = error if isinstance(error, str) else ""
    rest = _retry_after(headers)
    if status == 429 or code in LIMITED:
        return RateLimited(f"Slack limits {method}", retry_after=UNNAMED_PAUSE if rest is None else rest)
    if code and (code in MEANING or status < 500):
        return MEANING.get(code, unknown)(_sentence(method, code, data), retry_after=rest)
    if status >= 500:
        return OutcomeUnknown(f"{method}: Slack answered HTTP {status}", retry_after=rest)
    if status < 400:
        return OutcomeUnknown(f"{method}: the answer is not one of Slack's (HTTP {status})")
    lost = OutcomeUnknown if issubclass(unknown, OutcomeUnknown) else unknown  # nobody has looked at the text
    return lost(f"{method}: HTTP {status} from something that is not Slack's API", retry_after=rest)


def _sentence(method: str, code: str, data: Mapping[str, Any]) -> str:
    words = [f"Slack refused {method}: {code[:80]}"]
    if code == "missing_scope" and data.get("needed"):
        words.append(f" (the token lacks {str(data['needed'])[:200]})")
    if code in CURES and method != OPEN:
        words.append(f"; {CURES[code]}")
    metadata = data.get("response_metadata")
    messages = metadata.get("messages") if isinstance(metadata, Mapping) else None
    if isinstance(messages, list) and messages:
        words.append(f": {'; '.join(str(message) for message in messages)[:200]}")
    return "".join(words)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
