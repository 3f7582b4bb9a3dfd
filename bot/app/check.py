"""Tries everything `run` needs and starts nothing: all that is wrong is found at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from aiohttp import web

from bot.app import preflight
from bot.app.app import adapters, claude, open_store
from bot.app.http import PortTaken, serve
from bot.app.roles import Role
from bot.app.settings import Settings, doubtful
from bot.errors import BotError


@dataclass
class Findings:
    """What `check` found: what works less than it could, and what `run` cannot start with."""

    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def trying(self) -> Iterator[None]:
        """Note what is wrong in the block; a mistake in one thing does not hide those in the next."""
        try:
            yield
        except BotError as error:
            if str(error) not in self.errors:  # as it was foreseen
                self.errors.append(str(error))


async def check(settings: Settings, role: Role = Role.ALL) -> Findings:
    """Try everything `run` needs in that role, each thing whatever the others came to."""
    found = Findings(warnings=doubtful(), errors=preflight.wrong(settings, role))
    async with AsyncExitStack() as stack:
        if role.answers:
            with found.trying():
                model = claude(settings)
                stack.push_async_callback(model.close)
                found.warnings += await model.check(ask=True)
        for adapter in adapters(settings, role):
            with found.trying():
                stack.push_async_callback(adapter.close)
                await adapter.start()
                found.warnings += await adapter.check()
        with found.trying():
            await stack.enter_async_context(open_store(settings, warn=found.warnings.append))
        with found.trying():
            try:
                await stack.enter_async_context(serve(web.Application(), settings.http_host, settings.http_port))
            except PortTaken as error:
                found.warnings.append(f"{error} It may be this bot that runs there.")
    return found
