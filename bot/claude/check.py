"""What the configured models being as they are means for whoever runs the bot: a warning, or a wrong setting. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.claude.errors import ApiFailure
from bot.errors import SettingsError

KEYS_PAGE = "https://platform.claude.com/settings/keys"
RETIRES_SOON = timedelta(days=60)

_LISTED = 8  # models named in a sentence


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the Models API tells of a model; None where it does not."""

    retired: bool
    retires_at: datetime | None
    max_tokens: int | None


def check_key(key: str) -> None:
    """Raise SettingsError for a key that cannot be one."""
    if not key or not (key.isascii() and key.isprintable() and " " not in key):
        raise SettingsError(
            f"ANTHROPIC_API_KEY is empty or holds characters no key has: copy the key again from {KEYS_PAGE}."
        )


def judge(variable: str, model: str, facts: ModelFacts, *, max_tokens: int, now: datetime) -> list[str]:
    """Return warnings about the model that `variable` names.

    Raises:
        SettingsError: it is retired, or `max_tokens` is above what it takes.
    """
    if facts.retired:
        raise SettingsError(f"{variable} is {model}, which is retired: set it to a current model.")
    if facts.max_tokens is not None and 0 < facts.max_tokens < max_tokens:
        raise SettingsError(
            f"CLAUDE_MAX_TOKENS is {max_tokens}, but {model} ({variable}) takes at most {facts.max_tokens}: lower it."
        )
    retires = facts.retires_at
    if retires is not None and retires.tzinfo is None:
        retires = retires.replace(tzinfo=UTC)
    if retires is not None and retires - now <= RETIRES_SOON:
        return [f"{variable} is {model}, which retires on {retires:%Y-%m-%d}: set it to a newer model before then."]
    return []


def judge_failure(variable: str, model: str, failure: ApiFailure, known: Sequence[str]) -> str:
    """Return the warning for a model that could not be looked up, as the API answered `failure`.

    `known` are models the API lists. A 404 that neither names the model nor stands beside such a list says that the
    service has no look-up of models; it may well answer messages.

    Raises:
        SettingsError: the model does not exist.
    """
    if failure.type == "not_found_error" and (known or model in failure.message):
        some = ", ".join(known[:_LISTED])
        cure = f"set it to one of {some}" if some else "set it to a model that exists"
        raise SettingsError(f"{variable} is {model}, which the Claude API does not know: {cure}.")
    return f"{variable} ({model}) could not be checked: the Claude API answered with status {failure.status}."


NO_LOOK_UP = "The Claude API at {host} answers questions but tells nothing about models (status {status}): not checked."


def is_about_key(failure: ApiFailure) -> bool:
    """Return whether a failure says that the key is wrong, or may not do this."""
    return failure.status in (401, 403) or failure.type in ("authentication_error", "permission_error")


def refusal_of(failure: ApiFailure, model: str, sentence: str) -> SettingsError:
    """Return the error for an API that refuses questions as they are sent.

    Args:
        failure: what it said.
        model: the model that was asked.
        sentence: the same as a sentence.
    """
    if failure.status == 401 or failure.type == "authentication_error":
        return SettingsError(f"ANTHROPIC_API_KEY was refused by the Claude API: copy a valid key from {KEYS_PAGE}.")
    if failure.type == "permission_error":
        return SettingsError(
            f"ANTHROPIC_API_KEY has no permission to use {model}: check the key's workspace on {KEYS_PAGE}."
        )
    return SettingsError(f"The Claude API refuses the bot's questions to {model} (CLAUDE_MODEL): {sentence}")
