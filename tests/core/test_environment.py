"""What people write into environments: quotes that nobody takes away, passwords as they are, names with a slip."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.app.environment import misspelt
from bot.app.settings import Settings, read
from bot.conversation import ThreadKey
from bot.errors import StoreUnavailable
from bot.store import RedisStore

KNOWN = [name.upper() for name in Settings.model_fields]


@pytest.mark.parametrize("written", ['"xoxb-1"', "'xoxb-1'", " 'xoxb-1' ", "xoxb-1\r", "xoxb-1\r\n", '" xoxb-1 "\r'])
def test_quotes_and_line_ends_are_no_part_of_a_value(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker's and systemd's files keep what stands around a value; the value is taken without."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", written)
    monkeypatch.setenv("HTTP_PORT", written.replace("xoxb-1", "8080"))
    settings = read(_env_file=None)
    assert settings.slack_bot_token is not None
    assert settings.slack_bot_token.get_secret_value() == "xoxb-1"
    assert settings.http_port == 8080


def test_a_file_may_be_written_for_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`export`, lines that end in CR LF, comments and quotes in a `.env` file are understood."""
    file = tmp_path / ".env"
    file.write_bytes(b'export CLAUDE_MODEL="claude-opus-5-5" # the best\r\n\r\nMAX_PARTS=7\r\n# MAX_PARTS=8\r\n')
    monkeypatch.delenv("CLAUDE_MODEL", raising=False)
    settings = read(_env_file=file)
    assert (settings.claude_model, settings.max_parts) == ("claude-opus-5-5", 7)


@pytest.mark.parametrize("password", ["pa#ss", "p/a?ss", "pa%23ss", "p@ss", "p#@ss"])
async def test_a_password_may_hold_what_means_something_in_an_address(password: str) -> None:
    """A password with `#`, `/`, `?` or `@` as it is leads to the host that is named, and shows in no error."""
    store = RedisStore(f"redis://bot:{password}@127.0.0.1:1/2", history_ttl=60.0)
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1 ") as error:
        await store.takes_part(ThreadKey("slack", "T1", "C1:1.0"))
    await store.close()
    assert "ss" not in str(error.value).replace("address", "")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CLAUDE_MODLE", "CLAUDE_MODEL"),
        ("DISCORD_TOKEN", "DISCORD_BOT_TOKEN"),
        ("loglevel", "LOG_LEVEL"),
        ("REDIS_URI", "REDIS_URL"),
    ],
)
def test_a_slip_in_a_name_is_told(name: str, meant: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A name that is nearly a setting's and sets nothing is told with the right one, from wherever it comes."""
    for variable in KNOWN:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(name, "x")
    assert f"{name.upper()}: did you mean {meant}? There is no setting of the first name." in [*misspelt(KNOWN)]
    monkeypatch.delenv(name)
    file = tmp_path / ".env"
    file.write_text(f"{name}=x\n")
    assert any(meant in line for line in misspelt(KNOWN, file))
    monkeypatch.setenv(meant, "y")
    assert not any(meant in line for line in misspelt(KNOWN, file))


@pytest.mark.parametrize("name", ["HTTP_PROXY", "REDIS_HOST", "HOSTNAME", "PATH", "PYTHONPATH", "HISTSIZE", "LOGNAME"])
def test_names_of_others_are_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other programs read is no slip."""
    monkeypatch.setenv(name, "x")
    assert not any(line.startswith(f"{name}:") for line in misspelt(KNOWN))
