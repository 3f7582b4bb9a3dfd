"""The first run, without any token: the bot beside its stand-ins in one process, in the browser or in this terminal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

from adapters.terminal.console import Console
from bot.app import App, open_chat
from bot.settings import Settings
from sandbox.app import Sandbox

Read = Callable[..., Settings]
"""Reads the settings; keyword arguments win over the environment."""


async def sandbox(read: Read, port: int) -> None:
    """Serve the stand-ins and the page on loopback with the bot connected, until SIGTERM or SIGINT.

    Claude is the real one when there is a key, else its stand-in; what is said tells which.
    """
    own = read()
    real = own.anthropic_api_key is not None
    async with Sandbox(page_port=port, claude=not real) as box:
        environment = {name.lower(): value for name, value in box.environment().items()}
        settings = read(**environment, data_dir=own.data_dir / "sandbox")
        app = App(settings)
        who = f"the real Claude ({settings.claude_model})" if real else "the stand-in for Claude (no ANTHROPIC_API_KEY)"
        print(f"The sandbox is open, answered by {who}.\n\n    {box.page_url}\n\nCtrl-C ends it.", flush=True)  # noqa: T201
        await app.run()


async def chat(read: Read, *, sandbox: bool, resume: str | None, stats: bool) -> int:
    """Talk in this terminal; returns the exit status.

    Args:
        read: reads the settings.
        sandbox: ask the stand-in for Claude.
        resume: a session to go on with; "" for the last one, None for a new one.
        stats: show tokens and times after each answer.
    """
    async with AsyncExitStack() as stack:
        overrides = {}
        if sandbox:
            box = await stack.enter_async_context(Sandbox(slack=False, discord=False, page=False))
            environment = box.environment()
            overrides = {name.lower(): environment[name] for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")}
        session = await stack.enter_async_context(open_chat(read(**overrides), resume))
        return await Console(session, stats=stats).run()
