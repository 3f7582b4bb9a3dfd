"""Slack's older markup for workspaces that refuse Markdown blocks: tables, which it does not have."""

import pytest

from adapters.slack import SlackAdapter
from adapters.slack.rendering import TABLE_WIDTH, to_mrkdwn
from bot.conversation import Place
from bot.errors import PlatformError
from bot.ports import Content
from sandbox.journal import Journal
from sandbox.slack import SlackServer

TABLE = "| What | p99 |\n|---|---:|\n| a **b** | 12 ms |\n| `c` <!here> | 9 ms |"
ALIGNED = "```\nWhat      |   p99\n----------+------\na b       | 12 ms\nc <\u200b!here> |  9 ms\n```"


def test_table_is_aligned_in_a_fence() -> None:
    """A table is monospaced text in a fence, without marks that would be shown there; the rest stays what it was."""
    assert to_mrkdwn(f"A **b**:\n\n{TABLE}\n\n`| a |` after.") == f"A *b*:\n\n{ALIGNED}\n`| a |` after."


def test_wide_table_is_a_list() -> None:
    """A table too wide for one line becomes a list for each row, so that no line of it wraps into the next."""
    wide = "x" * TABLE_WIDTH
    assert to_mrkdwn(f"| What | Long |\n|---|---|\n| **a** | {wide} |") == f"*a*\n\n•   Long: {wide}"


def test_table_in_a_fence_stays() -> None:
    """A table that is shown as code stays as it is written."""
    code = f"```\n{TABLE}\n```"
    assert to_mrkdwn(code) == code.replace("<!", "<\u200b!")


async def test_readers_of_a_plain_workspace_see_no_pipes(
    adapter: SlackAdapter, slack: SlackServer, journal: Journal
) -> None:
    """Once blocks were refused, a table arrives aligned, calls nobody."""
    platform, place = adapter.platform, Place(slack.workspace.channel("general").id)
    slack.rules.markdown = 0
    with pytest.raises(PlatformError):
        await platform.post(place, Content("x"), "n")
    receipt = await platform.post(place, Content(platform.dialect(place).render(TABLE)), "n.0")
    shown = journal.message("slack", receipt.ref.channel, receipt.ref.id)
    assert shown.text == ALIGNED
    assert shown.extra["pings"] == []
