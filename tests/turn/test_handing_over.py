"""What a worker leaves to the next one: when it gives a turn back, when it wakes up late, when its platform refuses."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.conversation import Place
from bot.errors import (
    BadCredentials,
    Interrupted,
    MessageFrozen,
    MessageGone,
    OutcomeUnknown,
    PlatformError,
    RateLimited,
    StoreUnavailable,
    Unavailable,
)
from bot.ports import Content, Part, Write
from bot.testing.store import MemoryStore
from bot.turn import phrases
from bot.turn.alerts import Alerts
from bot.turn.lease import HeldClaim, Order
from bot.turn.run import TurnRun
from bot.turn.writer import Writer
from tests.turn.fakes import FakePlatform
from tests.turn.house import House, expire, outboxed
from tests.turn.test_recovery import slow_house

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


# --- given back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [Order.DRAIN, Order.EDITED])
@pytest.mark.parametrize("script", [[100.0], ["half an", 100.0]], ids=["bare", "text"])
async def test_where_nothing_may_be_deleted_a_turn_is_given_back_all_the_same(order, script):
    """A message whose deletion is forbidden becomes the note, and the next worker answers."""
    house = House(script, ["the whole answer"])
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(5)
    house.platform.fail("delete", MessageFrozen("compliance_exports_prevent_deletion"), times=100)
    hold.give(order)
    await running
    await house.run(await house.claim(None))
    first, second = house.platform.shown
    assert first.endswith(phrases.INTERRUPTED_AGAIN)
    assert second == "the whole answer"


async def test_a_question_is_asked_anew_also_where_somebody_removed_the_first_answer():
    """A message that is gone by the time a turn takes its messages back is no reason to lose the question."""
    house = House(["half an", 100.0], ["the whole answer"])
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(5)
    house.platform.fail("delete", MessageGone("a person deleted it"))
    hold.give(Order.EDITED)
    await running
    await house.run(await house.claim(None))
    assert house.platform.shown[-1] == "the whole answer"


@pytest.mark.parametrize("at", [0.1, 0.8, 20.0, 21.0, 22.0, 23.0])
async def test_a_turn_given_back_in_an_outage_uses_no_name_twice(at):
    """What was posted and could not be recorded keeps its name for itself, and the turn is given back in time."""
    house, store = slow_house([100.0], ["the whole answer"])
    hold = await house.claim()
    store.failing["record"] = 1000
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(at)
    hold.give(Order.DRAIN)
    await running
    store.failing.clear()
    await house.run(await house.claim(None))
    names = [seen.nonce for seen in house.platform.messages.values()]
    assert len(names) == len(set(names))


async def test_a_shutdown_reaches_a_turn_that_waits_for_its_platform():
    """While nothing can be written there, a shutdown gives the turn back at once, and counts no crash."""
    house = House(["the whole answer"])
    house.services.alerts.tell("fake:T", "the platform is down")
    house.platform.fail("post", Unavailable("503"), times=10_000)
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(5)
    hold.give(Order.DRAIN)
    async with asyncio.timeout(5):
        await running
    assert (await house.claim(None)).claim.claims == 1


# --- taken over -------------------------------------------------------------------------------------------------


async def falls_asleep(house: House, hold: HeldClaim, after: float, *, late: float = 1800.0) -> asyncio.Task[None]:
    """Run a turn whose process sleeps from `after` on, with a write under way that lasts `late` (s); its lease ends."""
    dreaming = asyncio.create_task(house.run(hold))
    await asyncio.sleep(after)
    house.platform.latency = late
    await expire()
    house.platform.latency = 0.05
    return dreaming


@pytest.mark.parametrize("error", [BadCredentials("revoked"), PlatformError("odd")])
async def test_who_is_refused_by_its_platform_and_lost_its_turn_ends_in_order(error):
    """A turn that was taken over while the platform refused it is lost, and no failure of the program."""
    house = House([100.0], ["the whole answer"])
    hold = await house.claim()
    house.platform.latency = 1500.0
    house.platform.fail("post", error)
    running = asyncio.create_task(house.run(hold))
    await expire()
    await house.claim(None)
    await running
    assert hold.lost


async def test_a_failure_that_a_successor_delivered_stays():
    """A sleeper whose failed turn another worker brought to its end leaves the visible failure alone."""
    house = House(["half an answer", 3.0, Interrupted("reset")], max_attempts=1)
    hold = await house.claim()
    dreaming = await falls_asleep(house, hold, 2.9)
    again = await house.claim(None)
    assert again.claim.outcome is not None
    await house.run(again)
    await dreaming
    assert house.platform.shown == [f"half an answer\n\n{phrases.INTERRUPTED_FOR_GOOD}"]


async def test_a_late_edit_goes_also_where_both_workers_were_answered_the_same():
    """A sleeper whose text is that of the stored answer, which it never finished, takes its own back all the same."""
    house = House(["the ", 3.0, "whole answer", 1e5], ["the whole answer"])
    hold = await house.claim()
    dreaming = await falls_asleep(house, hold, 2.9)
    await house.run(await house.claim(None))
    assert house.platform.shown == [phrases.INTERRUPTED_AGAIN, "the whole answer"]
    hold.give(Order.LOST)
    await dreaming
    assert house.platform.shown == [phrases.INTERRUPTED_AGAIN, "the whole answer"]


async def test_who_was_to_deliver_a_stored_answer_leaves_it_where_another_delivered_it():
    """A worker that slept between its claim and its first write takes nothing of a delivered answer for its own."""
    house = House()
    await outboxed(house)
    await expire()
    slept = (await house.claim(None)).claim
    await expire()
    await house.run(await house.claim(None))
    assert house.platform.shown == ["the whole answer"]
    await house.run(HeldClaim(house.store, replace(slept, lease_until=0.0), 1000.0))
    assert house.platform.shown == ["the whole answer"]


@pytest.mark.parametrize("woke", ["after its successor was done", "while its successor answers"])
async def test_what_a_sleeper_writes_late_becomes_the_note(woke: str):
    """A write that was under way when the process fell asleep and takes effect long after stands as no answer."""
    house = House(["a first answer", 5000.0], ["the whole ", 500.0, "answer"])
    hold = await house.claim()
    # The edit that is under way takes effect then.
    dreaming = await falls_asleep(house, hold, 0.03, late=1800.0 if woke.startswith("after") else 1100.0)
    assert house.platform.shown == ["…"]
    await house.run(await house.claim(None))
    await dreaming
    assert house.platform.shown[-1] == "the whole answer"
    assert "a first answer" not in house.platform.shown
    assert len(await house.turns()) == 1


async def test_what_a_successor_delivered_stays():
    """A sleeper whose finished answer another worker brought to its end finds it stored, and leaves it alone."""
    house = House(["the whole answer"])
    hold = await house.claim()
    dreaming = await falls_asleep(house, hold, 0.03)
    again = await house.claim(None)
    assert again.claim.outcome is not None
    await house.run(again)
    await dreaming
    assert house.platform.shown == ["the whole answer"]


class CutOff(MemoryStore):
    """A store that its first worker cannot reach any more, once a second message was recorded."""

    cut = False

    def _reach(self, claim) -> None:
        if self.cut and claim.claims == 1:
            raise StoreUnavailable("cut off")

    async def record(self, claim, **more):
        await super().record(claim, **more)
        self.cut = self.cut or ((part := more.get("part")) is not None and part.index == 1)
        self._reach(claim)

    async def renew(self, claim, lease):
        self._reach(claim)
        return await super().renew(claim, lease)

    async def commit(self, claim, *args, **more):
        self._reach(claim)
        return await super().commit(claim, *args, **more)


async def test_a_recorded_message_that_a_successor_adopted_stays():
    """One whose record arrived, while the store's answer was lost, is known: who is back does not remove it."""
    house = House([2.0, "word " * 70])
    store = CutOff(history_ttl=1e6, clock=asyncio.get_running_loop().time)
    house.store, house.services = store, replace(house.services, store=store)
    hold = await house.claim()
    cut_off = asyncio.create_task(house.run(hold))
    await expire()
    again = await house.claim(None)
    assert again.claim.outcome is not None
    await house.run(again)
    whole = house.platform.shown
    assert len(whole) == 2
    store.cut = False
    await cut_off
    assert house.platform.shown == whole


