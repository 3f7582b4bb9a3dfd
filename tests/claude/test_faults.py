"""Every way in which an answer can go wrong, and the one thing that it must end as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from bot.claude.client import Claude
from bot.conversation import Finished, StopReason
from bot.errors import LONGEST_PAUSE, Busy, Interrupted, Refused
from sandbox.claude import CATALOGUE, ClaudeServer
from tests.claude.harness import listen

TEXT = "Überall 🧑‍🚀 stehen Leute an, und **nichts** bewegt sich. 日本語も。 " * 3
AT = 40  # a multiple of the four characters of a delta


@dataclass(frozen=True)
class Row:
    """A fault, when it strikes, and what must come of it. `shown`: characters; None for all of TEXT."""

    fault: str
    ends: type
    shown: int | None = 0
    at: int = 0
    retry_after: float | None = None
    says: str = ""


BEFORE = [
    Row("bad_request", Refused, says="did not accept this request: messages.0: something"),
    Row("too_long", Refused, says="*reset*"),
    Row("bad_key", Refused, says="ANTHROPIC_API_KEY"),
    Row("no_credit", Refused, says="credit"),
    Row("forbidden", Refused, says="permissions"),
    Row("unknown_model", Refused, says="CLAUDE_MODEL"),
    Row("too_large", Refused, says="too large"),
    Row("rate_limited", Busy, retry_after=1.0),
    Row("rate_limited_for_hours", Busy, retry_after=LONGEST_PAUSE),
    Row("spend_limit", Refused, says="spend limit"),
    Row("server_error", Interrupted),
    Row("server_error_final", Refused, says="not to be tried again"),
    Row("conflict_retry", Interrupted),
    Row("unavailable", Busy),
    Row("gateway_timeout", Interrupted),
    Row("overloaded", Busy),
    Row("bad_gateway_html", Interrupted, says="status 502"),
    Row("no_answer", Interrupted),
    Row("reset_early", Interrupted),
    Row("slow_headers", Interrupted, says="in time"),
    Row("empty_200", Interrupted, says="ended before it was whole"),
    Row("html_200", Interrupted, says="ended before it was whole"),
]
WITHIN = [
    row
    for fault, ends in {
        "overloaded_event": (Busy, Interrupted),
        "api_error_event": (Interrupted, Interrupted),
        "rate_limit_event": (Busy, Interrupted),
        "invalid_request_event": (Refused, Refused),
        "end": (Interrupted, Interrupted),
        "cut": (Interrupted, Interrupted),
        "drop": (Interrupted, Interrupted),
        "reset": (Interrupted, Interrupted),
        "silence": (Interrupted, Interrupted),
        "pings": (Interrupted, Interrupted),
        "bad_json": (Interrupted, Interrupted),
        "bad_utf8": (Interrupted, Interrupted),
        "bad_event": (Interrupted, Interrupted),
        "bad_chunk": (Interrupted, Interrupted),
    }.items()
    for row in (Row(fault, ends[0]), Row(fault, ends[1], shown=AT, at=AT), Row(fault, ends[1], shown=None, at=10**6))
]
HARMLESS = [
    Row("unknown_events", Finished, shown=None),
    Row("unknown_events", Finished, shown=None, at=AT),
    Row("drop_after_stop", Finished, shown=None),
    Row("reset_after_stop", Finished, shown=None),
    Row("linger_after_stop", Finished, shown=None),
]
TABLE = [*BEFORE, *WITHIN, *HARMLESS]


def _name(row: Row) -> str:
    return f"{row.fault}@{row.at}"


@pytest.mark.parametrize("row", TABLE, ids=_name)
async def test_a_fault_ends_as_one_thing(row: Row, server: ClaudeServer, make: Callable[..., Claude]) -> None:
    """Each fault ends as exactly one of finished, interrupted, busy and refused, with the text that had arrived."""
    patient = row.fault not in ("slow_headers", "silence", "pings", "bad_chunk")
    claude = make(read_timeout=5.0, watchdog=5.0) if patient else make(read_timeout=0.2, watchdog=0.4)
    server.fault(row.fault, text=TEXT, at=row.at)

    shown, end = await listen(claude)

    assert type(end) is row.ends
    assert shown == (TEXT if row.shown is None else TEXT[: row.shown])
    if isinstance(end, Finished):
        assert end.text == TEXT
    else:
        assert end.retry_after == row.retry_after
        assert row.says in str(end)
        assert "<" not in str(end)
        assert server.api_key not in str(end)
    if row.fault not in ("no_answer", "reset_early", "slow_headers"):
        assert end.request_id == next(server.journal.of("claude", "call"))["request_id"]


def test_the_table_is_complete() -> None:
    """No fault that the stand-in can do is missing from the table."""
    assert {row.fault for row in TABLE} == set(CATALOGUE)


async def test_the_next_request_is_well_after_any_fault(server: ClaudeServer, claude: Claude) -> None:
    """No fault leaves the client in a state that spoils the next answer."""
    endless = ("slow_headers", "silence", "pings", "bad_chunk")
    for fault in [fault for fault in CATALOGUE if fault not in endless]:
        server.fault(fault, text=TEXT, at=AT)
        server.answer("well")
        await listen(claude)
        shown, end = await listen(claude)
        assert (shown, type(end)) == ("well", Finished), fault


async def test_a_refused_connection_is_interrupted(server: ClaudeServer, claude: Claude) -> None:
    """A port on which nobody listens is an interruption that says so, and the next try can succeed."""
    async with server.refusing():
        shown, end = await listen(claude)
        assert (shown, type(end)) == ("", Interrupted)
        assert "No connection to 127.0.0.1" in str(end)
    server.answer("back")
    assert (await listen(claude))[0] == "back"


@pytest.mark.parametrize(
    ("reason", "stop", "detail"),
    [
        ("end_turn", StopReason.END_TURN, ""),
        ("max_tokens", StopReason.MAX_TOKENS, ""),
        ("stop_sequence", StopReason.STOP_SEQUENCE, ""),
        ("tool_use", StopReason.TOOL_USE, ""),
        ("pause_turn", StopReason.PAUSE_TURN, ""),
        ("refusal", StopReason.REFUSAL, "cyber"),
        ("model_context_window_exceeded", StopReason.CONTEXT_EXCEEDED, ""),
        ("bored", StopReason.END_TURN, "bored"),
    ],
)
async def test_stop_reasons(reason: str, stop: StopReason, detail: str, server: ClaudeServer, claude: Claude) -> None:
    """Every stop reason is told apart, and one nobody knows is an end of the turn with its name kept."""
    server.answer(TEXT, stop_reason=reason, category="cyber" if reason == "refusal" else "")
    _, end = await listen(claude)
    assert isinstance(end, Finished)
    assert (end.stop, end.detail, end.text) == (stop, detail, TEXT)


@pytest.mark.parametrize("text", ["", " \n"])
async def test_an_end_without_text_is_a_broken_attempt(text: str, server: ClaudeServer, claude: Claude) -> None:
    """`message_stop` with `end_turn` and no text at all is interrupted."""
    server.answer(text)
    assert type((await listen(claude))[1]) is Interrupted


@pytest.mark.parametrize("reason", ["refusal", "max_tokens", "tool_use"])
async def test_other_ends_without_text_are_ends(reason: str, server: ClaudeServer, claude: Claude) -> None:
    """A refusal, or an answer that spent its tokens on thinking, is finished even without text."""
    server.answer("", stop_reason=reason)
    _, end = await listen(claude)
    assert isinstance(end, Finished)
    assert (end.text, end.stop, end.first_token) == ("", StopReason(reason), None)


HARMLESS_FORMS: dict[str, dict[str, Any]] = {
    "split inside characters": {"split": True, "chunk": 3},
    "several blocks": {"blocks": 3},
    "one delta": {"chunk": 0},
    "thinking shown": {"thinking": 0.05, "show_thinking": True},
    "thinking hidden": {"thinking": 0.05},
    "a stall with pings": {"stall_at": 50, "stall": 0.1},
}


@pytest.mark.parametrize("form", HARMLESS_FORMS.values(), ids=HARMLESS_FORMS)
async def test_the_form_of_a_stream_changes_nothing(form: dict[str, Any], server: ClaudeServer, claude: Claude) -> None:
    """However a whole answer is cut, thought over or delayed, its text arrives once and in order, without thoughts."""
    server.answer(TEXT, **form)
    shown, end = await listen(claude)
    assert shown == TEXT
    assert isinstance(end, Finished)
    assert end.usage.thinking == (2 if form.get("thinking") else 0)
