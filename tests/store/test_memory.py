"""What only the store in memory does itself: forgetting in time, as a server's keys expire."""

from __future__ import annotations

from collections.abc import Callable

from bot.conversation import Message, MessageRef, StopReason, Turn
from bot.ports import Part
from bot.store import rules
from bot.testing.store import MemoryStore

Ask = Callable[..., Message]

T1 = ["slack:T1"]


async def test_everything_is_forgotten_in_its_time(ask: Ask) -> None:
    """History with HISTORY_TTL, message ids after a day; and the process does not grow for ever."""
    now = 1000.0
    store = MemoryStore(history_ttl=3600, clock=lambda: now, monotonic=lambda: now)
    await store.submit(ask("1"))
    claim = await store.claim(T1, "w", 15)
    assert claim
    assert claim.lease_until == 1015
    await store.record(claim, part=Part(1, 0, MessageRef("C1", "1.5")))
    await store.commit(claim, Turn(id="1", questions=(), answer="a", stop=StopReason.END_TURN))
    now += 3599
    assert await store.load(claim.key)
    assert await store.key_of("slack:T1", "1.5")
    assert await store.takes_part(claim.key)
    now += 2
    assert not await store.load(claim.key)
    assert not await store.key_of("slack:T1", "1.5")
    assert not await store.takes_part(claim.key)
    assert not await store.submit(ask("1"))
    now += rules.SEEN_TTL
    assert await store.submit(ask("1"))
    sizes = []
    for n in range(4):
        now += 10 * rules.MAIL_TTL
        await store.submit(ask(f"later {n}", thread=f"C1:{n}"))
        later = await store.claim(T1, "w", 15)
        assert later
        await store.record(later, part=Part(1, 0, MessageRef("C1", f"{n}.5")))
        await store.commit(later, Turn(id=str(n), questions=(), answer="a", stop=StopReason.END_TURN))
        sizes.append(store.size)
    assert len(set(sizes[1:])) == 1
    assert sizes[0] <= 10


async def test_it_says_that_it_keeps_nothing() -> None:
    """Whoever runs the bot on it is told."""
    store = MemoryStore(history_ttl=3600)
    (warning,) = await store.check()
    assert "memory" in warning
    await store.close()
