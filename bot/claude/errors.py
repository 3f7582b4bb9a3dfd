"""Which failure of the Claude API is whose: interrupted, busy or refused, and the sentence that goes with it. Pure.

A status that leaves no doubt decides, else the type in the error's body, which is all there is inside a stream (where
the status is 200). What is not in the tables is refused for 4xx and interrupted otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.backoff import seconds_named
from bot.errors import Busy, Interrupted, ModelError, Refused

BY_TYPE: dict[str, type[ModelError]] = {
    "overloaded_error": Busy,
    "rate_limit_error": Busy,
    "api_error": Interrupted,
    "timeout_error": Interrupted,
    "conflict_error": Interrupted,
    "invalid_request_error": Refused,
    "authentication_error": Refused,
    "billing_error": Refused,
    "permission_error": Refused,
    "not_found_error": Refused,
    "request_too_large": Refused,
}
BY_STATUS: dict[int, type[ModelError]] = {
    408: Interrupted,
    409: Interrupted,
    425: Busy,
    429: Busy,
    503: Busy,
    529: Busy,
}
BY_CODE: dict[str, type[ModelError]] = {
    "contract_spend_limit_reached": Refused,  # these come as rate_limit_error, and waiting does not help
    "enforced_spend_limit_reached": Refused,
}

_TYPE_OF_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}

_SENTENCES: dict[str, str] = {
    "overloaded_error": "Claude is overloaded right now.",
    "rate_limit_error": "Claude's rate limit is reached for now.",
    "api_error": "Claude's service had an internal error.",
    "timeout_error": "Claude's service took too long.",
    "authentication_error": "Claude did not accept the API key: whoever runs this bot must check ANTHROPIC_API_KEY.",
    "billing_error": "The Claude account behind this bot has a billing problem: whoever runs it must check its credit.",
    "permission_error": "The API key of this bot may not do this: whoever runs it must check the key's permissions.",
    "not_found_error": "Claude does not know what was asked for: whoever runs this bot must check CLAUDE_MODEL.",
    "request_too_large": "This conversation is too large for Claude: send less, or say *reset* to start a new one.",
    "invalid_request_error": "Claude did not accept this request.",
}
_TOO_LONG = "This conversation is too long for Claude: say *reset* to start a new one, or ask with less text."
_SPEND_LIMIT = "The Claude account behind this bot has reached its spend limit: whoever runs it can raise it."

_QUOTED = 200  # characters of the API's own words in a sentence of ours


@dataclass(frozen=True, slots=True)
class ApiFailure:
    """An error as the API told it.

    Args:
        status: the HTTP status; 200 for an error inside a stream.
        type: `error.type`; empty when the body was not the API's.
        message: `error.message`, likewise.
        code: `error.details.error_code`, where there is one.
        headers: of the response, with lower-case names.
        request_id: the API's id of the request, if it said one.
    """

    status: int
    type: str = ""
    message: str = ""
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None


def to_model_error(failure: ApiFailure, *, shown: bool, secret: str) -> ModelError:
    """Return the one error of ours that this failure is.

    Args:
        failure: what the API said.
        shown: whether text had arrived already: what would be Busy is Interrupted then.
        secret: the API key, which is struck out should the API quote it.
    """
    kind = BY_CODE.get(failure.code) or BY_STATUS.get(failure.status) or BY_TYPE.get(failure.type)
    if kind is None:
        kind = Refused if 400 <= failure.status < 500 else Interrupted
    should_retry = failure.headers.get("x-should-retry")
    if should_retry == "false":
        kind = Refused
    elif should_retry == "true" and kind is Refused:
        kind = Busy
    if kind is Busy and shown:
        kind = Interrupted
    retry_after = None if kind is Refused else parse_retry_after(failure.headers)
    return kind(_sentence(failure, kind, secret), retry_after=retry_after, request_id=failure.request_id)


def _sentence(failure: ApiFailure, kind: type[ModelError], secret: str) -> str:
    if failure.code in BY_CODE:
        return _SPEND_LIMIT
    type_ = failure.type or _TYPE_OF_STATUS.get(failure.status, "")
    if type_ == "invalid_request_error" and "too long" in failure.message:
        return _TOO_LONG
    sentence = _SENTENCES.get(type_)
    if sentence is None:
        where = f"answered with status {failure.status}" if failure.status != 200 else f"reported {type_ or 'an error'}"
        sentence = f"Claude's service {where}."
    elif type_ == "invalid_request_error" and failure.message:
        sentence = f"{sentence[:-1]}: {_quote(failure.message, secret)}"
    if kind is Refused and failure.headers.get("x-should-retry") == "false":
        sentence = f"{sentence} It asked not to be tried again."
    return sentence


def _quote(message: str, secret: str) -> str:
    words = " ".join(message.split())
    if secret:
        words = words.replace(secret, "[secret]")
    return words if len(words) <= _QUOTED else words[: _QUOTED - 1] + "…"


def parse_retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds that `retry-after-ms` or `retry-after` (seconds or a date) name; None for none.

    Args:
        headers: of the response, with lower-case names.
        now: Unix seconds that a date is counted from; the system's clock when None.
    """
    seconds = seconds_named(headers.get("retry-after-ms"), unit=0.001)
    return seconds_named(headers.get("retry-after"), now=now) if seconds is None else seconds
