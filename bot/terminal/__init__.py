"""The same turn for one person at a terminal."""

from bot.terminal.chat import Chat
from bot.terminal.sessions import choose_session, note_session

__all__ = ["Chat", "choose_session", "note_session"]
