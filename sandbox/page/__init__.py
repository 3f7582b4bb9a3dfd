"""The page in which a person plays the channel, and the HTTP surface by which a script may do the same."""

from sandbox.page.server import PageServer
from sandbox.page.stages import DiscordStage, SlackStage, Stage

__all__ = ["DiscordStage", "PageServer", "SlackStage", "Stage"]
