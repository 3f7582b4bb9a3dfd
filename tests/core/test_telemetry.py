"""No secret gets into a log line, whatever its form."""

from __future__ import annotations

import json
import logging

import pytest

from bot.app.logs import Redactor, clean, set_up


@pytest.mark.parametrize("form", ["console", "json"])
def test_secrets_are_struck_out(form, capsys):
    """Known secrets and token-shaped words go from messages, fields and tracebacks."""
    set_up("info", form, ["my-very-own-secret"])
    log = logging.getLogger("bot.test")
    try:
        raise ValueError("with my-very-own-secret and xoxb-1234567890-abcdef")
    except ValueError:
        log.exception("failed %s", "sk-ant-api03-abcdefgh", extra={"url": "redis://user:pass@host/0"})
    out = capsys.readouterr().err
    assert "[secret]" in out
    for secret in ("my-very-own-secret", "xoxb-1234567890", "sk-ant-api03", "user:pass"):
        assert secret not in out


def test_json_lines_are_json(capsys):
    """With LOG_FORMAT=json every line is one JSON object with its fields."""
    set_up("info", "json")
    logging.getLogger("bot.test").info("turn done", extra={"stop": "end_turn"})
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["stop"], line["level"]) == ("turn done", "end_turn", "info")


def test_short_values_are_no_secrets():
    """A secret of a few characters does not blank the whole log."""
    assert Redactor(["ab"]).clean("about") == "about"


def test_other_texts_are_cleaned_like_the_log():
    """What leaves by another way than the log loses token-shaped words, and known secrets once they are known."""
    assert clean("my-very-own-secret and xoxb-1234567890-abcdef") == "my-very-own-secret and [secret]"
    set_up("info", "console", ["my-very-own-secret"])
    assert clean("my-very-own-secret and xoxb-1234567890-abcdef") == "[secret] and [secret]"
