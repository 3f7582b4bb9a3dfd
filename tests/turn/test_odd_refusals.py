"""Refusals that make no sense, in virtual time: nothing is silent for good, nobody is asked in vain for long."""

from __future__ import annotations

import asyncio
import math

import pytest

from bot.conversation import StopReason
from bot.errors import LONGEST_PAUSE, ContentRefused, PlatformError, RateLimited, Unavailable
from bot.pacing import Pacer
from bot.ports import RateLimit
from bot.turn.lease import HeldClaim
from bot.turn.run import GIVE_UP
from tests.turn.house import House

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


@pytest.mark.parametrize(
    ("said", "meant"),
    [(1e9, LONGEST_PAUSE), (math.inf, LONGEST_PAUSE), (-5.0, 0.0), (math.nan, None), (None, None), (7.0, 7.0)],
)
async def test_what_a_platform_asks_for_is_bounded(said: float | None, meant: float | None):
    """No error ever says to wait for longer than five minutes, for less than nothing, or for no number of seconds."""
    assert PlatformError("x", retry_after=said).retry_after == meant


async def test_a_channel_is_not_silent_for_good():
    """After one refusal for a thousand million seconds the answer stands within minutes, and the next one at once."""
    house = House(["the whole answer"], ["another"])
    house.platform.fail("post", RateLimited("no", retry_after=1e9))
    await house.ask()
    assert house.platform.shown == ["the whole answer"]
    assert asyncio.get_running_loop().time() < LONGEST_PAUSE + 60
    began = asyncio.get_running_loop().time()
    await house.ask("And now?", "2")
    assert asyncio.get_running_loop().time() - began < 10


async def test_a_post_that_is_refused_again_and_again_rests_longer():
    """A platform that refuses for rate and names a second, or none, is not asked thirty times in half a minute."""
    house = House(["the whole answer"])
    house.platform.fail("post", RateLimited("no", retry_after=0.0), times=9999)
    asking = asyncio.create_task(house.ask())
    await asyncio.sleep(30)
    assert 2 <= house.platform.calls.count("post") <= 10
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def test_a_long_rest_is_known():
    """Which limits rest for long, and for how long, can be asked of the pacer."""
    pacer = Pacer()
    limit = RateLimit("slack:T:chat.update", 50, 60.0, 10)
    pacer.refused([limit], 1e9)
    assert pacer.resting(60.0) == {limit.name: pytest.approx(LONGEST_PAUSE)}
    await asyncio.sleep(LONGEST_PAUSE - 30)
    assert pacer.resting(60.0) == {}


async def test_what_could_not_be_said_is_said_later():
    """A place that takes no text at all, not even a sentence in its stead, gets the answer when it works again."""
    house = House(["the whole answer"], ["the whole answer"])
    house.platform.fail("post", ContentRefused("999999"), times=2)
    await house.ask()
    await asyncio.sleep(31)
    claim = await house.claim(None)
    await house.run(claim)
    assert "the whole answer" in house.platform.shown[-1]


async def test_a_turn_that_can_never_be_written_ends():
    """Where writing fails for an hour for no known reason the turn ends, and its thread goes on."""
    house = House(*(["the whole answer"] for _ in range(99)))
    house.platform.fail("post", Unavailable("moon_phase"), times=99_999)
    await house.ask()
    for _ in range(60):
        await asyncio.sleep(120)
        claim = await house.store.claim(["fake:T"], "w", 10_000.0)
        if claim is None:
            break
        await house.run(HeldClaim(house.store, claim, 10_000.0))
    assert GIVE_UP * 30 < asyncio.get_running_loop().time() < GIVE_UP * 600
    [turn] = await house.turns()
    assert turn.stop is StopReason.FAILED
