"""Says in one sentence what is wrong with a token, the application's settings or the network, and the cure. Pure."""

from __future__ import annotations

import re

import aiohttp
import discord
from discord.http import Route

from adapters.proxies import proxy_of
from bot.errors import SettingsError

INTENT_CURE = (
    "discord.com/developers/applications, your application, Bot, Privileged Gateway Intents, switch on "
    "'Message Content Intent'; or set FOLLOW_UPS=mention, which does without it"
)

FINAL: dict[int, str] = {
    4004: "DISCORD_BOT_TOKEN is not accepted by Discord: copy the token from the Bot page of your application",
    4010: "Discord refused the connection: invalid shard (4010)",
    4011: "this bot is in too many servers for one connection (4011): Discord asks for sharding from 2,500",
    4012: "Discord refused the connection: its gateway no longer speaks this version (4012); update discord.py",
    4013: "Discord refused the connection: invalid intents (4013)",
    4014: f"DISCORD_BOT_TOKEN belongs to an application whose Message Content Intent is switched off: {INTENT_CURE}",
}
"""Close codes after which connecting again is useless (Developer Docs, "Gateway Close Event Codes")."""

_FROM_PROXIES = ("HTTP 407", "HTTP 502", "HTTP 504")
"""Answers that come from a proxy rather than from what is behind it."""


def check_form(token: str) -> None:
    """Raise SettingsError for a token that cannot be one."""
    if not re.fullmatch(r"[!-~]+", token):
        raise SettingsError("DISCORD_BOT_TOKEN is no token: copy it, without 'Bot', from your application's Bot page")


def not_accepted(error: Exception, api_url: str | None) -> SettingsError:
    """Return what a failed login means to the operator.

    Args:
        error: what the login, or asking for the gateway's address, raised.
        api_url: the address of another API than Discord's; None for Discord's own.
    """
    if isinstance(error, discord.LoginFailure):
        return SettingsError(FINAL[4004])
    what = f"HTTP {error.status}" if isinstance(error, discord.HTTPException) else type(error).__name__
    if isinstance(error, aiohttp.ClientHttpProxyError):
        what = f"HTTP {error.status}"
    proxy = proxy_of(api_url or Route.BASE)
    if proxy is not None and (
        isinstance(error, (aiohttp.ClientConnectionError, aiohttp.ClientHttpProxyError)) or what in _FROM_PROXIES
    ):
        return SettingsError(
            f"{proxy.variable}: Discord cannot be reached through the proxy at {proxy.host} ({what}): check its "
            "address, user and password, and whether it lets Discord through"
        )
    if api_url is not None:
        return SettingsError(f"DISCORD_API_URL: no Discord API answers at {api_url} ({what})")
    return SettingsError(f"Discord cannot be reached ({what}): check the network, and discordstatus.com")
