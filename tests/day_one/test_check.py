"""What `check` finds, and what each role can and cannot do without."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import redis

from bot.store.embedded import EmbeddedServer
from sandbox.app import Sandbox
from sandbox.claude.models import CatalogueModel
from sandbox.discord import DiscordServer
from sandbox.faults import Fault
from sandbox.slack.scopes import BOT_SCOPES
from tests.day_one.command import NOWHERE, ROOT, Outcome, refuses


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
