"""Slack, Discord, Claude and a Redis, and a way to run commands against them."""

from __future__ import annotations

import logging
import os
import signal
import threading

import pytest

from bot.__main__ import main
from bot.store.embedded import EmbeddedServer
from sandbox.app import Sandbox
from sandbox.discord import DiscordServer
from sandbox.journal import Journal
from tests.day_one.command import PATIENCE, Aside, Outcome


@pytest.fixture(scope="module")
def aside():
    aside = Aside()
    yield aside
    aside.end()


@pytest.fixture(scope="module")
def box(aside):
    """Slack, Discord and Claude, for all tests of a file; each leaves it as it found it."""
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
def data_dir(tmp_path_factory):
    """Where somebody else's server keeps its data."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(aside, data_dir):
    """A server of somebody else's, and its address."""
    server = EmbeddedServer(data_dir)
    aside.do(server.__aenter__())
    yield server
    aside.do(server.__aexit__(None, None, None))


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
