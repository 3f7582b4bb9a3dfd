"""The bot's own sentences where they differ in a terminal: there is nobody to mention, and keys to press."""

from __future__ import annotations

from bot.intake import Kind
from bot.turn import OWN_ANSWERS

HELP = """\
Write a question and press Enter. My answer appears while it is written, and I remember this conversation.

- `help`: this text
- `reset`: start a new conversation here
- `retry`: ask the last question again
- `exit`, or Ctrl-D: leave
- Ctrl-C: stop the answer that is being written\
"""
GREETING = "Hello! Ask me anything: write your question and press Enter. Say `help` for more."

ANSWERS = {**OWN_ANSWERS, Kind.HELP: HELP, Kind.GREETING: GREETING}
"""What the bot answers by itself."""
