"""What platforms answer that they never should, and how long they ask to wait: every question comes to its end."""

from __future__ import annotations

import pytest

from sandbox.faults import Fault
from tests.fuzz import answers
from tests.whole.house import Slack
from tests.whole.test_health import probing


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_odd_answers_lose_no_question(platform: str) -> None:
    """While calls are answered with nonsense and after it, each question ends in the whole answer or a failure."""
    assert await answers.fuzz(platform, 3, seed=3, years=False, at_once=2) == []


@pytest.mark.time_limit(120)
async def test_a_rest_of_years_is_told(slack: Slack) -> None:
    """A platform that asks for a rest of years makes the bot rest for minutes, and `/readyz` says so."""
    async with slack.house.bot(drain_seconds=0.0) as app:
        slack.server.faults.add(Fault(slack.post_call, "status", status=429, retry_after=1e9))
        await slack.ask("a table, please")

        async with probing(app) as probe:
            problems = await probe.becomes(503)
            assert any("asked for a rest of" in problem for problem in problems.values())
