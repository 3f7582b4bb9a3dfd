"""Stand-ins for Slack, Discord and Claude that speak the real wire protocols on loopback.

They enforce the platforms' limits, can be told to misbehave, and keep a journal of all that a reader saw. They know
nothing of the bot: any client of the real services can be pointed at them.
"""
