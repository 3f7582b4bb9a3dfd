"""The same turn for one person at a terminal."""

from bot.terminal.chat import Chat

__all__ = ["Chat"]
