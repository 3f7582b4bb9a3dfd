"""A stand-in for the Claude API: point ANTHROPIC_BASE_URL at `ClaudeServer.url` and use `ClaudeServer.api_key`."""

from sandbox.claude.models import CatalogueModel
from sandbox.claude.script import CATALOGUE, AnswerFault, Asked, Script
from sandbox.claude.server import ClaudeServer

__all__ = ["CATALOGUE", "AnswerFault", "Asked", "CatalogueModel", "ClaudeServer", "Script"]
