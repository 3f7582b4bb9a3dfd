"""Pure functions on text: how Claude's Markdown becomes messages that look right at every moment.

Nothing here does I/O, knows a clock or a platform's client. A platform describes itself by a `Dialect`; `Layout`
lays a growing text out over messages of that dialect.
"""

from bot.text.layout import Dialect, Layout

__all__ = ["Dialect", "Layout"]
