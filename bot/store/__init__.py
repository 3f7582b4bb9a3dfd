"""Redis or Valkey: everything that outlives a process. The only room that imports `redis`."""

from bot.store.embedded import EmbeddedServer
from bot.store.redis import RedisStore
from bot.store.rules import FURTHEST

__all__ = ["FURTHEST", "EmbeddedServer", "RedisStore"]
