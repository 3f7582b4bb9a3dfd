"""Budgets as the headers state them, and the pause after repeated refusals."""

from __future__ import annotations

import pytest

from adapters.discord.cooldown import REST, STRIKES, Cooldown
from adapters.discord.limits import BURST, CALLS, WINDOW, Limits
from adapters.discord.recent import Recent
from bot.ports import Observed, Write


def headers(limit: object, remaining: object, reset_after: object) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset-After": str(reset_after),
    }


def test_every_write_spends_from_its_channel_and_from_the_whole_bot() -> None:
    """Creates, edits and deletes of each channel are counted apart, and all of them together."""
    limits = Limits("discord:1")
    edit, bot = limits.budgets(Write.EDIT, "7")
    assert (edit.name, edit.calls, edit.window, edit.burst) == ("discord:1:7:edit", CALLS, WINDOW, BURST)
    assert edit.burst < edit.calls
    assert limits.budgets(Write.POST, "7")[0].name != edit.name
    assert limits.budgets(Write.EDIT, "8")[0].name != edit.name
    assert limits.budgets(Write.POST, "8")[1] == bot
    assert (bot.calls, bot.window) == (45, 1.0)


def test_headers_correct_the_limits() -> None:
    """A limit or a longer window that Discord states holds from then on, for that kind of write alone."""
    limits = Limits("discord:1")
    assert limits.learn(Write.EDIT, "7", headers(5, 4, 8.0)) == (Observed("discord:1:7:edit", 5, 4, 8.0),)
    assert limits.budgets(Write.EDIT, "7")[0].window == 8.0
    limits.learn(Write.EDIT, "7", headers(2, 1, 0.5))
    budget = limits.budgets(Write.EDIT, "9")[0]
    assert (budget.calls, budget.window, budget.burst) == (2, WINDOW, 1)
    limits.learn(Write.EDIT, "7", headers(1, 0, 0.5))
    assert limits.budgets(Write.EDIT, "7")[0].burst == 1
    assert limits.budgets(Write.POST, "7")[0].calls == CALLS


@pytest.mark.parametrize("odd", [{}, headers("x", 1, 1), headers(0, 0, 1), headers(5, -1, 1), headers(5, 1, "nan")])
def test_headers_that_make_no_sense_change_nothing(odd: dict[str, str]) -> None:
    """Missing or absurd numbers leave the limits as they were."""
    limits = Limits("discord:1")
    assert limits.learn(Write.EDIT, "7", odd) == ()
    assert limits.budgets(Write.EDIT, "7")[0].calls == CALLS


def test_a_channel_rests_after_refusals_in_a_row() -> None:
    """Three refusals without a success between them stop calls there for a minute, and only there."""
    now = 0.0
    cooldown = Cooldown(lambda: now)
    for _ in range(STRIKES - 1):
        cooldown.refused("1")
    cooldown.accepted("1")
    for _ in range(STRIKES - 1):
        cooldown.refused("1")
    assert not cooldown.rests("1")
    cooldown.refused("1")
    assert cooldown.rests("1")
    assert not cooldown.rests("2")
    now = REST
    assert not cooldown.rests("1")
    cooldown.refused("1")
    assert cooldown.rests("1")


def test_what_is_recent_is_bounded() -> None:
    """The entry set longest ago goes first; setting one again makes it new."""
    recent: Recent[int, str] = Recent(2)
    recent[1] = "a"
    recent[2] = "b"
    recent[1] = "c"
    recent[3] = "d"
    assert list(recent) == [1, 3]
    assert recent.get(1) == "c"
    assert recent.get(2) is None
