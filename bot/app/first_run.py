"""The first run, without any token: the bot beside its stand-ins in one process, in the browser or in this terminal."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

from adapters.terminal.console import Console
from bot.app.app import App, open_chat
from bot.app.invocation import COMMAND
from bot.app.preflight import NO_KEY
from bot.app.settings import Settings
from bot.errors import SettingsError
from sandbox.app import Sandbox
from sandbox.claude import ClaudeServer
from sandbox.discord import DiscordServer
from sandbox.journal import Journal
from sandbox.slack import SlackServer, Workspace

Read = Callable[..., Settings]
"""Reads the settings; keyword arguments win over the environment."""

NAME = "firsttoken"
"""What the bot is called in the sandbox."""

STAND_IN = "the stand-in for Claude, which makes its answers up"

_RATE = 40.0  # deltas a second, and
_FIRST_DELAY = 0.6  # s to the first: about what one sees of the real Claude


async def sandbox(read: Read, port: int) -> None:
    """Serve the stand-ins and the page on loopback with the bot connected, until SIGTERM or SIGINT, and say so.

    Claude is the real one when there is a key, else its stand-in; what is said tells which.

    Args:
        read: reads the settings.
        port: the page's port; 0 for any free one.

    Raises:
        SettingsError: the port is taken, or what `App.run` raises.
    """
    own = read()
    real = own.anthropic_api_key is not None
    journal = Journal()
    async with AsyncExitStack() as stack:
        # A new workspace each time: what the store may still hold of the one before concerns nobody any more.
        slack = SlackServer(journal, workspace=Workspace(team_id=f"T{secrets.token_hex(5).upper()}", bot_name=NAME))
        discord = DiscordServer(journal, bot_name=NAME)
        box = Sandbox(journal, slack=slack, discord=discord, claude=not real and _stand_in(journal), page_port=port)
        try:
            await stack.enter_async_context(box)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else error.strerror
            raise SettingsError(
                f"--port: the sandbox's page cannot be on 127.0.0.1:{port} ({reason}); "
                f"`{COMMAND} sandbox --port 0` takes any free one."
            ) from None
        settings = read(**_environment(box), **_apart(own))
        app = App(settings)
        who = f"Claude ({_described(settings)})" if real else f"{STAND_IN} (there is no ANTHROPIC_API_KEY)"
        announcing = asyncio.create_task(_announce(app, box.page_url, who))
        try:
            await app.run()
        finally:
            announcing.cancel()
    print("\nThe sandbox is closed." if sys.stdout.isatty() else "The sandbox is closed.")  # noqa: T201


async def chat(read: Read, *, sandbox: bool, resume: str | None, stats: bool) -> int:
    """Talk in this terminal; returns the exit status.

    Args:
        read: reads the settings.
        sandbox: ask the stand-in for Claude.
        resume: a session to go on with; "" for the last one, None for a new one.
        stats: show tokens and times after each answer.

    Raises:
        BotError: what `open_chat` and `Console.run` raise.
    """
    async with AsyncExitStack() as stack:
        settings = read()
        if sandbox:
            journal = Journal()
            claude = _stand_in(journal)
            box = Sandbox(journal, slack=False, discord=False, claude=claude, page=False)
            await stack.enter_async_context(box)
            settings = read(**_environment(box), **_apart(settings))
        elif settings.anthropic_api_key is None:
            raise SettingsError(f"{NO_KEY}, or try `{COMMAND} chat --sandbox`, which needs none.")
        who = STAND_IN if sandbox else _described(settings)
        session = await stack.enter_async_context(open_chat(settings, resume))
        again = f"{COMMAND} chat{' --sandbox' * sandbox} --resume {session.session}"
        return await Console(session, who=who, resumed=resume is not None, again=again, stats=stats).run()


def _stand_in(journal: Journal) -> ClaudeServer:
    return ClaudeServer(journal, rate=_RATE, first_delay=_FIRST_DELAY)


def _environment(box: Sandbox) -> dict[str, Any]:
    return {name.lower(): value for name, value in box.environment().items()}


def _apart(own: Settings) -> dict[str, Any]:
    """What keeps a sandbox apart from the operator's own bot: its data, its port, and ids that nobody has there."""
    nobody = frozenset[str]()
    apart: dict[str, Any] = {
        "data_dir": own.data_dir / "sandbox",
        "allowed_users": nobody,
        "allowed_channels": nobody,
        "allowed_workspaces": nobody,
        "drain_seconds": 0.0,  # the answers end with the stand-ins that show them
    }
    if "http_port" not in own.model_fields_set:
        apart["http_port"] = 0
    return apart


def _described(settings: Settings) -> str:
    """The model that answers, and where when that is not Anthropic's own address."""
    host = settings.anthropic_base_url and urlsplit(settings.anthropic_base_url).hostname
    return f"{settings.claude_model} at {host}" if host else settings.claude_model


async def _announce(app: App, address: str, who: str) -> None:
    await app.ready.wait()
    print(f"The sandbox is open: {address}\nAnswered by {who}. Ctrl-C ends it.", flush=True)  # noqa: T201
