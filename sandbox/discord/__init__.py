"""A stand-in for Discord: REST and gateway over real HTTP and WebSocket, with its limits, errors and events."""

from .people import Person, Place
from .server import DiscordServer
from .world import Upload

__all__ = ["DiscordServer", "Person", "Place", "Upload"]
