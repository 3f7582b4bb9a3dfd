"""One reply by itself: what its messages should show, and what is written when limits change or it is abandoned."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.conversation import MessageRef, Place
from bot.errors import Interrupted, TooLong
from bot.pacing.pacer import Pacer
from bot.ports import Content, Part, RateLimit, Write
from bot.text import Dialect
from bot.turn.draft import Draft
from bot.turn.posted import REFUSED, PostedMessages
from bot.turn.reply import RELIMITS, Reply
from bot.turn.writer import Writer
from tests.turn.fakes import FakePlatform
from tests.turn.house import House

WORDS = " ".join(f"word{n:03}" for n in range(100))
PLACE = Place("C1")
in_virtual_time = pytest.mark.looptime


class Limited:
    """A draft of `WORDS`, and the limit by which it is laid out."""

    def __init__(self) -> None:
        self.dialect = Dialect("any", 200, len, str)
        self.draft = Draft(lambda: self.dialect, 20)
        self.draft.write(WORDS)
        self.draft.end()
        self.before = self.draft.pages()

    def lower(self, shown: list[str | None]) -> list[str]:
        """Lay out anew for less."""
        self.dialect = replace(self.dialect, limit=120)
        self.draft.relimit(shown)
        return self.draft.pages()


@pytest.mark.parametrize("settled", [0, 1, 2, 3])
def test_a_lower_limit_leaves_what_stands_before(settled: int) -> None:
    """Messages that show what they should stay as they are; the text goes on after them in shorter ones."""
    limited = Limited()
    pages = limited.lower(list(limited.before[:settled]))
    assert pages[:settled] == limited.before[:settled]
    assert all(len(page) <= 120 for page in pages[settled:])
    assert " ".join(pages).split() == WORDS.split()


@pytest.mark.parametrize("shown", [[None, "…"], ["another text", None]])
def test_only_what_surely_stands_is_left(shown: list[str | None]) -> None:
    """A message of which it is not known what it shows, or that shows something else, is laid out anew."""
    limited = Limited()
    assert all(len(page) <= 120 for page in limited.lower(shown))


@pytest.mark.parametrize("at", [2, 3])
@in_virtual_time
async def test_a_limit_that_turns_out_lower_in_a_later_message_changes_no_earlier_one(at: int) -> None:
    """Readers keep the messages they have read, and the rest comes in shorter ones."""

    class Lowering(FakePlatform):
        """Takes less from its `at`-th message on."""

        async def post(self, place, content, nonce):
            if len(self.messages) >= at - 1 and len(content.text) > 100:
                self.limit = 100
                raise TooLong("msg_too_long")
            return await super().post(place, content, nonce)

    house = House([WORDS[:190], 2.0, WORDS[190:]])
    house.platform = Lowering()
    await house.ask()
    assert " ".join(house.platform.shown).split() == WORDS.split()
    assert all(len(text) > 150 for text in house.platform.shown[: at - 1])


@in_virtual_time
async def test_a_platform_that_finds_everything_too_long_is_believed_in_the_end() -> None:
    """A text is laid out anew a few times; then its message says that it was refused, and the turn ends."""

    class Narrow(FakePlatform):
        tried = 0

        async def edit(self, place, ref, content):
            if content.text != REFUSED:
                self.tried += 1
                raise TooLong("msg_too_long")
            return await super().edit(place, ref, content)

    house = House(["some text"])
    house.platform = Narrow()
    await house.ask()
    assert house.platform.shown == [REFUSED]
    assert house.platform.tried == RELIMITS + 1


@in_virtual_time
async def test_text_that_nobody_saw_is_not_answered_twice() -> None:
    """A stream that breaks before its first text was shown begins again with nothing of it."""
    house = House([1.0, "half an ans", 0.3, Interrupted("reset")], ["the whole answer"])
    hold = await house.claim()
    house.services.pacer.refused(house.platform.rate_limits(Write.EDIT, PLACE), 5.0)
    await house.run(hold)
    assert house.platform.shown == ["the whole answer"]
    assert not any("half" in text for seen in house.platform.messages.values() for text in seen.versions)
    assert [turn.answer for turn in await house.turns()] == ["the whole answer"]


@in_virtual_time
async def test_messages_are_numbered_from_zero() -> None:
    """Each message's nonce is the turn's, the attempt's and the next number: it is found again by that."""
    house = House([WORDS])
    hold = await house.claim()
    await house.run(hold)
    nonces = [seen.nonce for seen in house.platform.messages.values()]
    assert len(nonces) > 3
    assert nonces == [f"{hold.claim.turn_id}.1.{number}" for number in range(len(nonces))]


