"""How often somebody may ask: the same for every process, on every store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.intake.access import Access
from bot.intake.reception import BOTS, Reception
from bot.ports import Admission, Quota
from bot.testing.store import MemoryStore
from tests.store.backing import Backing, ask

QUOTA = Quota(most=3, within=60.0, silence=600.0)
ADMITTED, REFUSED, SILENCED = Admission.ADMITTED, Admission.REFUSED, Admission.SILENCED


async def judged(backing: Backing, messages: Sequence[str], who: str = "B1") -> list[Admission]:
    """What two processes say of these messages, each in its turn."""
    stores = [backing.store(), backing.store()]
    return [await stores[n % 2].admit("slack:T1", who, message, QUOTA) for n, message in enumerate(messages)]


async def test_processes_count_together(backing: Backing) -> None:
    """Three are admitted in a minute by all processes together, the next is told so, and ten minutes are silent."""
    assert await judged(backing, "abcdef") == [ADMITTED] * 3 + [REFUSED] + [SILENCED] * 2
    assert await judged(backing, "x", who="B2") == [ADMITTED]
    backing.advance(QUOTA.silence + 1)
    assert await judged(backing, "g") == [ADMITTED]


async def test_a_minute_later_there_is_room_again(backing: Backing) -> None:
    """What was asked longer ago than the window no longer counts."""
    assert await judged(backing, "abc") == [ADMITTED] * 3
    backing.advance(QUOTA.within + 1)
    assert await judged(backing, "def") == [ADMITTED] * 3


async def test_a_message_that_comes_twice_counts_once(backing: Backing) -> None:
    """What the platform delivers again gets the same answer, and costs nothing."""
    assert await judged(backing, "aaaa") == [ADMITTED] * 4
    assert await judged(backing, "bcdd") == [ADMITTED] * 2 + [REFUSED] * 2


async def test_another_installation_counts_by_itself(backing: Backing) -> None:
    """The same id in another workspace is somebody else."""
    await judged(backing, "abcd")
    assert await backing.store().admit("slack:T2", "B1", "e", QUOTA) is ADMITTED


@given(st.lists(st.floats(0, 100), max_size=60))
@pytest.mark.asyncio
async def test_never_more_than_allowed(pauses: list[float]) -> None:
    """Whenever it asks, a bot is admitted at most three times in any minute, and told so at most once in ten."""
    now, admitted, refused = 0.0, [], []
    store = MemoryStore(history_ttl=60.0, clock=lambda: now)
    for number, pause in enumerate(pauses):
        now += pause
        verdict = await store.admit("slack:T1", "B1", str(number), QUOTA)
        if verdict is ADMITTED:
            admitted.append(now)
        elif verdict is REFUSED:
            refused.append(now)
    assert all(
        later - earlier >= QUOTA.within for earlier, later in zip(admitted, admitted[QUOTA.most :], strict=False)
    )
    assert all(later - earlier >= QUOTA.silence for earlier, later in pairwise(refused))


async def test_another_bot_is_told_once_whichever_process_hears_it(backing: Backing) -> None:
    """Two processes that hear a bot in turn hand in three questions and one that is told so; people are not counted."""
    doors = [Reception(backing.store(), Access()) for _ in range(2)]
    bot = replace(ask(author="B1"), from_bot=True)
    new = [await doors[n % 2].submit(replace(bot, id=f"C1:{n}", sent_at=bot.sent_at + n)) for n in range(7)]
    assert new == [True] * (BOTS.most + 1) + [False] * (6 - BOTS.most)
    store = backing.store()
    claim = await store.claim({"slack:T1"}, "w", 30.0)
    assert [message.looping for message in claim.messages][: BOTS.most] == [False] * BOTS.most
    assert all([await doors[0].submit(ask(f"person {n}", thread="C2:1")) for n in range(9)])
