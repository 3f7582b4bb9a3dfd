"""Discord: `DiscordAdapter` is all the program needs of it."""

import warnings

with warnings.catch_warnings():
    # discord.py imports a module for voice, which this bot has none of, that Python 3.13 drops.
    warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
    import discord as _discord  # noqa: F401 - imported for the warning's sake

from adapters.discord.adapter import DiscordAdapter

__all__ = ["DiscordAdapter"]
