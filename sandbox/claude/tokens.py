"""Tokens counted roughly, and a prompt cache pretended: prefixes of earlier requests are read back for a while."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sandbox.claude.validation import text_of

MIN_CACHED = 1024
"""Tokens of the shortest prefix the API caches; it is more on some models."""

_OVERHEAD = 3  # tokens around every message


def count(text: str) -> int:
    """About how many tokens `text` has: four bytes of UTF-8 each."""
    return (len(text.encode("utf-8", "replace")) + 3) // 4


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Tokens of a request's system prompt and messages."""
    system = text_of(body.get("system") or "")
    return (count(system) + _OVERHEAD if system else 0) + sum(
        count(text_of(message["content"])) + _OVERHEAD for message in body["messages"]
    )


class PromptCache:
    """Which prefixes were sent before. The clock is passed in, as seconds."""

    def __init__(self, minimum: int = MIN_CACHED) -> None:
        self._minimum = minimum
        self._until: dict[bytes, float] = {}

    def usage(self, body: Mapping[str, Any], now: float) -> dict[str, Any]:
        """The input side of `usage` for a request at `now`; with `cache_control` its prefix is kept from then on."""
        total = prompt_tokens(body)
        control = body.get("cache_control")
        if control is None or total < self._minimum:
            return _usage(total, 0, 0, hour=False)
        lasts = 3600.0 if control.get("ttl") == "1h" else 300.0
        read = 0
        for digest, tokens in self._prefixes(body):
            if self._until.get(digest, 0.0) > now:
                read = tokens
                self._until[digest] = max(self._until[digest], now + lasts)
            elif tokens == total:
                self._until[digest] = now + lasts
        return _usage(0, total - read, read, hour=lasts > 300)

    def _prefixes(self, body: Mapping[str, Any]) -> list[tuple[bytes, int]]:
        digest = hashlib.sha256(json.dumps([body["model"], body.get("system")]).encode())
        tokens = prompt_tokens({"system": body.get("system"), "messages": []})
        prefixes = []
        for message in body["messages"]:
            digest.update(json.dumps([message["role"], message["content"]]).encode())
            tokens += count(text_of(message["content"])) + _OVERHEAD
            if tokens >= self._minimum:
                prefixes.append((digest.digest(), tokens))
        return prefixes


def _usage(plain: int, written: int, read: int, *, hour: bool) -> dict[str, Any]:
    return {
        "input_tokens": plain,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 0 if hour else written,
            "ephemeral_1h_input_tokens": written if hour else 0,
        },
    }
