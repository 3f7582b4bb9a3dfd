"""What every test shares: an environment without the machine's own settings."""

from __future__ import annotations

import asyncio
import logging
import os

import pytest

from bot.app.settings import Settings

pytest_plugins = ["tests.suite.time_limit"]


@pytest.fixture(autouse=True)
def clean_environment():
    """Hide the machine's own settings from every test."""
    names = [name for name in os.environ if name.lower() in Settings.model_fields]
    hidden = {name: os.environ.pop(name) for name in names}
    yield
    os.environ.update(hidden)


@pytest.fixture(autouse=True)
def logging_as_it_was():
    """Leave the process's log as it was: a level or a handler of one test would decide what the next one hears."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    levels = {name: logging.getLogger(name).level for name in ("", "bot", "adapters", "sandbox")}
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(scope="session", autouse=True)
def no_stray_loop():
    """Have no event loop until a test makes one: Python before 3.12 makes one when asked, and nobody closes it."""
    asyncio.set_event_loop(None)
