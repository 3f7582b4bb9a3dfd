"""Day one: whatever is wrong with the set-up is one clear line and exit status 2; `check` finds what `run` would."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis

from bot.__main__ import main
from bot.store.embedded import EmbeddedServer
from sandbox.app import Sandbox
from sandbox.claude.models import CatalogueModel
from sandbox.discord import DiscordServer
from sandbox.faults import Fault
from sandbox.journal import Journal
from sandbox.slack.scopes import APP_SCOPES, BOT_SCOPES

LOG_LINE = re.compile(r"\S+ \[(info|warning) *\] ")
PATIENCE = 20.0
NOWHERE = "127.0.0.1:9"
ROOT = Path(__file__).parents[2]
UNREADABLE = Path("/proc/self/mem")
"""A file that not even root can read from its beginning, where there is one."""


class Aside:
    """An event loop in a thread of its own: `main` needs this thread for its own loop and for signals."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine there and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def aside():
    aside = Aside()
    yield aside
    aside.end()


@pytest.fixture(scope="module")
def box(aside):
    """Slack, Discord and Claude, for all tests of this file; each leaves it as it found it."""
    box = Sandbox(page=False)
    aside.do(box.start())
    yield box
    aside.do(box.stop())


@pytest.fixture(scope="module")
def without_intent(aside):
    """A Discord application without the Message Content Intent."""
    server = DiscordServer(Journal(), privileged_intents=())
    aside.do(server.start())
    yield server
    aside.do(server.stop())


@pytest.fixture(scope="module")
def server(aside, tmp_path_factory):
    """A server of somebody else's, and its address."""
    server = EmbeddedServer(tmp_path_factory.mktemp("server"))
    aside.do(server.__aenter__())
    yield server
    aside.do(server.__aexit__(None, None, None))


