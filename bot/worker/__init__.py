"""Claims turns, owns their tasks, drains; tells those who wait that they were heard."""

from bot.worker.store_watch import StoreWatch
from bot.worker.worker import Worker

__all__ = ["StoreWatch", "Worker"]
