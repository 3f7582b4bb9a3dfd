"""The edges of a turn, where two things go wrong at once: on fakes at its boundary and in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.conversation import Author, Place, StopReason
from bot.errors import (
    BadCredentials,
    Busy,
    ContentRefused,
    Interrupted,
    MessageFrozen,
    PlaceClosed,
    PlatformError,
    RateLimited,
    StoreUnavailable,
    TooLong,
    Unavailable,
)
from bot.intake import Access, Reception
from bot.ports import RateLimit, Write
from bot.testing.store import MemoryStore
from bot.turn import phrases, place
from bot.turn.lease import Order
from bot.worker.worker import Worker
from tests.turn.fakes import FakePlatform, ScriptedModel, message
from tests.turn.house import KEY, House, dies

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


class Knowing(FakePlatform):
    """A platform that completes messages, reads threads and tells askers."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.read: list[str] = []

    async def complete(self, messages):
        return tuple(replace(m, author=Author(m.author.id, "Real Name")) for m in messages)

    async def thread_before(self, message_):
        self.read.append(message_.id)
        return (message("earlier", "0"),)

    async def notify(self, _place, user, _ref, _nonce):
        self.told.append(user)


async def test_nobody_is_asked_while_nothing_can_be_shown():
    """While the platform refuses our credentials, a waiting turn asks Claude once and not once a try."""
    house = House(["a", 1.0, "b"], [5.0, "the whole answer"])
    house.platform.fail("post", BadCredentials("revoked"), times=20)
    await house.ask()
    for _ in range(19):
        await asyncio.sleep(31)
        await house.run(await house.claim(None))
    assert len(house.model.requests) <= 2
    await asyncio.sleep(31)
    await house.run(await house.claim(None))
    assert house.platform.shown == ["the whole answer"]


async def test_a_refusal_nobody_knows_ends_the_turn():
    """An error of the platform that repeating does not mend ends the turn as failed; the thread goes on."""
    house = House(["answer"])
    house.platform.fail("post", PlatformError("some new code"), times=99)
    await house.ask()
    [turn] = await house.turns()
    assert turn.stop is StopReason.FAILED


@pytest.mark.parametrize("call", ["post", "edit"])
async def test_refused_stand_ins_end(call):
    """Where even the sentence in place of a refused page is refused, the turn ends instead of trying for ever."""
    house = House(["bad words"])
    house.platform.fail(call, ContentRefused("240000"), times=9999)
    async with asyncio.timeout(600):
        await house.ask()
    assert house.platform.calls.count(call) < 10


async def test_an_edit_cannot_turn_questions_into_a_word_to_the_bot():
    """When the last of several waiting questions is edited to a command, the others are still asked."""
    house = House(["the answer"])
    await house.store.submit(message("One?", "1", at=1.0))
    await house.store.submit(message("Two?", "2", at=2.0))
    await house.store.amend(KEY, "fake:T", message_id="2", text="help")
    await house.run(await house.claim(None))
    assert "One?" in house.model.requests[0].messages[-1][1]


async def test_a_turn_claimed_while_draining_is_given_back():
    """What is being claimed when the worker is told to drain runs nowhere unowned, and waits for another worker."""
    inside, gate = asyncio.Event(), asyncio.Event()

    class Slow(MemoryStore):
        async def claim(self, *args):
            claim = await super().claim(*args)
            if claim:
                inside.set()
                await gate.wait()
            return claim

    house = House(["answer"])
    house.store = Slow(history_ttl=1e6, clock=asyncio.get_running_loop().time)
    services = replace(house.services, store=house.store)
    worker = Worker(services, {"fake:T": house.platform}, name="w", lease=15.0, limit=5)
    await house.store.submit(message())
    working = asyncio.create_task(worker.run())
    await inside.wait()
    draining = asyncio.create_task(worker.drain(10, asyncio.Event()))
    await asyncio.sleep(0.5)
    gate.set()
    await draining
    assert worker.running == 0
    await working
    assert await house.store.claim(["fake:T"], "other", 15.0) is not None


async def test_what_is_delivered_later_is_stored_as_asked():
    """A retry that was finished but not delivered replaces the last answer, whoever delivers it."""
    house = House(["first"], ["second"])
    await house.ask("Why?", "1")
    hold = await house.claim("retry", "2", alone=True)
    house.platform.fail("edit", Unavailable("500"), times=1000)
    house.platform.fail("post", Unavailable("500"), times=1000)
    await dies(house, hold, 30)
    await house.run(await house.claim(None))
    assert [(turn.questions[0].text, turn.answer) for turn in await house.turns()] == [("Why?", "second")]


