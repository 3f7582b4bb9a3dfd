"""Slack: events in, answers out. The only folder that knows Slack's libraries."""

from adapters.slack.adapter import SlackAdapter

__all__ = ["SlackAdapter"]
