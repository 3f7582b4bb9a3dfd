"""A stand-in for Slack: the Web API, Socket Mode and the HTTP event push of one workspace with one app installed."""

from sandbox.slack.content import Rules
from sandbox.slack.rates import Rates
from sandbox.slack.server import SlackServer
from sandbox.slack.world import Channel, Post, User, Workspace

__all__ = ["Channel", "Post", "Rates", "Rules", "SlackServer", "User", "Workspace"]