class Outcome(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line on standard error that is no log line."""
        lines = [line for line in self.err.splitlines() if not LOG_LINE.match(line)]
        assert len(lines) == 1, self.err
        return lines[0]


@pytest.fixture
def bot(box, tmp_path, monkeypatch, capsys):
    """Runs a command with the sandbox's environment, changed where the test says; None takes a variable away."""
    monkeypatch.chdir(tmp_path)

    def run(command: str, platforms: str = "slack", **changes: str | None) -> Outcome:
        environment = {**box.environment(), "DATA_DIR": str(tmp_path / "data"), "HTTP_PORT": "0", **changes}
        for name, value in environment.items():
            foreign = name.partition("_")[0].lower() in {"slack", "discord"} - {*platforms.split()}
            if value is not None and not (foreign and name not in changes):
                monkeypatch.setenv(name, value)
        capsys.readouterr()
        guard = threading.Timer(PATIENCE, os.kill, (os.getpid(), signal.SIGTERM))
        guard.start()
        try:
            status = main(command.split())
        finally:
            guard.cancel()
            logging.getLogger().handlers.clear()
        outcome = Outcome(status, *capsys.readouterr())
        for name, value in environment.items():
            monkeypatch.delenv(name, raising=False)
            if value and name.endswith(("_TOKEN", "_KEY", "_SECRET")) and len(value) > 8:
                assert value.strip() not in outcome.out + outcome.err
        assert "Traceback" not in outcome.err
        return outcome

    return run


def refuses(outcome: Outcome, sentence: str) -> None:
    assert (outcome.status, bool(re.search(sentence, outcome.sentence))) == (2, True), outcome


# --- values that are wrong by themselves ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"HTTP_PORT": "eighty"}, r"HTTP_PORT: expected a whole number, got 'eighty'"),
        ({"HTTP_PORT": "70000"}, r"HTTP_PORT: expected at most 65535"),
        ({"CLAUDE_MAX_TOKENS": "0"}, r"CLAUDE_MAX_TOKENS: expected at least 1"),
        ({"MAX_ATTEMPTS": "1e3"}, r"MAX_ATTEMPTS: expected a whole number"),
        ({"HISTORY_TTL": "for ever"}, r"HISTORY_TTL: expected a duration such as"),
        ({"HISTORY_TTL": "9" * 400 + "d"}, r"HISTORY_TTL: expected a duration of at most 3650d"),
        ({"DRAIN_SECONDS": "nan"}, r"DRAIN_SECONDS: expected a duration"),
        ({"SLACK_API_URL": "http://host/foo"}, r"SLACK_API_URL: expected an address that ends in /api/"),
        ({"SLACK_API_URL": "http://[::1/api/"}, r"SLACK_API_URL: expected an address such as"),
        ({"DISCORD_API_URL": "http://host:port/api/v10"}, r"DISCORD_API_URL: expected an address such as"),
        ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:x"}, r"ANTHROPIC_BASE_URL: expected an address such as"),
        ({"ANTHROPIC_BASE_URL": "api.anthropic.com"}, r"ANTHROPIC_BASE_URL: expected an address that begins with"),
        ({"LOG_LEVEL": "loud"}, r"LOG_LEVEL: expected 'debug', 'info', 'warning' or 'error', got 'loud'"),
        ({"ALLOWED_CHANNELS": "#general"}, r"ALLOWED_CHANNELS: expected ids such as .* got '#general'"),
        ({"ALLOWED_USERS": '["U012AB3CD"]'}, r"ALLOWED_USERS: expected ids"),
        ({"HTTP_PORT": "x", "MAX_PARTS": "y"}, r"HTTP_PORT: .* MAX_PARTS: "),
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


def test_a_secret_in_the_wrong_place_is_not_told(bot: Callable[..., Outcome], box: Sandbox):
    """A token pasted into another variable, or a password in an address, is not repeated in the sentence."""
    for token in (box.slack.bot_token, box.discord.bot_token, box.claude.api_key):
        outcome = bot("run", HTTP_PORT=token)
        refuses(outcome, r"HTTP_PORT: expected a whole number, got '\[secret\]'")
        assert token[:40] not in outcome.err
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


# --- values that the other side does not take -------------------------------------------------------------------


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


def test_a_data_directory_in_use(bot: Callable[..., Outcome], server: EmbeddedServer):
    """A DATA_DIR that another process uses is shared with it, and its server outlives this one."""
    assert bot("check", DATA_DIR=str(server._dir)) == (0, "everything needed works\n", "")
    assert redis.Redis(unix_socket_path=server.url.removeprefix("unix://")).ping()


def test_a_port_in_use(bot: Callable[..., Outcome]):
    """`run` names the port that is taken; `check` only warns, since the bot itself may be what runs there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refuses(bot("run", HTTP_PORT=port), rf"HTTP_PORT: 127\.0\.0\.1:{port} is in use; choose a free port")
        outcome = bot("check", HTTP_PORT=port)
    assert outcome.status == 0
    assert re.search(f"warning: HTTP_PORT: .*{port} is in use", outcome.out)


# --- what works, but not as it should ---------------------------------------------------------------------------


def test_check_warns(bot: Callable[..., Outcome], box: Sandbox, server: EmbeddedServer):
    """What works with a loss is a warning a line, and exit status 0: Redis, the model, scopes, an API that is away."""
    retiring = CatalogueModel(
        id="claude-old-1",
        display_name="Old",
        line="sonnet",
        created_at=datetime(2024, 1, 1, tzinfo=UTC),
        lifecycle="deprecated",
        retires_at=datetime.now(UTC) + timedelta(days=30),
    )
    box.claude.add_model(retiring)
    client = redis.Redis(unix_socket_path=server.url.removeprefix("unix://"))
    client.config_set("appendonly", "no")
    client.config_set("maxmemory-policy", "allkeys-lru")
    box.slack.tokens.bot_scopes = tuple(have for have in BOT_SCOPES if have not in ("im:history", "users:read"))
    box.claude.faults.add(Fault("GET /v1/models/claude-haiku-5-5", "status", status=503))
    try:
        outcome = bot("check", "slack discord", CLAUDE_MODEL="claude-old-1", REDIS_URL=server.url)
    finally:
        client.config_set("appendonly", "yes")
        client.config_set("maxmemory-policy", "noeviction")
        box.slack.tokens.bot_scopes = BOT_SCOPES
    assert (outcome.status, outcome.err) == (0, "")
    *warnings, last = outcome.out.splitlines()
    for line, expected in zip(
        warnings,
        [
            r"CLAUDE_MODEL is claude-old-1, which retires on \d{4}-\d\d-\d\d: set it to a newer model",
            r"CLAUDE_SMALL_MODEL .*could not be checked",
            r"scope im:history: it does not hear direct messages",
            r"scope users:read: it knows people by their ids",
            r"appendonly yes",
            r"maxmemory-policy noeviction",
        ],
        strict=True,
    ):
        assert re.match(f"warning: .*{expected}", line)
    assert last == "it runs, with 6 warning(s)"


def test_check_of_everything(bot: Callable[..., Outcome]):
    """With everything well `check` says so and nothing else."""
    assert bot("check", "slack discord") == (0, "everything needed works\n", "")


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(
    ("role", "platforms", "changes", "sentence"),
    [
        ("intake", "slack", {"SLACK_APP_TOKEN": None}, r"^SLACK_APP_TOKEN: .*SLACK_SIGNING_SECRET"),
        ("intake", "", {}, r"^No platform is configured"),
        ("worker", "slack", {"ANTHROPIC_API_KEY": None}, r"^ANTHROPIC_API_KEY: "),
        ("worker", "slack", {"SLACK_BOT_TOKEN": None}, r"^SLACK_BOT_TOKEN: "),
        ("worker", "discord", {"DISCORD_BOT_TOKEN": "wrong"}, r"^DISCORD_BOT_TOKEN is not accepted"),
    ],
)
def test_what_a_role_cannot_do_without(
    bot: Callable[..., Outcome], command: str, role: str, platforms: str, changes: dict[str, str | None], sentence: str
):
    """A role that lacks what it needs says what, in one line."""
    refuses(bot(f"{command} --role {role}", platforms, **changes), sentence)


@pytest.mark.parametrize(
    ("role", "changes"),
    [
        ("intake", {"ANTHROPIC_API_KEY": None}),
        ("worker", {"SLACK_APP_TOKEN": None}),
        ("worker", {"SLACK_APP_TOKEN": "xapp-1-wrong"}),
    ],
)
def test_what_a_role_does_without(bot: Callable[..., Outcome], role: str, changes: dict[str, str | None]):
    """An intake needs no key of Claude's, a worker no way in: what it does not need is not looked at."""
    assert bot(f"check --role {role}", "slack discord", **changes) == (0, "everything needed works\n", "")


def test_a_worker_needs_no_intent(bot: Callable[..., Outcome], without_intent: DiscordServer):
    """Who only writes is not asked for the Message Content Intent, and connects to no gateway to find out."""
    changes = {"DISCORD_BOT_TOKEN": without_intent.bot_token, "DISCORD_API_URL": without_intent.url}
    assert bot("check --role worker", "discord", **changes) == (0, "everything needed works\n", "")


def test_a_role_that_does_not_exist(bot: Callable[..., Outcome], capsys):
    """It is refused with those that do."""
    with pytest.raises(SystemExit) as ended:
        bot("run --role both")
    assert ended.value.code == 2
    assert "all, intake, worker" in capsys.readouterr().err.replace("'", "")


def test_check_says_everything_at_once(bot: Callable[..., Outcome]):
    """Mistakes in several things are found in one run, a line each."""
    outcome = bot("check", "slack discord", SLACK_BOT_TOKEN="xoxb-1-wrong", REDIS_URL="redis://127.0.0.1:9/0")
    lines = outcome.err.splitlines()
    assert outcome.status == 2
    assert [any(line.startswith(name) for line in lines) for name in ("SLACK_BOT_TOKEN", "REDIS_URL")] == [True, True]
    assert len(lines) == 2


def test_as_a_process(box: Sandbox, tmp_path):
    """The same as a process of its own: status 2 and one line; nothing of Python's own is seen."""
    environment = {
        **os.environ,
        **box.environment(),
        "DATA_DIR": str(tmp_path),
        "HTTP_PORT": "0",
        "PYTHONPATH": str(ROOT),
    }
    for arguments, changes, status, said in (
        (("run",), {"DISCORD_BOT_TOKEN": "a.wrong.token"}, 2, r"DISCORD_BOT_TOKEN is not accepted by Discord: .*\n"),
        (("check",), {"REDIS_URL": f"redis://{NOWHERE}"}, 2, rf"REDIS_URL: Redis at {NOWHERE} cannot be reached.*\n"),
        (("check",), {}, 0, r"everything needed works\n"),
    ):
        done = subprocess.run(  # noqa: S603 - the bot itself
            [sys.executable, "-W", "error", "-W", "ignore:'audioop':DeprecationWarning", "-m", "bot", *arguments],
            env={**environment, **changes},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == status, done.stderr
        assert re.fullmatch(said, done.stdout + done.stderr)
