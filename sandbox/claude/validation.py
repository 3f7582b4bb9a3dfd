"""What the Messages API takes, what it refuses, and in which words. Pure: a parsed body in, an `ApiError` or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.claude.models import CatalogueModel

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a request, as the API documents it."""

STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""HTTP status by `error.type`."""

_REMOVED = ("temperature", "top_p", "top_k")
_KNOWN = {
    *("model", "messages", "max_tokens", "system", "stream", "stop_sequences", "metadata", "cache_control", "thinking"),
    *("output_config", "service_tier", "speed", "tools", "tool_choice", "container", "diagnostics", "inference_geo"),
}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_THINKING = ("enabled", "disabled", "adaptive", "between_tools")


class ApiError(Exception):
    """A request the API refuses: `error.type`, `error.message`, and headers that go along."""

    def __init__(self, type_: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.type = type_
        self.message = message
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status that belongs to the type."""
        return STATUS[self.type]


def _invalid(message: str) -> ApiError:
    return ApiError("invalid_request_error", message)


def text_of(content: Any) -> str:
    """The text of a message's or system prompt's content, whether it is a string or a list of blocks."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(str(block.get("text", "")) for block in blocks if isinstance(block, Mapping))


def check(body: Any, models: Mapping[str, CatalogueModel], *, counting: bool = False) -> CatalogueModel:
    """Return the model that is asked for.

    Args:
        body: the parsed JSON body.
        models: the models there are, by id and alias.
        counting: whether this is `count_tokens`, which takes no `max_tokens`.

    Raises:
        ApiError: the API would refuse the request.
    """
    if not isinstance(body, dict):
        raise _invalid("The request body is not valid JSON: expected an object")
    _no_surrogates(body)
    for name in _REMOVED:
        if name in body:
            raise _invalid(f"{name}: this parameter is no longer supported")
    for name in body:
        if name not in _KNOWN:
            raise _invalid(f"{name}: Extra inputs are not permitted")
    for name in ("model", "messages") if counting else ("model", "messages", "max_tokens"):
        if name not in body:
            raise _invalid(f"{name}: Field required")
    model = models.get(body["model"]) if isinstance(body["model"], str) else None
    if model is None or model.lifecycle == "retired":
        raise ApiError("not_found_error", f"model: {body['model']}")
    if not counting:
        _check_max_tokens(body["max_tokens"], model)
    _check_system(body.get("system"))
    _check_messages(body["messages"])
    _check_options(body)
    return model


def _no_surrogates(body: Any) -> None:
    pending = [body]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.keys())
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise _invalid("The request body is not valid JSON: no low surrogate in string") from error


def _check_max_tokens(value: Any, model: CatalogueModel) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid("max_tokens: Input should be a valid integer")
    if value < 1:
        raise _invalid("max_tokens: Input should be greater than or equal to 1")
    if value > model.max_tokens:
        raise _invalid(
            f"max_tokens: {value} > {model.max_tokens}, "
            f"which is the maximum allowed number of output tokens for {model.id}"
        )


def _check_system(system: Any) -> None:
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise _invalid("system: Input should be a valid string or list")
    for index, block in enumerate(system):
        if not isinstance(block, dict) or block.get("type") != "text" or not isinstance(block.get("text"), str):
            raise _invalid(f"system.{index}: Input should be a text block")
        if not block["text"]:
            raise _invalid("system: text content blocks must be non-empty")


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list):
        raise _invalid("messages: Input should be a valid list")
    if not messages:
        raise _invalid("messages: at least one message is required")
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise _invalid(f"messages.{index}: Input should be an object")
        if message.get("role") not in ("user", "assistant", "system"):
            raise _invalid(f"messages.{index}.role: Input should be 'user', 'assistant' or 'system'")
        if "content" not in message:
            raise _invalid(f"messages.{index}.content: Field required")
        _check_content(message["content"], index)
    if messages[0]["role"] != "user":
        raise _invalid('messages: first message must use the "user" role')
    if messages[-1]["role"] == "assistant":
        raise _invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )


def _check_content(content: Any, index: int) -> None:
    if isinstance(content, str):
        blocks: list[Any] = [{"type": "text", "text": content}] if content else []
    elif isinstance(content, list):
        blocks = content
    else:
        raise _invalid(f"messages.{index}.content: Input should be a valid string or list")
    if not blocks:
        raise _invalid(f"messages.{index}: all messages must have non-empty content")
    for number, block in enumerate(blocks):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise _invalid(f"messages.{index}.content.{number}.type: Field required")
        if block["type"] != "text":
            continue
        text = block.get("text")
        if not isinstance(text, str):
            raise _invalid(f"messages.{index}.content.{number}.text: Input should be a valid string")
        if not text:
            raise _invalid("messages: text content blocks must be non-empty")
        if not text.strip():
            raise _invalid("messages: text content blocks must contain non-whitespace text")


def _check_options(body: Mapping[str, Any]) -> None:
    if not isinstance(body.get("stream", False), bool):
        raise _invalid("stream: Input should be a valid boolean")
    cache = body.get("cache_control")
    if cache is not None and (
        not isinstance(cache, dict) or cache.get("type") != "ephemeral" or cache.get("ttl", "5m") not in ("5m", "1h")
    ):
        raise _invalid("cache_control: Input should be of type 'ephemeral' with a ttl of '5m' or '1h'")
    thinking = body.get("thinking")
    if thinking is not None and (not isinstance(thinking, dict) or thinking.get("type") not in _THINKING):
        raise _invalid(f"thinking.type: Input should be one of {', '.join(_THINKING)}")
    effort = (body.get("output_config") or {}).get("effort")
    if effort is not None and effort not in _EFFORTS:
        raise _invalid(f"output_config.effort: Input should be one of {', '.join(_EFFORTS)}")