async def test_a_stub_that_could_not_be_removed_is_tried_again():
    """What a dead worker left and its successor could not remove is not taken for settled by the next claim."""
    house = House([100.0], [100.0], ["the whole answer"])
    hold = await house.claim()
    receipt = await house.platform.post(hold.claim.place, Content("…"), f"{hold.claim.turn_id}.1.0")
    await house.store.record(hold.claim, part=Part(1, 0, receipt.ref))
    await expire()
    house.platform.fail("delete", PlatformError("odd"))
    dying = asyncio.create_task(house.run(await house.claim(None)))
    await asyncio.sleep(20)
    dying.cancel()
    await asyncio.wait({dying})
    await expire()
    await house.run(await house.claim(None))
    assert house.platform.shown == ["the whole answer"]


# --- refused for rate -------------------------------------------------------------------------------------------


class Resting(FakePlatform):
    """A platform that takes no edit and no deletion for half a minute."""

    async def edit(self, place, ref, content):
        return self._rest() or await super().edit(place, ref, content)

    async def delete(self, place, ref):
        return self._rest() or await super().delete(place, ref)

    def _rest(self) -> None:
        self.calls.append("asked")
        if (left := 30.0 - asyncio.get_running_loop().time()) > 0:
            raise RateLimited("429", retry_after=left)


