"""What comes in: what a message wants, who may ask, and the door through which adapters hand messages in."""

from bot.intake.commands import Access, Kind, Reception, classify

__all__ = ["Access", "Kind", "Reception", "classify"]
