"""Whether a turn may write, and what becomes of it where it cannot: on fakes at its boundary, in virtual time."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace

import pytest

from bot.conversation import Place, StopReason
from bot.errors import (
    Interrupted,
    PlaceClosed,
    RateLimited,
    Unavailable,
)
from bot.ports import Content, RateLimit, Write
from bot.turn.lease import HeldClaim
from bot.turn.run import RETURN_DELAY
from bot.turn.writer import RETRY_WINDOW
from tests.turn.fakes import FakePlatform
from tests.turn.house import House, dies, expire

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


async def test_nobody_is_asked_where_nothing_can_be_written():
    """A turn in a place known to be closed ends without a call and without asking Claude; its question is kept."""
    house = House(["an answer"])
    house.platform.closed_because = "channel_not_found"
    await house.ask()
    assert (house.model.requests, house.platform.calls, house.platform.statuses) == ([], [], [])
    [turn] = await house.turns()
    assert (turn.stop, turn.answer, turn.questions[0].text) == (StopReason.STOPPED, "", "Why?")


@pytest.mark.parametrize("wait", [0.04, 0.05, 0.06])
async def test_a_stream_that_breaks_as_its_place_closes_leaves_no_traceback(
    caplog: pytest.LogCaptureFixture, wait: float
):
    """Where nothing can be shown nobody asks how the stream ended, and the log has nothing of it."""
    house = House([wait, Interrupted("reset")])
    house.platform.fail("post", PlaceClosed("archived"), times=5)
    await house.ask()
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_what_was_written_is_ended_also_where_a_place_is_closed_now():
    """What a dead worker left on the screen is brought to its end: a place may be open to edits, and opens again."""
    house = House([5.0, "an answer"], ["an answer"])
    await dies(house, await house.claim(), 1.0)
    assert house.platform.shown == ["…"]
    house.platform.closed_because = "is_archived"
    await house.ask(None)
    assert house.platform.shown == ["an answer"]


@pytest.mark.parametrize("moment", [0.02, 1.02, 2.02, 3.07, 3.12])
async def test_no_call_is_cancelled_in_flight(moment):
    """Whenever a turn is cancelled, the platform call that is under way comes to its end first."""
    house = House([1.0, "the ", 1.0, "whole ", 1.0, "answer"])
    running = asyncio.create_task(house.run(await house.claim()))
    await asyncio.sleep(moment)
    running.cancel()
    await asyncio.wait({running})
    assert house.platform.cancelled == 0
    assert house.platform.in_flight == 0


async def test_who_slept_asks_before_writing():
    """A worker whose lease ended while it slept asks the store before its first write, and writes nothing."""
    house = House(["an answer"])
    slept = (await house.claim()).claim
    await expire()
    await house.claim(None)
    await house.run(HeldClaim(house.store, replace(slept, lease_until=0.0), 1000.0))
    assert house.platform.messages == {}


async def test_what_is_shown_is_what_was_written():
    """When the platform stored another text than it was given, the message is written once more."""

    class Truncating(FakePlatform):
        cuts = 1

        async def edit(self, place, ref, content):
            if self.cuts and content.text == "the whole answer":
                self.cuts -= 1
                receipt = await super().edit(place, ref, Content(content.text[:5]))
                return replace(receipt, stored=content.text[:5])
            return await super().edit(place, ref, content)

    house = House(["the ", 2.0, "whole answer"])
    house.platform = Truncating()
    await house.ask()
    assert house.platform.shown == ["the whole answer"]


@pytest.mark.parametrize("call", ["post", "edit"])
async def test_a_write_is_given_up_after_minutes_of_failures(call: str):
    """Where a platform is away for long the turn goes back into the store: no task tries one write for ever."""
    house = House(["the ", 2.0, "whole answer"])
    house.platform.fail(call, Unavailable("503"), times=10_000)
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(3600):
        await house.ask()
    assert RETRY_WINDOW <= asyncio.get_running_loop().time() - began <= RETRY_WINDOW + 60
    assert "503" in house.services.alerts.of("fake:T")
    await asyncio.sleep(RETURN_DELAY + 1)
    assert await house.store.claim(["fake:T"], "w", 15.0) is not None


@pytest.mark.parametrize(("named", "rest"), [("two", {"two"}), ("of another", {"one", "two"}), ("", {"one", "two"})])
async def test_a_refusal_rests_the_limit_that_it_names(named: str, rest: set[str]):
    """The other limits of the same write go on; without a name of ours all rest, without a time for a second."""

    class Twice(FakePlatform):
        def rate_limits(self, write: Write, place: Place) -> tuple[RateLimit, ...]:
            return tuple(RateLimit(name, 50, 60.0, 10) for name in ("one", "two"))

    house = House(["the whole answer"])
    house.platform = Twice()
    house.platform.fail("post", RateLimited("429", bucket=named))
    running = asyncio.create_task(house.ask())
    await asyncio.sleep(0.1)
    resting = house.services.pacer.resting(0.0)
    assert set(resting) == rest
    assert all(seconds == pytest.approx(0.95, abs=0.05) for seconds in resting.values())
    await running
    assert house.platform.shown == ["the whole answer"]
