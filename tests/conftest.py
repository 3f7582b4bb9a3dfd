"""What every test shares: an environment without the machine's own settings."""

from __future__ import annotations

import os

import pytest

from bot.settings import Settings


@pytest.fixture(autouse=True)
def clean_environment():
    """Hide the machine's own settings from every test."""
    names = [name for name in os.environ if name.lower() in Settings.model_fields]
    hidden = {name: os.environ.pop(name) for name in names}
    yield
    os.environ.update(hidden)