class Alone:
    """A reply by itself."""

    def __init__(self, platform: FakePlatform) -> None:
        self.platform = platform
        self.posted: list[Part] = []
        self.pacer = Pacer()
        writer = Writer(platform, self.pacer, fence=self._fence, since=0.0)
        self.reply = Reply(
            writer, PLACE, "t.1.", 1, max_parts=20, on_posted=self.posted.append, on_exposed=lambda: None
        )

    async def _fence(self) -> None:
        """It is always ours."""


@in_virtual_time
async def test_an_abandoned_reply_writes_nothing_more() -> None:
    """Whatever comes afterwards; and it can be abandoned again, or before it began."""
    await Alone(FakePlatform()).reply.abandon()
    alone = Alone(FakePlatform())
    alone.reply.begin()
    await asyncio.sleep(1)
    alone.reply.write("some text")
    await asyncio.sleep(1)
    await alone.reply.abandon()
    calls = len(alone.platform.calls)
    alone.reply.write(" and more")
    await alone.reply.abandon()
    await asyncio.sleep(60)
    assert len(alone.platform.calls) == calls == 2


@in_virtual_time
@pytest.mark.parametrize(("free_after", "messages"), [(0.4, 1), (5.0, 2)])
async def test_an_end_waits_for_an_edit_as_long_as_nobody_notices(free_after: float, messages: int) -> None:
    """It goes into the message that stands there if that is free within half a second, and else into a new one."""

    class FewEdits(FakePlatform):
        def rate_limits(self, write: Write, place: Place) -> tuple[RateLimit, ...]:
            return (RateLimit(f"fake:{write.value}", 60, 60.0, 20),)

    alone = Alone(FewEdits())
    alone.reply.begin()
    alone.reply.write("some text")
    await asyncio.sleep(2)
    alone.reply.write(" and more")
    alone.pacer.refused(alone.platform.rate_limits(Write.EDIT, PLACE), free_after)
    await alone.reply.finish()
    assert alone.platform.shown == ["some text and more"]
    assert len(alone.platform.messages) == messages


def test_where_messages_are_frozen_a_page_is_written_once() -> None:
    """The one that still grows waits until it is whole; those before it do not."""
    posted = PostedMessages()
    posted.frozen = True
    assert posted.behind(["grows"], growing=True) is None
    assert posted.behind(["whole", "grows"], growing=True) == 0
    assert posted.behind(["whole"], growing=False) == 0
    posted.add(MessageRef("C1", "1"))
    posted[0].shown = "whole"
    assert posted.behind(["whole", "grows"], growing=True) is None
    assert posted.behind(["whole", "grown"], growing=False) == 1


@in_virtual_time
async def test_content_that_is_shown_already_is_not_written_again() -> None:
    """An editor that is woken for nothing makes no call."""
    alone = Alone(FakePlatform())
    alone.reply.begin()
    await asyncio.sleep(1)
    for _ in range(5):
        alone.reply.say("…")
        await asyncio.sleep(1)
    await alone.reply.abandon()
    assert alone.platform.calls == ["post"]
    assert alone.platform.messages["1"].versions == [Content("…").text]
