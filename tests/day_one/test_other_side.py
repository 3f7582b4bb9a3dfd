"""Day one: values that the other side does not take, and what a machine lacks, are one clear line and exit status 2."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from bot.store.embedded import EmbeddedServer
from sandbox.app import Sandbox
from sandbox.discord import DiscordServer
from sandbox.slack.scopes import APP_SCOPES, BOT_SCOPES
from tests.day_one.command import NOWHERE, Outcome, refuses


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(
    ("platform", "changes", "sentence"),
    [
        ("slack", {"SLACK_BOT_TOKEN": "xoxb-1-2-wrongwrong"}, r"SLACK_BOT_TOKEN .*invalid_auth.*OAuth & Permissions"),
        ("slack", {"SLACK_BOT_TOKEN": "no token"}, r"SLACK_BOT_TOKEN .*begins with xoxb-.*OAuth & Permissions"),
        ("slack", {"SLACK_APP_TOKEN": "xapp-1-A-2-wrong"}, r"SLACK_APP_TOKEN .*invalid_auth.*connections:write"),
        ("slack", {"SLACK_APP_TOKEN": "no token"}, r"SLACK_APP_TOKEN .*begins with xapp-.*connections:write"),
        ("slack", {"SLACK_API_URL": f"http://{NOWHERE}/api/"}, rf"{NOWHERE} \(SLACK_API_URL\).*cannot connect"),
        ("discord", {"DISCORD_BOT_TOKEN": "a.wrong.token"}, r"DISCORD_BOT_TOKEN .*not accepted.*Bot page"),
        ("discord", {"DISCORD_BOT_TOKEN": "no token"}, r"DISCORD_BOT_TOKEN .*Bot page"),
        ("discord", {"DISCORD_API_URL": f"http://{NOWHERE}/api/v10"}, rf"DISCORD_API_URL: .*{NOWHERE}"),
        ("slack", {"ANTHROPIC_API_KEY": "sk-ant-wrong-wrong"}, r"ANTHROPIC_API_KEY was refused.*copy"),
        ("slack", {"ANTHROPIC_API_KEY": "schlüssel"}, r"ANTHROPIC_API_KEY .*characters no key has"),
        ("slack", {"ANTHROPIC_API_KEY": None}, r"ANTHROPIC_API_KEY: set it"),
        ("slack", {"CLAUDE_MODEL": "claude-nonesuch"}, r"CLAUDE_MODEL .*does not know: .*claude-sonnet-5-5"),
        ("slack", {"CLAUDE_SMALL_MODEL": "../models"}, r"CLAUDE_SMALL_MODEL .*does not know"),
        ("slack", {"CLAUDE_MAX_TOKENS": "9999999"}, r"CLAUDE_MAX_TOKENS is 9999999.*at most 128000: lower it"),
        (
            "slack",
            {"REDIS_URL": f"redis://:open-sesame@{NOWHERE}"},
            rf"REDIS_URL: Redis at {NOWHERE} cannot be reached",
        ),
        ("slack", {"REDIS_URL": "localhost:6379"}, r"REDIS_URL cannot be read: expected redis://host:port"),
        ("slack", {"REDIS_URL": "redis://:open-sesame@host:port"}, r"REDIS_URL cannot be read"),
        ("slack", {"HTTP_HOST": "host.invalid"}, r"HTTP_HOST: cannot listen on host\.invalid"),
        ("slack discord", {"DISCORD_BOT_TOKEN": "a.wrong.token"}, r"DISCORD_BOT_TOKEN"),
    ],
)
def test_what_is_not_accepted(
    bot: Callable[..., Outcome], command: str, platform: str, changes: dict[str, str | None], sentence: str
):
    """What Slack, Discord, Claude or Redis does not accept is named with the variable and the cure."""
    outcome = bot(command, platform, **changes)
    refuses(outcome, sentence)
    assert "open-sesame" not in outcome.err


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(
    ("scope", "lost"), [("chat:write", "it cannot answer"), ("app_mentions:read", "it does not hear")]
)
def test_a_scope_that_nothing_works_without(
    bot: Callable[..., Outcome], box: Sandbox, command: str, scope: str, lost: str
):
    """The missing scope is named with the feature that is lost and where to add it."""
    box.slack.tokens.bot_scopes = tuple(have for have in BOT_SCOPES if have != scope)
    try:
        refuses(bot(command), rf"SLACK_BOT_TOKEN lacks {scope} \({lost}.*OAuth & Permissions")
    finally:
        box.slack.tokens.bot_scopes = BOT_SCOPES


@pytest.mark.parametrize("command", ["check", "run"])
def test_an_app_token_without_its_scope(bot: Callable[..., Outcome], box: Sandbox, command: str):
    """The app-level token's scope is told apart from the bot token's."""
    box.slack.tokens.app_scopes = ()
    try:
        sentence = bot(command).sentence
    finally:
        box.slack.tokens.app_scopes = APP_SCOPES
    assert re.search("SLACK_APP_TOKEN .*missing_scope.*Basic Information.*connections:write", sentence)
    assert "OAuth & Permissions" not in sentence


@pytest.mark.parametrize("command", ["check", "run"])
def test_an_intent_that_is_switched_off(bot: Callable[..., Outcome], without_intent: DiscordServer, command: str):
    """The privileged intent is named with where to switch it on, and with the setting that does without it."""
    there = {"DISCORD_BOT_TOKEN": without_intent.bot_token, "DISCORD_API_URL": without_intent.url}
    refuses(bot(command, "discord", **there), r"Message Content Intent.*switch on.*FOLLOW_UPS=mention")
    if command == "check":
        assert bot("check", "discord", **there, FOLLOW_UPS="mention").status == 0


@pytest.mark.parametrize("command", ["check", "run"])
def test_something_else_at_the_address(bot: Callable[..., Outcome], box: Sandbox, command: str):
    """A service that is no Slack API is told apart from a Slack that refuses."""
    refuses(bot(command, SLACK_API_URL=f"{box.claude.url}/api/"), r"SLACK_API_URL.*not Slack's API")


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_password_that_is_missing_or_wrong(bot: Callable[..., Outcome], server: EmbeddedServer, command: str):
    """A Redis that asks for another password says so in words, without the password."""
    path = server.url.removeprefix("unix://")
    redis.Redis(unix_socket_path=path).config_set("requirepass", "open-sesame")
    try:
        for url in (server.url, f"unix://:open-barley@{path}"):
            outcome = bot(command, REDIS_URL=url)
            refuses(outcome, r"^REDIS_URL: .*refuses the user name or password")
            assert "open-" not in outcome.err
    finally:
        redis.Redis(unix_socket_path=path, password="open-sesame").config_set("requirepass", "")


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("below", ["", "data"])
def test_a_data_directory_that_cannot_be_written_to(bot: Callable[..., Outcome], tmp_path, command: str, below: str):
    """A DATA_DIR that is a file, or cannot be made, is named."""
    file = tmp_path / "file"
    file.touch()
    refuses(bot(command, DATA_DIR=str(file / below)), rf"^DATA_DIR {file}.*name a directory")


def test_a_data_directory_in_use(bot: Callable[..., Outcome], server: EmbeddedServer, data_dir: Path):
    """A DATA_DIR that another process uses is shared with it, and its server outlives this one."""
    assert bot("check", DATA_DIR=str(data_dir)) == (0, "everything needed works\n", "")
    assert redis.Redis(unix_socket_path=server.url.removeprefix("unix://")).ping()


def test_a_port_in_use(bot: Callable[..., Outcome]):
    """`run` names the port that is taken; `check` only warns, since the bot itself may be what runs there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refuses(bot("run", HTTP_PORT=port), rf"HTTP_PORT: 127\.0\.0\.1:{port} is in use; choose a free port")
        outcome = bot("check", HTTP_PORT=port)
    assert outcome.status == 0
    assert re.search(f"warning: HTTP_PORT: .*{port} is in use", outcome.out)
