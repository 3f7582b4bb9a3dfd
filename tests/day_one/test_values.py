"""Day one: values that are wrong by themselves are one clear line and exit status 2."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.app import Sandbox
from tests.day_one.command import UNREADABLE, Outcome, refuses


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"HTTP_PORT": "eighty"}, r"HTTP_PORT: expected a whole number, got 'eighty'"),
        ({"HTTP_PORT": "70000"}, r"HTTP_PORT: expected a port from 0 to 65535"),
        ({"CLAUDE_MAX_TOKENS": "0"}, r"CLAUDE_MAX_TOKENS: expected at least 1"),
        ({"MAX_ATTEMPTS": "1e3"}, r"MAX_ATTEMPTS: expected a whole number"),
        ({"HISTORY_TTL": "for ever"}, r"HISTORY_TTL: expected a duration such as"),
        ({"HISTORY_TTL": "9" * 400 + "d"}, r"HISTORY_TTL: expected a duration of more than 0s, at most 3650d"),
        ({"DRAIN_SECONDS": "nan"}, r"DRAIN_SECONDS: expected a duration"),
        ({"SLACK_API_URL": "http://host/foo"}, r"SLACK_API_URL: expected an address that ends in /api/"),
        ({"SLACK_API_URL": "http://[::1/api/"}, r"SLACK_API_URL: expected an address such as"),
        ({"DISCORD_API_URL": "http://host:port/api/v10"}, r"DISCORD_API_URL: expected an address such as"),
        ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:x"}, r"ANTHROPIC_BASE_URL: expected an address such as"),
        ({"ANTHROPIC_BASE_URL": "api.anthropic.com"}, r"ANTHROPIC_BASE_URL: expected an address that begins with"),
        ({"LOG_LEVEL": "loud"}, r"LOG_LEVEL: expected 'debug', 'info', 'warning' or 'error', got 'loud'"),
        ({"ALLOWED_CHANNELS": "#general"}, r"ALLOWED_CHANNELS: expected ids such as .* got '#general'"),
        ({"ALLOWED_USERS": '["U012AB3CD"]'}, r"ALLOWED_USERS: expected ids"),
        ({"SLACK_BOT_TOKEN": None}, r"SLACK_BOT_TOKEN: set it, too"),
        ({"SLACK_APP_TOKEN": None}, r"SLACK_APP_TOKEN: .*SLACK_SIGNING_SECRET"),
        (
            {"SLACK_BOT_TOKEN": None, "SLACK_APP_TOKEN": None},
            r"SLACK_BOT_TOKEN .*DISCORD_BOT_TOKEN.*sandbox.*chat --sandbox",
        ),
    ],
)
def test_a_malformed_value(bot: Callable[..., Outcome], changes: dict[str, str | None], sentence: str):
    """A value that cannot be right, or is not there, is named with what was expected before anybody is asked."""
    refuses(bot("run", **changes), sentence)


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(
    ("role", "changes", "sentences"),
    [
        (
            "all",
            {"REDIS_URL": "foo://x", "SLACK_BOT_TOKEN": "foo", "HTTP_PORT": "99999", "LEASE_SECONDS": "abc"},
            [
                r"HTTP_PORT: expected a port from 0 to 65535, got '99999'\.",
                r"LEASE_SECONDS: expected a duration such as .*, got 'abc'\.",
                r"SLACK_BOT_TOKEN is not a bot token .*begins with xoxb-.*OAuth & Permissions",
                r"REDIS_URL cannot be read: expected redis://",
            ],
        ),
        (
            "all",
            {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": None, "ANTHROPIC_API_KEY": None},
            [r"ANTHROPIC_API_KEY: set it", r"SLACK_APP_TOKEN: set it for Socket Mode .*or set SLACK_SIGNING_SECRET"],
        ),
        (
            "all",
            {"SLACK_BOT_TOKEN": "foo", "SLACK_APP_TOKEN": "bar", "DISCORD_BOT_TOKEN": "a bad one"},
            [
                r"SLACK_BOT_TOKEN is not",
                r"SLACK_APP_TOKEN is not .*begins with xapp-",
                r"DISCORD_BOT_TOKEN is no token",
            ],
        ),
        ("all", {"SLACK_BOT_TOKEN": None, "SLACK_APP_TOKEN": "bar"}, [r"SLACK_BOT_TOKEN: set it, too", "SLACK_APP"]),
        (
            "intake",
            {"ANTHROPIC_API_KEY": "ü", "SLACK_APP_TOKEN": "b", "MAX_PARTS": "0"},
            ["MAX_PARTS", "SLACK_APP"],
        ),
        (
            "worker",
            {"ANTHROPIC_API_KEY": "ü", "SLACK_APP_TOKEN": "b", "MAX_PARTS": "0"},
            ["MAX_PARTS", "ANTHROPIC"],
        ),
    ],
)
def test_all_that_is_wrong_is_told_at_once(
    bot: Callable[..., Outcome], command: str, role: str, changes: dict[str, str | None], sentences: list[str]
):
    """Both name everything that the settings alone tell, a line each, and nothing that the role does without."""
    outcome = bot(f"{command} --role {role}", **changes)
    lines = outcome.err.splitlines()
    assert outcome.status == 2
    assert len(lines) == len(sentences), outcome.err
    assert all(map(re.match, sentences, lines)), outcome.err


def test_the_sandbox_needs_no_tokens_to_name_a_wrong_setting(bot: Callable[..., Outcome]):
    """Where the sandbox would start, a wrong setting is told alone: nobody asked for tokens or a key."""
    refuses(bot("run --or-sandbox", "", ANTHROPIC_API_KEY=None, HTTP_PORT="x"), r"^HTTP_PORT: ")


def test_a_secret_in_the_wrong_place_is_not_told(bot: Callable[..., Outcome], box: Sandbox):
    """A token pasted into another variable, or a password in an address, is not repeated in the sentence."""
    for token in (box.slack.bot_token, box.discord.bot_token, box.claude.api_key):
        outcome = bot("run", HTTP_PORT=token)
        refuses(outcome, r"HTTP_PORT: expected a whole number, got '\[secret\]'")
        assert token[:40] not in outcome.err
    outcome = bot("run", HTTP_PORT="0pen5e5ame", SLACK_SIGNING_SECRET="0pen5e5ame")
    refuses(outcome, r"HTTP_PORT: expected a whole number, got '\[secret\]'")
    outcome = bot("run", SLACK_API_URL="http://me:open-sesame@host/foo")
    refuses(outcome, "SLACK_API_URL")
    assert "open-sesame" not in outcome.err


def test_values_as_people_write_them(bot: Callable[..., Outcome], box: Sandbox):
    """Capital letters, space around a value, a line feed after a key and /v1 after an address are no mistakes."""
    outcome = bot(
        "check",
        LOG_LEVEL="INFO",
        LOG_FORMAT="Console",
        CLAUDE_MODEL=" claude-sonnet-5-5 ",
        ANTHROPIC_API_KEY=f"{box.claude.api_key}\n",
        SLACK_BOT_TOKEN=f" {box.slack.bot_token}\n",
        ANTHROPIC_BASE_URL=f"{box.claude.url}/v1/",
    )
    assert outcome == (0, "everything needed works\n", "")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_bytes(b"SYSTEM_PROMPT=Sei h\xf6flich.\n"), r"^\.env: expected text in UTF-8"),
        (lambda path: path.write_text("HTTP_PORT=1\n", encoding="utf-16"), r"^\.env: expected text in UTF-8"),
        (lambda path: path.mkdir(), r"^\.env: cannot be read \(it is a directory\)"),
        *(
            [(lambda path: path.symlink_to(UNREADABLE), r"^\.env: cannot be read \(.+\)")]
            if UNREADABLE.exists()
            else []
        ),
    ],
)
def test_a_bad_env_file(bot: Callable[..., Outcome], tmp_path, make: Callable[..., Any], sentence: str):
    """A `.env` that is no text in UTF-8, or cannot be read, is named."""
    make(tmp_path / ".env")
    refuses(bot("run"), sentence)
