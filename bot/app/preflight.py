"""What `run` cannot start with, as far as the settings alone tell: all of it at once, and nobody is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from bot.app.invocation import COMMAND
from bot.app.roles import Role
from bot.app.settings import Settings
from bot.claude import check_key
from bot.errors import SettingsError
from bot.store import RedisStore

NO_PLATFORM = (
    "No platform is configured: set SLACK_BOT_TOKEN (with SLACK_APP_TOKEN or SLACK_SIGNING_SECRET) or "
    f"DISCORD_BOT_TOKEN. To try it without any token, run `{COMMAND} sandbox` or `{COMMAND} chat --sandbox`."
)
NO_KEY = "ANTHROPIC_API_KEY: set it to a key of the Claude API (console, Settings > API keys)"


def wrong(settings: Settings, role: Role = Role.ALL, *, asks: bool = True) -> list[str]:
    """Return a sentence for each thing that is missing or cannot be what it is meant to be.

    Args:
        settings: the operator's choices.
        role: what the process does; what that does not need is not looked at.
        asks: whether the Claude that `settings` name is asked; a test may bring its own.
    """
    found: list[str] = []

    @contextmanager
    def trying() -> Iterator[None]:
        try:
            yield
        except SettingsError as error:
            found.append(str(error))

    if role.answers and asks:
        with trying():
            check_key(key(settings))
    if not settings.any_platform:
        found.append(NO_PLATFORM)
    if settings.slack_bot_token or settings.slack_app_token or settings.slack_signing_secret:
        for look in _slack(settings, role):
            with trying():
                look()
    if settings.discord_bot_token:
        from adapters.discord.check import check_form  # noqa: PLC0415 - discord.py is imported only where it is used

        with trying():
            check_form(settings.discord_bot_token.get_secret_value())
    if settings.redis_url:
        with trying():
            RedisStore(settings.redis_url.get_secret_value(), history_ttl=settings.history_ttl)  # connects to nothing
    return found


def key(settings: Settings) -> str:
    """The key of the Claude API. Raises SettingsError: there is none."""
    if settings.anthropic_api_key is None:
        raise SettingsError(f"{NO_KEY}.")
    return settings.anthropic_api_key.get_secret_value()


def _slack(settings: Settings, role: Role) -> Iterator[Callable[[], None]]:
    from adapters.slack import check  # noqa: PLC0415 - as above

    def bot_token() -> None:
        if not settings.slack_bot_token:
            raise SettingsError(
                "SLACK_BOT_TOKEN: set it, too (OAuth & Permissions > Bot User OAuth Token, it begins with xoxb-); "
                "SLACK_APP_TOKEN and SLACK_SIGNING_SECRET alone answer nobody."
            )
        check.check_form(settings.slack_bot_token.get_secret_value())

    yield bot_token
    if role.listens:
        yield lambda: check.check_way_in(_value(settings.slack_app_token), _value(settings.slack_signing_secret))


def _value(secret: SecretStr | None) -> str | None:
    return (secret.get_secret_value() or None) if secret is not None else None
