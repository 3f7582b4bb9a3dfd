"""When a write may go: every write asks the `Pacer`, which shares each rate limit fairly among the live replies."""

from bot.pacing.pacer import LiveReply, Pacer, Urgency

__all__ = ["LiveReply", "Pacer", "Urgency"]
