"""Claude over the `anthropic` SDK: the only room that imports it."""

from bot.claude.check import check_key
from bot.claude.client import Claude

__all__ = ["Claude", "check_key"]
