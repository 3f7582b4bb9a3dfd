"""Two bots on one server: neither sees what is the other's, and what an older version stored goes to one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.conversation import Message, ThreadKey
from bot.store.redis import RedisStore

Ask = Callable[..., Message]
SLACK, FIRST, SECOND = "slack:T1", "U0BOTAPP01", "U0BOTAPP02"


async def opened(on_server: Any, installation: str, bot: str | None, **more: str) -> RedisStore:
    """A store as a process of that bot opens it; without one as a version before opened it."""
    store = RedisStore(on_server.url, history_ttl=1000, **more)
    on_server.stores.append(store)
    if bot is not None:
        await store.identify(installation, bot)
    return store


async def test_nobody_answers_for_the_other(on_server: Any, ask: Ask) -> None:
    """Two apps of a workspace claim only what was said to them, in the same channel and thread, by the same person."""
    one, two = await opened(on_server, SLACK, FIRST), await opened(on_server, SLACK, SECOND)
    assert await two.submit(ask("to the second"))
    assert await one.claim([SLACK], "w1", 15.0) is None
    assert not await one.takes_part(ask().key)
    assert await one.submit(ask("to the first"))
    for store, text in ((one, "to the first"), (two, "to the second")):
        claim = await store.claim([SLACK], "w", 15.0)
        assert claim is not None
        assert [message.text for message in claim.messages] == [text]
        assert await store.takes_part(claim.key)


async def test_all_processes_of_a_bot_agree(on_server: Any, ask: Ask) -> None:
    """Whoever comes first, intake or worker, before or after the other bot and again later, they share their turns."""
    await opened(on_server, SLACK, FIRST)
    intake = await opened(on_server, SLACK, SECOND)
    assert await intake.submit(ask("for the second"))
    await opened(on_server, SLACK, FIRST)
    worker = await opened(on_server, SLACK, SECOND)
    claim = await worker.claim([SLACK], "w", 15.0)
    assert claim is not None
    assert claim.messages[0].text == "for the second"


async def test_what_was_stored_before_is_taken_over_once(on_server: Any, ask: Ask) -> None:
    """Records of a version that knew of one bot alone belong to the bot that comes first, and to no other."""
    before = await opened(on_server, SLACK, None)
    assert await before.submit(ask("waiting since the deploy"))
    one, two = await opened(on_server, SLACK, FIRST), await opened(on_server, SLACK, SECOND)
    assert await two.claim([SLACK], "w", 15.0) is None
    assert not await two.takes_part(ask().key)
    claim = await one.claim([SLACK], "w", 15.0)
    assert claim is not None
    assert claim.messages[0].text == "waiting since the deploy"


async def test_a_bot_keeps_what_is_its_own(on_server: Any) -> None:
    """A server that forgot whose the names are is told again by the bot that runs, before another one comes."""
    one = await opened(on_server, SLACK, FIRST)
    on_server.empty()
    await one.attend([SLACK], "w", 15.0)
    two = await opened(on_server, SLACK, SECOND)
    await one.attend([SLACK], "w", 15.0)
    assert await two.attend([SLACK], "w2", 15.0) == 1


async def test_two_discord_applications_take_part_apart(on_server: Any, ask: Ask) -> None:
    """A thread in which one application takes part is none of the other's, though the server is the same."""
    one = await opened(on_server, "discord:1", "1")
    two = await opened(on_server, "discord:2", "2")
    thread = "500"
    key = ThreadKey("discord", "1", thread)
    assert await one.submit(ask("hello", thread=thread, installation="discord:1"))
    assert await one.takes_part(key)
    assert not await two.takes_part(key)


@pytest.mark.parametrize("other", ["staging", "firsttoken:2"])
async def test_another_prefix_has_nothing_in_common(on_server: Any, ask: Ask, other: str) -> None:
    """With REDIS_PREFIX the same bot stands beside itself, as staging beside production."""
    production = await opened(on_server, SLACK, FIRST)
    staging = await opened(on_server, SLACK, FIRST, prefix=other)
    assert await staging.submit(ask())
    assert await production.claim([SLACK], "w", 15.0) is None
    assert await staging.claim([SLACK], "w", 15.0) is not None
    assert all(name.startswith((other.encode(), b"firsttoken:owner")) for name in on_server.all_keys())
