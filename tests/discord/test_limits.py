"""Budgets as the headers state them, and the pause after repeated refusals."""

from __future__ import annotations

import pytest

from adapters.discord.cooldown import REST, STRIKES, Cooldown
from adapters.discord.limits import BURSTS, CALLS, OPENED, OPENED_IN, WINDOW, Limits
from adapters.discord.recent import Recent
from adapters.discord.typing import LASTS, Typing
from adapters.discord.typing import WINDOW as TYPING_WINDOW
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
    edit, bot = limits.rate_limits(Write.EDIT, "7")
    assert (edit.name, edit.calls, edit.window, edit.burst) == ("discord:1:7:edit", CALLS, WINDOW, BURSTS[Write.EDIT])
    assert edit.burst < edit.calls
    assert limits.rate_limits(Write.POST, "7")[0].name != edit.name
    assert limits.rate_limits(Write.EDIT, "8")[0].name != edit.name
    assert limits.rate_limits(Write.POST, "8")[1] == bot
    assert (bot.calls, bot.window) == (45, 1.0)


def test_threads_have_a_budget_of_their_own() -> None:
    """Opening one is counted apart from messages, by what Discord states once it has spoken."""
    limits = Limits("discord:1")
    opening = limits.rate_limits(Write.OPEN, "7")[0]
    assert (opening.calls, opening.window) == (OPENED, OPENED_IN)
    assert opening.burst > CALLS
    limits.learn(Write.OPEN, "7", headers(10, 9, 8.0))
    opening = limits.rate_limits(Write.OPEN, "7")[0]
    assert (opening.calls, opening.window, opening.burst) == (10, 8.0, 9)


def test_headers_correct_the_limits() -> None:
    """A limit or a longer window that Discord states holds from then on, for that kind of write alone."""
    limits = Limits("discord:1")
    assert limits.learn(Write.EDIT, "7", headers(5, 4, 8.0)) == (Observed("discord:1:7:edit", 5, 4, 8.0),)
    assert limits.rate_limits(Write.EDIT, "7")[0].window == 8.0
    limits.learn(Write.EDIT, "7", headers(2, 1, 0.5))
    rate_limit = limits.rate_limits(Write.EDIT, "9")[0]
    assert (rate_limit.calls, rate_limit.window, rate_limit.burst) == (2, WINDOW, 1)
    limits.learn(Write.EDIT, "7", headers(1, 0, 0.5))
    assert limits.rate_limits(Write.EDIT, "7")[0].burst == 1
    assert limits.rate_limits(Write.POST, "7")[0].calls == CALLS


@pytest.mark.parametrize("odd", [{}, headers("x", 1, 1), headers(0, 0, 1), headers(5, -1, 1), headers(5, 1, "nan")])
def test_headers_that_make_no_sense_change_nothing(odd: dict[str, str]) -> None:
    """Missing or absurd numbers leave the limits as they were."""
    limits = Limits("discord:1")
    assert limits.learn(Write.EDIT, "7", odd) == ()
    assert limits.rate_limits(Write.EDIT, "7")[0].calls == CALLS


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


def test_a_limited_channel_rests_for_as_long_as_it_was_told() -> None:
    """One refusal for rate is enough, the time is Discord's, and strikes are not counted by it."""
    now = 0.0
    cooldown = Cooldown(lambda: now)
    cooldown.limited("1", 5.0)
    assert cooldown.rests("1")
    assert not cooldown.rests("2")
    now = 5.0
    assert not cooldown.rests("1")
    cooldown.refused("1")
    assert not cooldown.rests("1")


def test_what_is_recent_is_bounded() -> None:
    """The entry set longest ago goes first; setting one again makes it new."""
    recent: Recent[int, str] = Recent(2)
    recent[1] = "a"
    recent[2] = "b"
    recent[1] = "c"
    recent[3] = "d"
    assert (recent.get(1), recent.get(3)) == ("c", "d")
    assert 2 not in recent
    assert recent.get(2) is None


def test_one_typing_call_serves_all_answers_of_a_channel() -> None:
    """While typing is to be seen it is not shown again; in another channel it is."""
    now = 0.0
    typing = Typing(lambda: now)
    assert [typing.begin("1") for _ in range(5)] == [True, False, False, False, False]
    assert typing.begin("2")
    now = LASTS
    assert typing.begin("1")


def test_typing_that_a_message_took_away_is_shown_again() -> None:
    """Twice at once, as a placeholder needs it, and then as the limit allows, even when half of it is granted."""
    now = 0.0
    typing = Typing(lambda: now)
    shown = []
    for _ in range(10):
        shown.append(typing.begin("1"))
        typing.over("1")
    assert shown == [True, True] + 8 * [False]
    now = TYPING_WINDOW
    assert typing.begin("1")


def test_after_a_refusal_typing_rests() -> None:
    """Nobody asks again in that channel before Discord's time is over."""
    now = 0.0
    typing = Typing(lambda: now)
    assert typing.begin("1")
    typing.refused("1", 20.0)
    typing.over("1")
    now = 19.0
    assert not typing.begin("1")
    assert typing.begin("2")
    now = 20.0
    assert typing.begin("1")
