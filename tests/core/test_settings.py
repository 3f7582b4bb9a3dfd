"""Settings are read once, and a wrong value is one clear sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.app.settings import Settings, read
from bot.errors import SettingsError

DURATION = "expected a duration such as 15s, 2m, 12h or 30d"
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("http_port", "abc", "HTTP_PORT: expected a whole number, got 'abc'."),
        ("http_port", "70000", "HTTP_PORT: expected a port from 0 to 65535, got '70000'."),
        ("max_attempts", "0", "MAX_ATTEMPTS: expected a number from 1 to 20, got '0'."),
        ("max_parts", "0", "MAX_PARTS: expected at least 1, got '0'."),
        ("lease_seconds", "0.5s", "LEASE_SECONDS: expected a duration from 1s to 300s, got '0.5'."),
        ("lease_seconds", "6m", "LEASE_SECONDS: expected a duration from 1s to 300s, got '360.0'."),
        ("drain_seconds", "3651d", "DRAIN_SECONDS: expected a duration from 0s to 3650d, got '3651d'."),
        ("max_attempts", "2.5", "MAX_ATTEMPTS: expected a whole number, got '2.5'."),
        (
            "lease_seconds",
            "5 parsecs",
            f"LEASE_SECONDS: {DURATION}, got '5 parsecs'.",
        ),
        ("lease_seconds", "-1s", f"LEASE_SECONDS: {DURATION}, got '-1s'."),
        ("follow_ups", "some", "FOLLOW_UPS: expected 'all' or 'mention', got 'some'."),
        ("slack_api_url", "http://x/foo", "SLACK_API_URL: expected an address that ends in /api/, got 'http://x/foo'."),
        (
            "anthropic_base_url",
            "foo",
            "ANTHROPIC_BASE_URL: expected an address that begins with http:// or https://, got 'foo'.",
        ),
    ],
)
def test_a_wrong_value_is_one_sentence(name, value, expected):
    """The sentence names the variable, what was expected and what was given."""
    with pytest.raises(SettingsError) as caught:
        read(_env_file=None, **{name: value})
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("value", "seconds"), [("15s", 15), ("2m", 120), ("12h", 43200), ("30d", 2592000), ("15", 15), ("500ms", 0.5)]
)
def test_durations_take_units(value, seconds):
    """A duration may name its unit; a bare number is seconds."""
    assert read(_env_file=None, history_ttl=value).history_ttl == seconds


def test_ids_are_lists():
    """Ids are separated by commas or spaces; empty means all."""
    assert read(_env_file=None, allowed_users="U1, U2 U3").allowed_users == {"U1", "U2", "U3"}
    assert read(_env_file=None, allowed_users=" ").allowed_users == frozenset()


def test_addresses_are_normalised():
    """A missing or surplus slash at an address's end is no mistake."""
    settings = read(_env_file=None, slack_api_url="http://h/api", discord_api_url="http://h/api/v10/")
    assert (settings.slack_api_url, settings.discord_api_url) == ("http://h/api/", "http://h/api/v10")


def test_secrets_are_not_shown():
    """No secret is in the settings' own text, and all of them are known to the log."""
    values = {
        name: f"value-of-{name}"
        for name in Settings.model_fields
        if Settings.model_fields[name].annotation == SecretStr | None
    }
    settings = read(_env_file=None, **values)
    assert len(values) >= 6
    assert set(settings.secrets) == set(values.values())
    assert not any(value in repr(settings) for value in values.values())


@pytest.mark.parametrize("document", [".env.example", "README.md"])
def test_every_setting_is_documented(document):
    """Every setting stands in the example and in the README, with its default, and nothing else does."""
    text = (ROOT / document).read_text()
    named = set(
        re.findall(r"^#([A-Z_]+)=", text, re.MULTILINE) or re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)
    )
    assert named == {name.upper() for name in Settings.model_fields}


def test_the_example_holds_the_defaults():
    """With the example as `.env`, every setting has its default."""
    text = (ROOT / ".env.example").read_text()
    shown = dict(re.findall(r"^#([A-Z_]+)=(.+)$", text, re.MULTILINE))
    given = {name.lower(): value.strip('"') for name, value in shown.items()}
    assert read(_env_file=None, **given) == read(_env_file=None)