async def nothing() -> None:
    """A fence that lets everything pass."""


@pytest.mark.parametrize("how", ["discard", "retract"])
async def test_what_is_taken_away_late_is_not_hammered(how):
    """A platform that refuses for rate what needs no turn is asked again when it said, not at once."""
    house, platform = House(), Resting()
    ref = (await platform.post(Place("C1"), Content("late"), "n")).ref
    writer = Writer(platform, house.services.pacer, fence=nothing, since=0.0)
    await (writer.discard(ref) if how == "discard" else writer.retract(Place("C1"), [ref], "note"))
    assert platform.shown == ([] if how == "discard" else ["note"])
    assert platform.calls.count("asked") <= 3


# --- in the way -------------------------------------------------------------------------------------------------


class Naming(FakePlatform):
    """A platform whose names take a second."""

    async def complete(self, messages):
        await asyncio.sleep(1.0)
        return tuple(messages)


@pytest.mark.parametrize("at", [-1.0, 0.5])
async def test_trouble_while_a_crowd_asks_hangs_no_turn(at: float):
    """Before it or while it asks for names: a turn that shows no placeholder waits for none of its own to stand."""
    house = House(["the whole answer"])
    house.platform = Naming()
    rate_limits = house.platform.rate_limits(Write.EDIT, Place("C1"))
    crowd = [house.services.pacer.live_reply(rate_limits) for _ in range(12)]
    start = asyncio.get_running_loop().time() + 1.0
    asyncio.get_running_loop().call_at(start + at, house.services.alerts.tell, "fake:T", "another could not be written")
    await asyncio.sleep(1.0)
    running = asyncio.create_task(house.run(await house.claim()))
    await asyncio.sleep(60)
    for live_reply in crowd:
        live_reply.close()
    async with asyncio.timeout(60):
        await running
    assert house.platform.shown == ["the whole answer"]


async def test_trouble_that_another_worker_found_mended_is_over():
    """A worker whose turn another one carried through says so no longer, though it writes nothing itself."""
    house = House(["the whole answer"])
    house.platform.fail("post", BadCredentials("token_revoked"))
    await house.ask()
    await asyncio.sleep(31)
    assert house.services.alerts.of("fake:T") == "token_revoked"
    another = replace(house.services, alerts=Alerts())
    await TurnRun(another, house.platform, await house.claim(None)).run()
    assert house.platform.shown == ["the whole answer"]
    await asyncio.sleep(24 * 3600)
    assert house.services.alerts.of("fake:T") == ""


class Late(FakePlatform):
    """A platform that carries out a post whose connection broke, but later than anybody looks for it."""

    async def post(self, place, content, nonce):
        if not self.messages and "late" not in self.calls:
            self.calls.append("late")
            asyncio.get_running_loop().call_later(2.0, asyncio.ensure_future, super().post(place, content, nonce))
            raise OutcomeUnknown("reset")
        return await super().post(place, content, nonce)


async def test_a_post_that_is_carried_out_late_leaves_no_stub():
    """A placeholder that came after its repetition goes when the answer stands."""
    house = House(["the ", 5.0, "whole answer"])
    house.platform = Late()
    await house.ask()
    assert house.platform.shown == ["the whole answer"]


async def test_a_lost_post_is_found_whatever_the_store_takes_for_the_time():
    """The store's clock is not the platform's: a post whose answer was lost is not sent twice."""
    house = House(["the whole answer"])
    clock = asyncio.get_running_loop().time
    house.store = MemoryStore(history_ttl=1e6, clock=lambda: clock() + 3600.0)
    house.services = replace(house.services, store=house.store)
    house.platform.fail("post", OutcomeUnknown("lost"), lost=True)
    await house.ask()
    assert house.platform.shown == ["the whole answer"]


class Stubborn(FakePlatform):
    """A platform that stores another text than it is given, and takes no edit."""

    async def post(self, place, content, nonce):
        return replace(await super().post(place, content, nonce), stored=f"{content.text[:3]}?")

    async def edit(self, place, ref, content):
        raise MessageFrozen("never")


async def test_a_platform_that_stores_another_text_and_takes_no_edit_is_not_flooded():
    """A message that cannot be mended is left as it is, rather than posted again and again."""
    house = House(["the whole answer"])
    house.platform = Stubborn()
    async with asyncio.timeout(600):
        await house.ask()
    assert house.platform.shown == ["the whole answer"]
