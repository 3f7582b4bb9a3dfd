"""The errors of Discord's REST API by their codes, as the stand-in words them. Knows nothing of what causes them."""

from __future__ import annotations

from typing import Any

MEANINGS: dict[int, tuple[int, str]] = {
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10011: (404, "Unknown Role"),
    10013: (404, "Unknown User"),
    10014: (404, "Unknown Emoji"),
    10062: (404, "Unknown interaction"),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later."),
    40001: (401, "Unauthorized. Provide a valid token and try again"),
    40005: (413, "Request entity too large. Try sending something smaller in size"),
    40060: (400, "Interaction has already been acknowledged."),
    50001: (403, "Missing Access"),
    50003: (403, "Cannot execute action on a DM channel"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50013: (403, "Missing Permissions"),
    50021: (403, "Cannot execute action on a system message"),
    50024: (400, "Cannot execute action on this channel type"),
    50027: (401, "Invalid Webhook Token"),
    50035: (400, "Invalid Form Body"),
    50068: (400, "Invalid message type"),
    50083: (400, "Thread is archived"),
    50109: (400, "The request body contains invalid JSON."),
    50278: (403, "Cannot send messages to this user due to having no mutual guilds"),
    160002: (403, "Cannot reply without permission to read message history"),
    160004: (400, "A thread has already been created for this message"),
    160005: (400, "Thread is locked"),
    160006: (400, "Maximum number of active threads has been reached"),
    200000: (400, "Message was blocked by automatic moderation"),
    240000: (400, "Message blocked by harmful links filter"),
}
"""HTTP status and wording of each code (Discord's documentation, "JSON Error Codes"). 30046 comes as a 429."""


class ApiError(Exception):
    """A call Discord refuses.

    Args:
        code: Discord's code; 0 for those that have none.
        status: HTTP status; None for the one that belongs to the code (400 when it is not known).
        message: the wording; None for the one that belongs to the code.
        errors: the nested `errors` object of 50035.
        retry_after: seconds, for a 429.
    """

    def __init__(
        self,
        code: int,
        *,
        status: int | None = None,
        message: str | None = None,
        errors: dict[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        usual_status, usual_message = MEANINGS.get(code, (400, "Invalid request"))
        super().__init__(message or usual_message)
        self.code = code
        self.status = usual_status if status is None else status
        self.errors = errors
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """The JSON object Discord answers with."""
        body: dict[str, Any] = {"message": str(self), "code": self.code}
        if self.errors is not None:
            body["errors"] = self.errors
        if self.retry_after is not None:
            body |= {"retry_after": self.retry_after, "global": False}
        return body


def form_error(field: str, code: str, message: str) -> ApiError:
    """A 50035 for one field; `field` is a dotted path such as `content` or `embeds.0.description`."""
    errors: dict[str, Any] = {"_errors": [{"code": code, "message": message}]}
    for name in reversed(field.split(".")):
        errors = {name: errors}
    return ApiError(50035, errors=errors)
