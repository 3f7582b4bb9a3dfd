"""A wrong start is told in one sentence that names the variable or scope and the cure; the manifest asks for enough."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import adapters.slack
from adapters.slack import SlackAdapter
from adapters.slack.check import OPTIONAL, REQUIRED
from bot.errors import SettingsError
from sandbox.faults import Fault
from sandbox.journal import Journal
from sandbox.slack import SlackServer

BOT, APP = "xoxb-1-2-secretsecret", "xapp-1-A1-2-secretsecret"


@pytest.mark.parametrize(
    ("bot", "app", "secret", "named"),
    [
        ("", APP, None, "SLACK_BOT_TOKEN.*xoxb-"),
        ("hello", APP, None, "SLACK_BOT_TOKEN.*xoxb-"),
        (APP, BOT, None, "SLACK_BOT_TOKEN.*an app-level token"),
        ("xoxp-1-2-secretsecret", APP, None, "SLACK_BOT_TOKEN.*a user token"),
        ("xoxb-1 2-secretsecret", APP, None, "SLACK_BOT_TOKEN"),
        ("xoxb-1\n2-secretsecret", APP, None, "SLACK_BOT_TOKEN"),
        ("xoxb-1…secretsecret", APP, None, "SLACK_BOT_TOKEN"),
        (BOT, BOT, None, "SLACK_APP_TOKEN.*a bot token"),
        (BOT, "secretsecret", None, "SLACK_APP_TOKEN.*xapp-"),
        (BOT, None, None, "SLACK_APP_TOKEN.*SLACK_SIGNING_SECRET"),
        (BOT, " ", "", "SLACK_APP_TOKEN.*SLACK_SIGNING_SECRET"),
    ],
)
async def test_malformed(slack: SlackServer, journal: Journal, bot: str, app: str, secret: str, named: str) -> None:
    """A token that cannot be one is refused before any call, without being told."""
    adapter = SlackAdapter(bot, app, secret, api_url=slack.url)
    with pytest.raises(SettingsError, match=named) as raised:
        await adapter.start()
    await adapter.close()
    assert "secretsecret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list(journal.of("slack", "call"))


async def test_surrounding_space(slack: SlackServer) -> None:
    """A token copied with a line feed is still a good token."""
    adapter = SlackAdapter(f" {slack.bot_token}\n", f"{slack.app_token}\n", api_url=slack.url)
    assert await adapter.check() == []
    await adapter.close()


@pytest.mark.parametrize("code", ["invalid_auth", "token_revoked", "account_inactive", "not_authed", "token_expired"])
async def test_wrong_bot_token(slack: SlackServer, code: str) -> None:
    """A bot token that Slack does not accept is named, with where to get a good one."""
    slack.faults.add(Fault("auth.test", "error", code=code, times=None))
    adapter = SlackAdapter(BOT, APP, api_url=slack.url)
    with pytest.raises(SettingsError, match=rf"SLACK_BOT_TOKEN.*{code}.*https://api.slack.com/apps") as raised:
        await adapter.start()
    await adapter.close()
    assert "secretsecret" not in str(raised.value)


@pytest.mark.parametrize("code", ["invalid_auth", "not_allowed_token_type", "missing_scope"])
async def test_wrong_app_token(slack: SlackServer, code: str) -> None:
    """`check` tries the app-level token and names it when it opens nothing."""
    slack.faults.add(Fault("apps.connections.open", "error", code=code, times=None))
    adapter = SlackAdapter(slack.bot_token, APP, api_url=slack.url)
    with pytest.raises(SettingsError, match=r"SLACK_APP_TOKEN.*connections:write"):
        await adapter.check()
    await adapter.close()


@pytest.mark.parametrize("scope", REQUIRED)
async def test_required_scope(slack: SlackServer, scope: str) -> None:
    """Without a scope that nothing works without, the start ends and names it."""
    slack.tokens.bot_scopes = tuple(have for have in slack.tokens.bot_scopes if have != scope)
    adapter = SlackAdapter(slack.bot_token, slack.app_token, api_url=slack.url)
    with pytest.raises(SettingsError, match=f"{scope}.*install the app again"):
        await adapter.start()
    await adapter.close()


@pytest.mark.parametrize("scope", OPTIONAL)
async def test_optional_scope(slack: SlackServer, scope: str) -> None:
    """Without any other scope it starts, and says what is lost."""
    slack.tokens.bot_scopes = tuple(have for have in slack.tokens.bot_scopes if have != scope)
    adapter = SlackAdapter(slack.bot_token, slack.app_token, api_url=slack.url)
    (warning,) = await adapter.check()
    await adapter.close()
    assert scope in warning
    assert OPTIONAL[scope] in warning


async def test_unreachable() -> None:
    """An address at which nobody answers is named, and the variable it comes from."""
    adapter = SlackAdapter(BOT, APP, api_url="http://127.0.0.1:9/api/")
    with pytest.raises(SettingsError, match=r"SLACK_API_URL.*cannot connect"):
        await adapter.start()
    await adapter.close()


async def test_slack_is_slow_to_answer(slack: SlackServer) -> None:
    """A limit at the start is waited out."""
    slack.faults.add(Fault("auth.test", "status", status=503, times=1))
    adapter = SlackAdapter(slack.bot_token, slack.app_token, api_url=slack.url)
    await adapter.start()
    assert adapter.installation == f"slack:{slack.workspace.team_id}"
    await adapter.close()


def test_manifest() -> None:
    """The manifest asks for exactly the scopes and events the bot uses, over Socket Mode, with direct messages open."""
    manifest = json.loads((Path(adapters.slack.__file__).parent / "manifest.json").read_text())
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == {*REQUIRED, *OPTIONAL}
    events = {"app_mention", "message.channels", "message.groups", "message.im", "message.mpim"}
    assert set(manifest["settings"]["event_subscriptions"]["bot_events"]) == events
    assert manifest["settings"]["socket_mode_enabled"] is True
    assert manifest["features"]["app_home"]["messages_tab_enabled"] is True
    assert manifest["features"]["app_home"]["messages_tab_read_only_enabled"] is False
    assert len(manifest["display_information"]["name"]) <= 35
    assert len(manifest["display_information"]["description"]) <= 140