async def test_what_is_delivered_later_keeps_names_and_background():
    """Display names and what was said before are in the history, also when a successor delivers the answer."""
    house = House(["the whole answer"])
    house.platform = Knowing()
    await house.store.submit(replace(message(), mid_thread=True))
    hold = await house.claim(None)
    house.platform.fail("edit", Unavailable("500"), times=1000)
    house.platform.fail("post", Unavailable("500"), times=1000)
    await dies(house, hold, 30)
    await house.run(await house.claim(None))
    [turn] = await house.turns()
    assert turn.questions[0].author.name == "Real Name"
    assert [before.text for before in turn.background] == ["earlier"]


async def test_busy_timeouts_count_from_when_claude_is_busy():
    """An overload after a long stream is waited out anew, not added to one before it."""
    stream = ["part", *[step for _ in range(15) for step in (10.0, "word ")], Interrupted("reset")]
    house = House([Busy("529", retry_after=1.0)], stream, [Busy("529", retry_after=1.0)], ["the whole answer"])
    await house.ask()
    assert house.platform.shown[-1] == "the whole answer"


async def test_a_superseded_stub_never_stays():
    """When the new message that takes over from a stub must be split first, the stub still goes."""
    house = House(["the ", 3.0, "whole answer " + "w " * 60], limit=2000)
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(2)
    house.services.pacer.refused(house.platform.rate_limits(Write.EDIT, hold.claim.place), 30.0)
    house.platform.fail("post", TooLong("msg_too_long"))
    house.platform.limit = 100
    await running
    assert "\n".join(house.platform.shown).count("the") == 1


async def test_an_edited_question_takes_everything_away():
    """An answer withdrawn while a new message takes over from its stub leaves neither behind."""
    house = House([3.0, "the answer", 100.0], ["new"])
    house.platform.latency = 1.0
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(2.5)
    house.services.pacer.refused(house.platform.rate_limits(Write.EDIT, hold.claim.place), 60.0)
    await asyncio.sleep(1.6)
    hold.give(Order.EDITED)
    await running
    assert house.platform.shown == []


async def test_a_placeholder_that_may_not_be_deleted_says_so():
    """Where a dead worker's placeholder cannot be deleted it becomes the note: never "…" for ever."""
    house = House([100.0], ["the whole answer"])
    hold = await house.claim()
    await dies(house, hold, 20)
    house.platform.fail("delete", MessageFrozen("cant_delete_message"), times=10)
    await house.run(await house.claim(None))
    assert house.platform.shown == [phrases.INTERRUPTED_AGAIN, "the whole answer"]


async def test_a_failing_server_cannot_hold_an_answer_for_a_day():
    """A Retry-After of hours on a failed call is obeyed for a minute at most."""
    house = House(["a ", 2.0, "b"])
    house.platform.fail("edit", Unavailable("503", retry_after=86400.0))
    async with asyncio.timeout(120):
        await house.ask()
    assert house.platform.shown == ["a b"]


@pytest.mark.parametrize("ending", ["stopped", "failed"])
async def test_only_answers_are_announced(ending):
    """The asker is not pinged about an answer that they stopped or that failed."""
    house = House(*[["some text", 100.0, Interrupted("reset")]] * 3)
    house.platform = Knowing()
    hold = await house.claim()
    running = asyncio.create_task(house.run(hold))
    await asyncio.sleep(40)
    if ending == "stopped":
        hold.give(Order.STOP)
    await running
    assert house.platform.told == []


async def test_no_broken_text_enters_history():
    """When the place closes while the note is written, the broken partial is not stored as an answer."""
    house = House(["half an", 5.0, Interrupted("reset")])
    running = asyncio.create_task(house.run(await house.claim()))
    await asyncio.sleep(4)
    for call in ("edit", "post"):
        house.platform.fail(call, PlaceClosed("archived"), times=5)
    await running
    [turn] = await house.turns()
    assert turn.answer == ""


