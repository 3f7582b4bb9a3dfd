"""The models the stand-in knows: the answers of `GET /v1/models` and `GET /v1/models/{id}`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

_YES = {"supported": True}
_NO = {"supported": False}


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """One model, with the fields of the Models API that matter here.

    Args:
        id: its identifier.
        display_name: its name for people.
        line: "haiku", "sonnet", "opus", "fable" or "mythos".
        created_at: its release.
        max_tokens: the largest `max_tokens` it takes.
        max_input_tokens: its context window, in tokens.
        lifecycle: "active", "deprecated" or "retired".
        deprecated_at: when it was deprecated; None while it is active.
        retires_at: when it will be retired; None while that is not planned.
        aliases: other names it answers to.
    """

    id: str
    display_name: str
    line: str
    created_at: datetime
    max_tokens: int = 128_000
    max_input_tokens: int = 1_000_000
    lifecycle: Literal["active", "deprecated", "retired"] = "active"
    deprecated_at: datetime | None = None
    retires_at: datetime | None = None
    aliases: tuple[str, ...] = ()

    def info(self) -> dict[str, Any]:
        """The model as the Models API words it."""
        return {
            "type": "model",
            "id": self.id,
            "display_name": self.display_name,
            "line": self.line,
            "created_at": _rfc3339(self.created_at),
            "lifecycle": self.lifecycle,
            "deprecated_at": _rfc3339(self.deprecated_at),
            "retires_at": _rfc3339(self.retires_at),
            "max_tokens": self.max_tokens,
            "max_input_tokens": self.max_input_tokens,
            "capabilities": {
                "batch": _YES,
                "citations": _YES,
                "code_execution": _YES,
                "context_management": {
                    **_YES,
                    "clear_thinking_20251015": _YES,
                    "clear_tool_uses_20250919": _YES,
                    "compact_20260112": _YES,
                },
                "effort": {**_YES, "low": _YES, "medium": _YES, "high": _YES, "xhigh": _YES, "max": _YES},
                "image_input": _YES,
                "pdf_input": _YES,
                "server_tools": {**_YES, "code_execution": _YES, "web_search": _YES},
                "structured_outputs": _YES,
                "thinking": {
                    **_YES,
                    "types": {"adaptive": _YES, "between_tools": _YES, "disabled": _YES, "enabled": _NO},
                },
            },
        }


def _rfc3339(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


MODELS = (
    CatalogueModel("claude-fable-5-2", "Claude Fable 5.2", "fable", datetime(2026, 10, 6, tzinfo=UTC)),
    CatalogueModel("claude-mythos-5-2", "Claude Mythos 5.2", "mythos", datetime(2026, 10, 6, tzinfo=UTC)),
    CatalogueModel("claude-opus-5-5", "Claude Opus 5.5", "opus", datetime(2026, 9, 15, tzinfo=UTC)),
    CatalogueModel("claude-sonnet-5-5", "Claude Sonnet 5.5", "sonnet", datetime(2026, 9, 29, tzinfo=UTC)),
    CatalogueModel(
        "claude-haiku-5-5", "Claude Haiku 5.5", "haiku", datetime(2026, 9, 29, tzinfo=UTC), max_tokens=64_000
    ),
    CatalogueModel(
        "claude-sonnet-4-5-20250929",
        "Claude Sonnet 4.5",
        "sonnet",
        datetime(2025, 9, 29, tzinfo=UTC),
        max_tokens=64_000,
        max_input_tokens=200_000,
        lifecycle="deprecated",
        deprecated_at=datetime(2026, 5, 30, tzinfo=UTC),
        retires_at=datetime(2026, 11, 30, tzinfo=UTC),
        aliases=("claude-sonnet-4-5",),
    ),
)
"""Newest first, as the API lists them. Release dates other than those in the identifiers are made up."""
