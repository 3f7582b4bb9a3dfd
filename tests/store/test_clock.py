"""A server whose clock is set: back by NTP, or by a fail-over to another machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.conversation import Message
from bot.store import rules
from tests.store.conftest import KINDS

Ask = Callable[..., Message]

T1 = ["slack:T1"]

HOUR = 3600.0

pytestmark = pytest.mark.parametrize("opened", [kind for kind in KINDS if kind != "memory"], indirect=True)


async def test_a_clock_that_is_set_back_holds_no_thread_up(backing: Any, ask: Ask) -> None:
    """What was put off by the old clock is claimed a lease later; who lives renews in time and loses nothing."""
    store, other = backing.store(), backing.store()
    for name in ("dead", "resting", "alive"):
        await store.submit(ask(name, thread=f"C1:{name}"))
    claims = {claim.messages[0].text: claim for claim in [await store.claim(T1, "w", 15) for _ in range(3)]}
    await store.release(claims["resting"], delay=30)
    backing.advance(-HOUR)
    assert await other.claim(T1, "other", 15) is None
    backing.advance(10)
    await store.renew(claims["alive"], 15)
    backing.advance(6)
    found = [await other.claim(T1, "other", 15) for _ in range(3)]
    assert found.pop() is None
    assert {claim.messages[0].text for claim in found} == {"dead", "resting"}
    await store.commit(claims["alive"], None)


async def test_a_clock_that_is_set_back_a_little_changes_nothing(backing: Any, ask: Ask) -> None:
    """No lease is cut short that may be one of this clock: a thread waits for as long as the longest at most."""
    store = backing.store()
    await store.submit(ask())
    await store.claim(T1, "dead", 15)
    backing.advance(-rules.FURTHEST / 2)
    assert await store.claim(T1, "w", 15) is None
    backing.advance(16)
    assert await store.claim(T1, "w", 15) is None
    backing.advance(rules.FURTHEST / 2)
    assert await store.claim(T1, "w", 15) is not None


@pytest.mark.parametrize("lives", [True, False])
async def test_a_clock_that_is_set_back_deposes_a_dead_leader_only(backing: Any, lives: bool) -> None:
    """Who leads goes on if it asks again in time; else another leads a little later."""
    store, other = backing.store(), backing.store()
    assert await store.lead("discord:A", "a", 9.0)
    backing.advance(-HOUR)
    assert not await other.lead("discord:A", "b", 9.0)
    backing.advance(5)
    if lives:
        assert await store.lead("discord:A", "a", 9.0)
    backing.advance(5)
    assert await other.lead("discord:A", "b", 9.0) is not lives


async def test_a_clock_that_is_set_back_leaves_no_dead_worker_alive(backing: Any) -> None:
    """Who counted as alive by the old clock counts again when it says so."""
    store = backing.store()
    assert [await store.attend(T1, name, 9.0) for name in ("dead", "alive")] == [1, 2]
    backing.advance(-HOUR)
    assert await store.attend(T1, "alive", 9.0) == 1
    assert await store.attend(T1, "new", 9.0) == 2


async def test_a_clock_that_is_set_back_leaves_nobody_without_a_status(backing: Any, ask: Ask) -> None:
    """Who waits is told so, whether they came, or had a status, by the old clock or came by the new one."""
    store = backing.store()
    await store.submit(ask("old", thread="C1:old"))
    backing.advance(1)
    assert len(await store.waiting(T1[0], 60.0)) == 1
    backing.advance(-HOUR)
    await store.submit(ask("new", thread="C1:new"))
    backing.advance(1)
    assert [place.thread for place in await store.waiting(T1[0], 60.0)] == ["C1:old", "C1:new"]