async def test_a_partial_is_kept_whoever_delivers_the_failure():
    """With ON_INTERRUPT=keep the text that readers saw stays when a successor tells them that it failed."""
    house = House(["part", 2.0, Interrupted("reset")], max_attempts=1)
    hold = await house.claim()
    asyncio.get_running_loop().call_later(1.5, house.platform.fail, "edit", Unavailable("500"))
    for call in ("edit", "post"):
        asyncio.get_running_loop().call_later(1.6, lambda c=call: house.platform.fail(c, Unavailable("5"), times=999))
    await dies(house, hold, 30)
    await house.run(await house.claim(None))
    assert house.platform.shown == [f"part\n\n{phrases.INTERRUPTED_FOR_GOOD}"]


async def test_every_attempt_shows_that_claude_thinks():
    """The status is shown again while the second attempt has no text."""
    house = House([5.0, "part", 3.0, Interrupted("reset")], [30.0, "whole"])
    running = asyncio.create_task(house.run(await house.claim()))
    await asyncio.sleep(25)
    assert house.platform.statuses[-1] == phrases.STATUS
    await running
    assert house.platform.statuses[-1] == ""


async def test_stop_survives_an_outage_between_its_two_steps():
    """An order to stop that was accepted but not carried out is carried out when it is delivered again."""

    class Failing(MemoryStore):
        fails = False

        async def amend(self, *args, **more):
            if self.fails:
                raise StoreUnavailable("away")
            return await super().amend(*args, **more)

    store = Failing(history_ttl=1e6, clock=asyncio.get_running_loop().time)
    reception = Reception(store, Access())
    await reception.submit(message())
    claim = await store.claim(["fake:T"], "w", 15.0)
    assert claim is not None
    store.fails = True
    with pytest.raises(StoreUnavailable):
        await reception.submit(message("stop", "2", at=2.0))
    store.fails = False
    await reception.submit(message("stop", "2", at=2.0))
    assert (await store.renew(claim, 15.0)).stopped


class Opening(FakePlatform):
    """Opens threads, of which it allows five in ten minutes, and as many posts."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.posted: dict[str | None, float] = {}

    def rate_limits(self, write, place):
        allowed = {Write.OPEN: RateLimit("open", 5, 600.0, 4), Write.POST: RateLimit("post", 90, 5.0, 60)}
        return (allowed[write],) if write in allowed else super().rate_limits(write, place)

    async def open(self, place, title):
        self.opened.append(place.root)
        return replace(place, thread=place.root, root=None)

    async def post(self, place, content, nonce):
        self.posted.setdefault(place.thread or place.reply_to, asyncio.get_running_loop().time())
        return await super().post(place, content, nonce)


async def test_threads_are_opened_as_they_are_paced():
    """Of twenty mentions at once a few get a thread; the others do not wait for one, and are answered by replies."""
    house = House()
    house.platform, house.model.scripts = Opening(), ScriptedModel(*[["a"]] * 20).scripts
    began = asyncio.get_running_loop().time()
    running = []
    for n in range(20):
        asked = replace(message("q", str(n), thread=str(n), at=n + 1.0), place=Place("C1", root=str(n)))
        await house.store.submit(asked)
        running.append(asyncio.create_task(house.run(await house.claim(None))))
    await asyncio.wait(running)
    assert len(house.platform.opened) == 4
    assert house.platform.posted.keys() == {str(n) for n in range(20)}
    assert max(house.platform.posted.values()) - began <= place.OPEN_FALLBACK + 1.0


async def test_a_status_refused_for_rate_is_shown_when_that_is_over():
    """The turn goes on asking once the platform's time is over, and not before."""

    class Strict(FakePlatform):
        refused = 0

        async def show_status(self, place, text):
            self.refused += 1
            if self.refused == 1:
                raise RateLimited("too many", retry_after=3.0)
            asked.append(asyncio.get_running_loop().time() - began)
            await super().show_status(place, text)

    asked: list[float] = []
    house = House([8.0, "an answer"])
    house.platform = Strict()
    began = asyncio.get_running_loop().time()
    await house.ask()
    assert asked
    assert 3.0 <= min(asked) <= 4.0


@pytest.mark.parametrize("second", ["And now?", "retry"])
async def test_what_was_said_before_is_read_for_the_first_question_alone(second: str):
    """Where there is a history, Claude is told nothing that it knows already, and no thread is read again."""
    house = House(["first"], ["second"])
    house.platform = Knowing()
    for number, text in ((1, "Why?"), (2, second)):
        asked = message(text, str(number), at=float(number))
        await house.store.submit(replace(asked, mid_thread=True), alone=text == "retry")
        await house.run(await house.claim(None))
    assert [str(request.messages).count("earlier") for request in house.model.requests] == [1, 1]
    assert len(house.platform.read) == 1
