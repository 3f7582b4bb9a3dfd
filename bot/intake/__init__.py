"""What comes in: who may ask, what a message wants, and where the platforms' adapters hand messages in."""

from bot.intake.access import Access
from bot.intake.commands import Kind, classify
from bot.intake.reception import Reception

__all__ = ["Access", "Kind", "Reception", "classify"]
