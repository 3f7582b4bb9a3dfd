"""Finds out before anything is answered whether the tokens are good and what the app may not do, and says the cure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from adapters.slack.calls import SLACK_API_URL, Answer, Api
from adapters.slack.fields import Identity
from adapters.slack.refusals import OPEN
from bot.errors import BadCredentials, OutcomeUnknown, PlatformError, RateLimited, SettingsError, Unavailable

log = logging.getLogger(__name__)

APPS = "https://api.slack.com/apps"

REQUIRED: Mapping[str, str] = {
    "chat:write": "it cannot answer",
    "app_mentions:read": "it does not hear when it is mentioned",
}
OPTIONAL: Mapping[str, str] = {
    "channels:history": "in public channels it hears nothing but mentions and cannot read the thread it is called into",
    "groups:history": "in private channels it hears nothing but mentions and cannot read the thread it is called into",
    "im:history": "it does not hear direct messages",
    "mpim:history": "in group messages it hears nothing but mentions",
    "channels:read": "it does not read what was written in public channels while it was away",
    "groups:read": "it does not read what was written in private channels while it was away",
    "im:read": "it does not read the first direct message of somebody new that was written while it was away",
    "mpim:read": "it does not read what was written in group messages while it was away",
    "users:read": "it knows people by their ids, not by their names",
    "files:read": "it may not learn the names of files sent along",
}
"""What is lost without each scope."""

TRIES = 3
PAUSE, LONGEST_PAUSE = 0.3, 20.0
"""How often Slack is asked at the start; seconds in between where it names none, and at most."""


def check_form(bot_token: str) -> None:
    """Raise SettingsError for a bot token that cannot be one."""
    if not bot_token.startswith(("xoxb-", "xoxe.xoxb-")) or not _is_word(bot_token):
        raise SettingsError(
            f"SLACK_BOT_TOKEN is not a bot token ({_kind(bot_token)}): it begins with xoxb- and stands on {APPS} under "
            "OAuth & Permissions, Bot User OAuth Token"
        )


def check_way_in(app_token: str | None, signing_secret: str | None) -> None:
    """Raise SettingsError for an app-level token that cannot be one, or where no way for events is configured."""
    if app_token is not None and (not app_token.startswith("xapp-") or not _is_word(app_token)):
        raise SettingsError(
            f"SLACK_APP_TOKEN is not an app-level token ({_kind(app_token)}): it begins with xapp- and is made "
            f"on {APPS} under Basic Information, App-Level Tokens, with the scope connections:write"
        )
    if app_token is None and signing_secret is None:
        raise SettingsError(
            "SLACK_APP_TOKEN: set it for Socket Mode (App-Level Tokens, scope connections:write), or set "
            f"SLACK_SIGNING_SECRET for events over HTTP; both stand on {APPS} under Basic Information"
        )


def _is_word(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token


def _kind(token: str) -> str:
    """What a wrong token looks like, without telling it."""
    kinds = {"xoxb-": "a bot token", "xapp-": "an app-level token", "xoxp-": "a user token", "xoxe": "a refresh token"}
    kinds |= {"xoxc-": "a browser's token", "xoxd-": "a browser's cookie"}
    for beginning, kind in kinds.items():
        if token.startswith(beginning):
            return kind if _is_word(token) else f"{kind} with characters that belong to no token"
    return "empty" if not token else "of no known form"


async def identify(api: Api) -> tuple[Identity, frozenset[str] | None]:
    """Ask Slack whose token this is.

    Returns:
        Who the bot is, and the scopes it has; None where Slack does not tell.

    Raises:
        SettingsError: the token is not accepted, or the API cannot be reached in `TRIES` tries.
    """
    try:
        answer = await _patiently(api)
    except BadCredentials as error:
        raise SettingsError(
            f"SLACK_BOT_TOKEN is not accepted by Slack ({error}): install the app again and copy the token "
            f"from {APPS}, OAuth & Permissions"
        ) from error
    except PlatformError as error:
        raise SettingsError(f"Slack's API cannot be used at {_place(api)}: {error}") from error
    team, user = answer.text("team_id"), answer.text("user_id")
    if not team or not user:
        raise SettingsError(f"what answers at {_place(api)} is not Slack's API: auth.test names no team and user")
    granted = next((value for name, value in answer.headers.items() if name.lower() == "x-oauth-scopes"), None)
    scopes = None if granted is None else frozenset(scope.strip() for scope in granted.split(",") if scope.strip())
    return Identity(team, user, answer.text("bot_id"), answer.text("user")), scopes


def _place(api: Api) -> str:
    return "slack.com" if api.base_url == SLACK_API_URL else f"{api.address} (SLACK_API_URL)"


async def _patiently(api: Api) -> Answer:
    for remaining in reversed(range(TRIES)):
        try:
            return await api.call("auth.test")
        except (RateLimited, Unavailable, OutcomeUnknown) as error:
            if not remaining:
                raise
            log.warning("Slack does not answer yet, asking again", extra={"error": str(error)})
            await asyncio.sleep(min(error.retry_after or PAUSE, LONGEST_PAUSE))
    raise AssertionError("unreachable")


def check_scopes(scopes: frozenset[str] | None) -> list[str]:
    """Return a warning for each feature lost to a missing scope; raises SettingsError where nothing is left."""
    if scopes is None:
        return []
    if missing := [scope for scope in REQUIRED if scope not in scopes]:
        losses = "; ".join(f"{scope} ({REQUIRED[scope]})" for scope in missing)
        raise SettingsError(
            f"SLACK_BOT_TOKEN lacks {losses}: add it on {APPS} under OAuth & Permissions and install the app again"
        )
    return [f"the Slack app lacks the scope {scope}: {loss}" for scope, loss in OPTIONAL.items() if scope not in scopes]


async def check_app_token(api: Api, app_token: str) -> None:
    """Raise SettingsError when the app-level token opens no connection; a passing trouble is no error."""
    try:
        await api.call(OPEN, token=app_token)
    except (RateLimited, Unavailable, OutcomeUnknown) as error:
        log.warning("the app-level token could not be tried now", extra={"error": str(error)})
    except PlatformError as error:
        raise app_token_refused(error) from error


def app_token_refused(error: PlatformError) -> SettingsError:
    """The sentence for an app-level token that opens no connection."""
    return SettingsError(
        f"SLACK_APP_TOKEN opens no connection ({error}): it is made on {APPS} under Basic Information, "
        "App-Level Tokens, with the scope connections:write, and Socket Mode must be on"
    )
