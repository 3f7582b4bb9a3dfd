"""Who is next, and who is told: nobody busy keeps the others waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from bot.conversation import Message
from bot.ports import Signal

Ask = Callable[..., Message]

T1 = ["slack:T1"]


async def order(store: Any, installations: list[str]) -> list[Message]:
    """The first questions of all turns, in the order they are claimed."""
    found = []
    while claim := await store.claim(installations, "w", 15):
        found.append(claim.messages[0])
        await store.commit(claim, None)
    return found


async def test_a_busy_channel_does_not_starve_a_quiet_one(backing: Any, ask: Ask) -> None:
    """Twenty threads of one channel stand behind one thread of another that came last."""
    store = backing.store()
    for n in range(20):
        await store.submit(ask(f"busy{n}", thread=f"C1:{n}", author=f"U{n}"))
    await store.submit(ask("quiet", thread="C2:1", channel="C2", author="V"))
    found = [message.text for message in await order(store, T1)]
    assert found.index("quiet") <= 2
    assert [text for text in found if text != "quiet"] == [f"busy{n}" for n in range(20)]


async def test_a_busy_person_delays_only_themselves(backing: Any, ask: Ask) -> None:
    """Who floods ten channels stands behind others there, and does not push those channels back."""
    store = backing.store()
    for n in range(10):
        await store.submit(ask(f"flood{n}", thread=f"C{n}:1", channel=f"C{n}", author="FLOOD"))
    for n in range(10):
        await store.submit(ask(f"calm{n}", thread=f"C{n}:2", channel=f"C{n}", author=f"U{n}"))
    found = [message.text for message in await order(store, T1)]
    assert max(found.index(f"calm{n}") for n in range(5)) < found.index("flood6")


@pytest.mark.parametrize("flooder", ["one person", "a crowd"])
async def test_a_flood_delays_a_single_question_by_a_turn(backing: Any, ask: Ask, flooder: str) -> None:
    """However slowly fifty are answered, who asks in the midst of them is next but one, and keeps that place."""
    store = backing.store()
    for n in range(50):
        author = "FLOOD" if flooder == "one person" else f"F{n}"
        await store.submit(ask(f"flood{n}", thread=f"C1:{n:02}", author=author))
    found: list[str] = []
    for n in range(24):
        if n % 6 == 3:
            backing.advance(300)
            channel = "C1" if flooder == "one person" else "C2"
            await store.submit(ask(f"single{n}", thread=f"{channel}:s{n}", channel=channel, author=f"V{n}"))
        claim = await store.claim(T1, "w", 15)
        found.append(claim.messages[0].text)
        backing.advance(30)
        await store.commit(claim, None)
    singles = {text: i for i, text in enumerate(found) if text.startswith("single")}
    assert [i - int(text.removeprefix("single")) for text, i in singles.items()] == pytest.approx([1] * 4, abs=1)


async def test_first_come_first_served_among_equals(backing: Any, ask: Ask) -> None:
    """Of many people who ask once, in workspaces of their own, nobody is passed over for his name."""
    store = backing.store()
    names = [f"{n * 7 % 30:02}" for n in range(30)]
    for name in names:
        message = ask(name, channel=f"C{name}", author=f"U{name}")
        await store.submit(replace(message, key=replace(message.key, tenant=f"G{name}")))
        backing.advance(1)
    assert [message.text for message in await order(store, T1)] == names


async def test_a_turn_given_back_is_the_next_one(backing: Any, ask: Ask) -> None:
    """A worker that leaves does not send those whose turn it was to the end of the line."""
    store = backing.store()
    for n in range(5):
        await store.submit(ask(str(n), thread=f"C1:{n}"))
    claim = await store.claim(T1, "w", 15)
    await store.release(claim)
    assert [message.text for message in await order(store, T1)] == ["0", "1", "2", "3", "4"]


async def test_a_busy_installation_does_not_starve_another(backing: Any, ask: Ask) -> None:
    """Installations are served in turn, however much one of them has waiting."""
    store = backing.store()
    for n in range(20):
        await store.submit(ask(f"busy{n}", thread=f"C1:{n}", author=f"U{n}"))
    await store.submit(ask("quiet", installation="slack:T2"))
    found = [message.text for message in await order(backing.store(), ["slack:T1", "slack:T2"])]
    assert len(found) == 21
    if backing.name != "memory":
        assert found.index("quiet") <= 2


async def test_one_waits_for_nobody_while_there_is_nobody(store: Any, ask: Ask) -> None:
    """The order is an order and no delay: a lone busy channel is served as fast as it asks."""
    for n in range(5):
        await store.submit(ask(str(n), thread=f"C1:{n}"))
    assert len(await order(store, T1)) == 5


async def test_listeners_hear_of_new_and_of_changed_turns(backing: Any, ask: Ask) -> None:
    """A submit, and a commit with mail behind it, say `ready`; a changed turn is named, and a deleted message."""
    store, other = backing.store(), backing.store()
    heard: asyncio.Queue[Signal] = asyncio.Queue()

    async def hear() -> None:
        async with aclosing(store.signals(T1)) as signals:
            async for signal in signals:
                heard.put_nowait(signal)

    listener = asyncio.create_task(hear())
    async with asyncio.timeout(5):
        assert await heard.get() == Signal("ready"), "told when it listens"
        await other.submit(ask("1"))
        assert await heard.get() == Signal("ready")
        claim = await other.claim(T1, "w", 15)
        await other.amend(claim.key, "slack:T1")
        assert await heard.get() == Signal("amended", claim.key)
        await other.amend(claim.key, "slack:T1", message_id="1700000000.000100")
        assert await heard.get() == Signal("deleted", claim.key, "1700000000.000100"), "it may be of the answer"
        await other.submit(ask("2"))
        await other.commit(claim, None)
        assert await heard.get() == Signal("ready")
        await other.amend(claim.key, "slack:T1", message_id="1700000000.000200")
        claim = await other.claim(T1, "w", 15)
        await other.release(claim)
        assert await heard.get() == Signal("ready")
        await other.submit(ask("3", installation="slack:T2"))
        await other.submit(ask("4", thread="C1:4"))
        assert await heard.get() == Signal("ready")
        assert heard.empty(), "of the other installation nothing is heard"
    listener.cancel()
    await asyncio.wait({listener})
    assert listener.cancelled()


async def test_signals_end_when_they_are_closed(store: Any) -> None:
    """A closed iterator leaves no connection and no task behind."""
    signals = store.signals(T1)
    async with asyncio.timeout(5):
        await anext(signals)
        await signals.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}
