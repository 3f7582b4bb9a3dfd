"""What `deploy/` sets fits the program and the servers it is for."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import redis

import adapters.discord  # noqa: F401 - silences discord.py's own import warning first
from adapters.discord.calls import TIMEOUT as DISCORD_TIMEOUT
from adapters.slack import sockets
from adapters.slack.calls import TIMEOUT as SLACK_TIMEOUT
from bot.app.settings import Settings
from bot.store.advice import advice
from bot.worker import worker
from tests.store.servers import BUNDLED, running

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_who_drains_is_not_killed() -> None:
    """The grace period holds the longest way out: intake, the answers that run, giving back, and a call under way."""
    [grace] = re.findall(r"^  stop_grace_period: (\d+)s$", (DEPLOY / "compose.yaml").read_text(), re.MULTILINE)
    drain = Settings.model_fields["drain_seconds"].default
    slack = (SLACK_TIMEOUT.connect or 0.0) + (SLACK_TIMEOUT.sock_read or 0.0)
    call = max(slack, DISCORD_TIMEOUT.total or 0.0)
    assert int(grace) >= sockets.FINISH + drain + worker.GIVE_BACK + call


def test_the_server_takes_its_settings() -> None:
    """Redis starts with the file as it is, but for where it keeps its data, and the bot has nothing to say about it."""
    with tempfile.TemporaryDirectory() as name:
        settings, socket = Path(name, "redis.conf"), Path(name, "s")
        settings.write_text((DEPLOY / "redis.conf").read_text().replace("dir /data", f"dir {name}"))
        client = redis.Redis(unix_socket_path=str(socket))
        with running(BUNDLED, Path(name), client, port=0, unixsocket=socket, include=settings):
            assert advice("Redis", [client.info()]) == []
            kept = {**client.config_get("appendonly"), **client.config_get("maxmemory*")}
    assert (kept["appendonly"], kept["maxmemory-policy"]) == ("yes", "noeviction")
    assert kept["maxmemory"] != "0"
