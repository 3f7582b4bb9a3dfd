"""Every fault of Claude's API, through the whole bot: what the reader saw."""

from __future__ import annotations

import enum

import pytest

from bot.claude.client import Claude
from bot.turn import phrases
from sandbox.claude.script import CATALOGUE
from tests.whole.house import Slack

PARTIAL = "The beginning of an answer that breaks before it is whole, as they do."
ANSWER = "The whole answer, from scratch."


class Sees(enum.Enum):
    """What the reader ends with."""

    WHOLE = "the answer of this very request"
    RETRIED = "the next attempt's answer behind the same placeholder, without a note"
    NOTED = "the partial with the note below it, then the next attempt's answer in a new message"
    REFUSED = "the reason why Claude could not be asked"
    BUSY = "after BUSY_TIMEOUT, that Claude is overloaded"


BEFORE_TEXT: dict[str, Sees] = {
    "bad_request": Sees.REFUSED,
    "too_long": Sees.REFUSED,
    "bad_key": Sees.REFUSED,
    "no_credit": Sees.REFUSED,
    "forbidden": Sees.REFUSED,
    "unknown_model": Sees.REFUSED,
    "too_large": Sees.REFUSED,
    "rate_limited": Sees.RETRIED,
    "rate_limited_for_hours": Sees.BUSY,
    "spend_limit": Sees.REFUSED,
    "server_error": Sees.RETRIED,
    "server_error_final": Sees.REFUSED,
    "conflict_retry": Sees.RETRIED,
    "unavailable": Sees.RETRIED,
    "gateway_timeout": Sees.RETRIED,
    "overloaded": Sees.RETRIED,
    "bad_gateway_html": Sees.RETRIED,
    "no_answer": Sees.RETRIED,
    "reset_early": Sees.RETRIED,
    "slow_headers": Sees.RETRIED,
    "empty_200": Sees.RETRIED,
    "html_200": Sees.RETRIED,
    "overloaded_event": Sees.RETRIED,
    "api_error_event": Sees.RETRIED,
    "rate_limit_event": Sees.RETRIED,
    "invalid_request_event": Sees.REFUSED,
    "end": Sees.RETRIED,
    "cut": Sees.RETRIED,
    "drop": Sees.RETRIED,
    "reset": Sees.RETRIED,
    "silence": Sees.RETRIED,
    "pings": Sees.RETRIED,
    "bad_json": Sees.RETRIED,
    "bad_utf8": Sees.RETRIED,
    "bad_event": Sees.RETRIED,
    "bad_chunk": Sees.RETRIED,
    "unknown_events": Sees.WHOLE,
    "drop_after_stop": Sees.WHOLE,
    "reset_after_stop": Sees.WHOLE,
    "linger_after_stop": Sees.WHOLE,
}

AFTER_TEXT: dict[str, Sees] = {
    "overloaded_event": Sees.NOTED,
    "api_error_event": Sees.NOTED,
    "rate_limit_event": Sees.NOTED,
    "end": Sees.NOTED,
    "cut": Sees.NOTED,
    "drop": Sees.NOTED,
    "reset": Sees.NOTED,
    "silence": Sees.NOTED,
    "pings": Sees.NOTED,
    "bad_json": Sees.NOTED,
    "bad_utf8": Sees.NOTED,
    "bad_event": Sees.NOTED,
    "bad_chunk": Sees.NOTED,
    "unknown_events": Sees.WHOLE,
}


def test_the_table_is_whole():
    """Every fault the stand-in knows has its row."""
    assert set(BEFORE_TEXT) == set(CATALOGUE)


@pytest.mark.parametrize(
    ("fault", "at", "sees"),
    [(fault, 0, sees) for fault, sees in BEFORE_TEXT.items()]
    + [(fault, 40, sees) for fault, sees in AFTER_TEXT.items()],
)
async def test_what_the_reader_sees(slack: Slack, fault: str, at: int, sees: Sees):
    """Each fault ends as exactly one of: whole, tried again, refused with a reason; and the reader sees which."""
    claude = slack.house.box.claude
    claude.fault(fault, text=PARTIAL, at=at, chunk=5, rate=60 if at else 0)
    if sees in (Sees.RETRIED, Sees.NOTED):
        claude.answer(ANSWER)
    settings = slack.house.settings(busy_timeout=1.0)
    assert settings.anthropic_api_key is not None
    model = Claude(
        settings.anthropic_api_key.get_secret_value(),
        base_url=settings.anthropic_base_url,
        model=settings.claude_model,
        small_model=settings.claude_small_model,
        max_tokens=settings.claude_max_tokens,
        read_timeout=1.0,
        watchdog=1.0,
    )
    async with slack.house.bot(
        busy_timeout=1.0, model=model, waits=lambda _attempt, after: 30.0 if (after or 0) > 10 else 0.05
    ):
        await slack.ask("Well?")
        match sees:
            case Sees.WHOLE:
                await slack.shows(PARTIAL)
            case Sees.RETRIED:
                await slack.shows(ANSWER)
            case Sees.NOTED:
                await slack.shows_text(ANSWER)
                [partial, whole] = slack.texts
                body, _, note = partial.rpartition("\n\n")
                assert (note, whole) == (phrases.INTERRUPTED_AGAIN, ANSWER)
                assert body
                assert PARTIAL.startswith(body)
            case Sees.REFUSED:
                shown = await slack.shows_text("(Claude could not be asked: ")
                assert not any(secret in shown.text for secret in settings.secrets)
                assert "<html" not in shown.text
            case Sees.BUSY:
                await slack.shows(phrases.BUSY_FOR_GOOD)
    await model.close()
    assert len(claude.asked()) == (2 if sees in (Sees.RETRIED, Sees.NOTED) else 1)
    noted = any("Response interrupted" in text for shown in slack.answers() for _, text in shown.versions)
    assert noted is (sees is Sees.NOTED)
