"""The sandbox put together: stand-ins that share one journal, the page, and the environment to reach them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TypeVar

from sandbox.claude import ClaudeServer
from sandbox.discord import DiscordServer
from sandbox.journal import Journal
from sandbox.page import DiscordStage, PageServer, SlackStage, Stage
from sandbox.service import Service
from sandbox.slack import SlackServer

Part = TypeVar("Part")


class Sandbox(Service):
    """Slack, Discord and Claude of one's own: `async with Sandbox() as sandbox`.

    Args:
        journal: where everything is noted; one of its own by default.
        slack: False for none, or one built to taste with the same journal; it is started and stopped here.
        discord: likewise.
        claude: likewise.
        page: whether a person can look on and take part in a browser.
        page_port: port of the page on loopback; 0 for any free one.
    """

    def __init__(
        self,
        journal: Journal | None = None,
        *,
        slack: SlackServer | bool = True,
        discord: DiscordServer | bool = True,
        claude: ClaudeServer | bool = True,
        page: bool = True,
        page_port: int = 0,
    ) -> None:
        self.journal = Journal() if journal is None else journal
        self._slack = SlackServer(self.journal) if slack is True else slack or None
        self._discord = DiscordServer(self.journal) if discord is True else discord or None
        self._claude = ClaudeServer(self.journal) if claude is True else claude or None
        stages: list[Stage] = [SlackStage(self._slack)] if self._slack else []
        if self._discord:
            stages.append(DiscordStage(self._discord))
        self._page = PageServer(self.journal, stages, self._claude, port=page_port) if page else None
        self._running = AsyncExitStack()

    @property
    def slack(self) -> SlackServer:
        """The stand-in for Slack; raises LookupError when there is none."""
        return _there(self._slack, "Slack")

    @property
    def discord(self) -> DiscordServer:
        """The stand-in for Discord; raises LookupError when there is none."""
        return _there(self._discord, "Discord")

    @property
    def claude(self) -> ClaudeServer:
        """The stand-in for Claude; raises LookupError when there is none."""
        return _there(self._claude, "Claude")

    @property
    def page_url(self) -> str:
        """The address to open in a browser; raises LookupError when there is no page."""
        return _there(self._page, "page").url

    def environment(self) -> dict[str, str]:
        """The names and values with which the bot connects to what there is here. Meaningful once it has started."""
        names: dict[str, str] = {}
        if self._slack:
            names["SLACK_BOT_TOKEN"] = self._slack.bot_token
            names["SLACK_APP_TOKEN"] = self._slack.app_token
            names["SLACK_API_URL"] = self._slack.url
        if self._discord:
            names["DISCORD_BOT_TOKEN"] = self._discord.bot_token
            names["DISCORD_API_URL"] = self._discord.url
        if self._claude:
            names["ANTHROPIC_API_KEY"] = self._claude.api_key
            names["ANTHROPIC_BASE_URL"] = self._claude.url
        return names

    async def start(self) -> None:
        """Start everything; when one part cannot start, the others are stopped again."""
        async with AsyncExitStack() as starting:
            for part in (self._slack, self._discord, self._claude, self._page):
                if part is not None:
                    await starting.enter_async_context(part)
            self._running = starting.pop_all()

    async def stop(self) -> None:
        """Stop everything, the page first."""
        await self._running.aclose()


def _there(part: Part | None, name: str) -> Part:
    if part is None:
        raise LookupError(f"this sandbox was made without {name}")
    return part
