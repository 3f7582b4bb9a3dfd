"""Settings, read once from the environment (and a `.env` file), frozen, and wrong in one clear sentence.

Nothing is read at import. A value's description says what it is for; `.env.example` and the README's table are
checked against it.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from annotated_types import Ge, Le
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.app.environment import misspelt, unquoted
from bot.app.logs import Redactor
from bot.conversation import FollowUps
from bot.errors import SettingsError
from bot.store import FURTHEST

LONGEST = 3650 * 86400.0
"""Seconds of the longest duration: past it timers and Redis' expiries overflow."""

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}

DEFAULT_SYSTEM_PROMPT = (
    "You are Claude, answering in a team chat. Be helpful and concise; write Markdown. "
    "Start with the answer itself: people watch your words appear. "
    "Several people may write in one conversation; each message then says who wrote it."
)


def _seconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w|)\s*", value)
    if not match:
        raise ValueError("expected a duration such as 15s, 2m, 12h or 30d")
    return float(match[1]) * _UNITS[match[2]]


def _ids(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    ids = frozenset(part for part in re.split(r"[,\s]+", value) if part)
    if not all(re.fullmatch(r"[A-Za-z0-9_-]+", one) for one in ids):
        raise ValueError("expected ids such as U012AB3CD or 80351110224678912, separated by commas, and no names")
    return ids


def _lowered(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _base_url(value: str | None) -> str | None:
    if value and not re.match(r"https?://[^/\s]+", value):
        raise ValueError("expected an address that begins with http:// or https://")
    try:
        parts = urlsplit(value or "")
        fits = not value or (re.search(r"[\s\x00-\x1f]", value) is None and parts.hostname and parts.port != 0)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError("expected an address such as https://host or http://host:port")
    return value or None


def _without_version(value: str | None) -> str | None:
    """The SDK adds /v1/messages itself; many write /v1, since other tools want it."""
    if value and re.search(r"/messages/?(?:[?#].*)?$", value):
        raise ValueError("expected the address without /v1/messages, which is added to it")
    return re.sub(r"/v1/?$", "", value) if value else value


def _prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.:/-]{1,64}", value):
        raise ValueError("expected at most 64 letters, digits and . _ : / -")
    return value


def _api_url(ending: str) -> AfterValidator:
    def check(value: str | None) -> str | None:
        if value is None:
            return None
        normal = (
            value if value.endswith("/") == ending.endswith("/") else value.rstrip("/") + "/"[: ending.endswith("/")]
        )
        if not normal.endswith(ending):
            raise ValueError(f"expected an address that ends in {ending}")
        return normal

    return AfterValidator(check)


Seconds = Annotated[float, BeforeValidator(_seconds), Le(LONGEST)]
Ids = Annotated[frozenset[str], NoDecode, BeforeValidator(_ids)]
Url = Annotated[str | None, AfterValidator(_base_url)]
Secret = Annotated[SecretStr | None, BeforeValidator(lambda value: value.strip() if isinstance(value, str) else value)]
"""Without the line feed that many files with a secret end with."""
Word = BeforeValidator(_lowered)
"""For choices: `INFO` is `info`."""


class Settings(BaseSettings):
    """Everything the operator decides. Durations are seconds; tokens are secret and never printed."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        case_sensitive=False,
        str_strip_whitespace=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _without_quotes(cls, values: Any) -> Any:
        return {name: unquoted(value) for name, value in values.items()} if isinstance(values, dict) else values

    anthropic_api_key: Secret = Field(None, description="Key of the Claude API")
    anthropic_base_url: Annotated[Url, AfterValidator(_without_version)] = Field(
        None, description="Another address of the Claude API"
    )
    claude_model: str = Field("claude-sonnet-5-5", description="Model that answers people")
    claude_small_model: str = Field("claude-haiku-5-5", description="Model for text that code consumes")
    claude_max_tokens: int = Field(16_000, ge=1, description="Upper bound on one answer in tokens, thinking included")
    system_prompt: str = Field(DEFAULT_SYSTEM_PROMPT, description="What Claude is told before every conversation")

    slack_bot_token: Secret = Field(None, description="Slack bot token (xoxb-...)")
    slack_app_token: Secret = Field(None, description="Slack app-level token (xapp-...) for Socket Mode")
    slack_signing_secret: Secret = Field(None, description="Slack signing secret, for events over HTTP")
    slack_api_url: Annotated[Url, _api_url("/api/")] = Field(
        None, description="Another address of the Slack API, ends in /api/"
    )

    discord_bot_token: Secret = Field(None, description="Discord bot token")
    discord_api_url: Annotated[Url, _api_url("/api/v10")] = Field(
        None, description="Another address of the Discord API, ends in /api/v10"
    )

    redis_prefix: Annotated[str, AfterValidator(_prefix)] = Field(
        "firsttoken", description="What the names of all keys in Redis begin with; another one stands wholly apart"
    )
    redis_url: Secret = Field(None, description="Redis address; unset: the embedded server, data in DATA_DIR")
    data_dir: Path = Field(Path(".data"), description="Where the embedded server keeps its data")

    http_host: str = Field("127.0.0.1", description="Address the health and event server listens on")
    http_port: int = Field(8080, ge=0, le=65535, description="Its port; 0 takes any free one")

    log_level: Annotated[Literal["debug", "info", "warning", "error"], Word] = Field(
        "info", description="Least level that is logged"
    )
    log_format: Annotated[Literal["console", "json"], Word] = Field("console", description="Form of the log lines")

    admins: Ids = Field(frozenset(), description="User ids that may ask everywhere and control everybody's answers")
    denied_users: Ids = Field(frozenset(), description="User ids that may not ask, whatever else allows them")
    allowed_users: Ids = Field(frozenset(), description="User ids that may ask; empty: everybody")
    allowed_roles: Ids = Field(
        frozenset(), description="Discord role ids, one of which people there need who are not in ALLOWED_USERS"
    )
    allowed_channels: Ids = Field(frozenset(), description="Channel ids in which one may ask; empty: all")
    allowed_workspaces: Ids = Field(frozenset(), description="Slack team or Discord guild ids; empty: all")

    allowed_bots: Ids = Field(
        frozenset(), description="Ids of other bots that are answered (Slack bot, app or user ids, Discord user ids)"
    )
    external: Annotated[Literal["refuse", "allow"], Word] = Field(
        "refuse",
        description="Whether people of other organisations, and channels shared with them, are served",
    )

    follow_ups: Annotated[FollowUps, Word] = Field(
        "all", description="Which messages of a thread it takes part in are answered"
    )
    on_interrupt: Annotated[Literal["keep", "discard"], Word] = Field(
        "keep", description="What happens to the partial text of a broken attempt"
    )
    max_attempts: int = Field(3, ge=1, le=20, description="Streams that may break before a turn is given up")
    busy_timeout: Seconds = Field(120.0, ge=0, description="How long an overloaded Claude is waited for")
    history_ttl: Seconds = Field(30 * 86400.0, gt=0, description="How long a quiet conversation is remembered")
    context_tokens: int = Field(100_000, ge=1000, description="Upper bound on the history sent along, in tokens")
    max_concurrent_turns: int = Field(64, ge=1, description="Answers one process writes at once")
    lease_seconds: Seconds = Field(
        15.0,
        ge=1,
        le=FURTHEST,
        description="How long a turn, or Discord's connection, stays with a process that gives no sign of life",
    )
    drain_seconds: Seconds = Field(60.0, ge=0, description="How long running answers may go on at shutdown")
    max_parts: int = Field(20, ge=1, description="Messages one answer may fill")
    notify_after: Seconds = Field(
        30.0, ge=0, description="Answers that took longer are announced to the asker; 0: never"
    )

    @property
    def any_platform(self) -> bool:
        """Whether anything was said about a platform, be it enough or not."""
        return any((self.slack_bot_token, self.slack_app_token, self.slack_signing_secret, self.discord_bot_token))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value that is set, for the log's redaction."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return tuple(v.get_secret_value() for v in values if isinstance(v, SecretStr) and v.get_secret_value())


def doubtful() -> list[str]:
    """Return a sentence for each name in the environment that is nearly a setting's, and sets nothing."""
    return list(misspelt([name.upper() for name in Settings.model_fields], Settings.model_config.get("env_file")))


class WrongSettings(SettingsError):
    """Several values may be wrong.

    Args:
        problems: a sentence for each.
        rest: the settings, with the default in the place of each wrong value; None where they could not be read.
    """

    def __init__(self, problems: Sequence[str], rest: Settings | None = None) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
        self.rest = rest


_EXPECTED = {
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "literal_error": "expected {expected}",
}
_OUT_OF_RANGE = {"greater_than_equal", "greater_than", "less_than_equal", "int_parsing_size"}


def read(**overrides: Any) -> Settings:
    """Read the environment once.

    Args:
        overrides: values that win over the environment, by field name.

    Raises:
        WrongSettings: one sentence per wrong value that names the variable and what was expected; never the
            value of a secret.
    """
    file = overrides.get("_env_file", Settings.model_config.get("env_file"))
    try:
        if file is not None and Path(file).is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a directory")
        return Settings(**overrides)
    except UnicodeDecodeError:
        raise WrongSettings([f"{file}: expected text in UTF-8; save it again as UTF-8, or remove it."]) from None
    except OSError as error:
        raise WrongSettings(
            [f"{file}: cannot be read ({error.strerror}); let this user read it, or remove it."]
        ) from None
    except ValidationError as error:
        problems = error.errors(include_url=False)
    fields = Settings.model_fields
    wrong = {name: fields[name].get_default() for name in (str(problem["loc"][0]) for problem in problems)}
    rest = Settings(**{**overrides, **wrong})
    redactor = Redactor(rest.secrets)
    raise WrongSettings([_sentence(problem, redactor) for problem in problems], rest)


def _sentence(problem: ErrorDetails, redactor: Redactor) -> str:
    name = str(problem["loc"][0])
    field = Settings.model_fields[name]
    if problem["type"] in _OUT_OF_RANGE:
        expected = _range(name, field)
    else:
        expected = _EXPECTED.get(problem["type"], problem["msg"].removeprefix("Value error, "))
        expected = expected.format(**problem.get("ctx", {}))
    shown = "SecretStr" not in str(field.annotation)
    # A token in the wrong place is one, too.
    given = f", got {redactor.clean(str(problem['input']))[:60]!r}" if shown else ""
    return f"{name.upper()}: {expected}{given}."


def _range(name: str, field: FieldInfo) -> str:
    """What a number may be, in words, from its least to its greatest."""
    least = next((it.ge for it in field.metadata if isinstance(it, Ge)), None)
    most = min((it.le for it in field.metadata if isinstance(it, Le) and isinstance(it.le, int | float)), default=None)
    if field.annotation is float and most is not None:
        longest = f"{most:.0f}s" if most < 86400 else f"{most / 86400:.0f}d"
        return (
            f"expected a duration of more than 0s, at most {longest}"
            if least is None
            else (f"expected a duration from {least}s to {longest}")
        )
    if most is None:
        return f"expected at least {least}"
    return f"expected a {'port' if name.endswith('_port') else 'number'} from {least} to {most:.0f}"
