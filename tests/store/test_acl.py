"""A user that may do just what the README says carries everything, and nothing in that list is superfluous."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from bot.conversation import Message
from bot.store.redis import RedisStore
from tests.store import test_budgets, test_contract, test_waiting
from tests.store.backing import HISTORY_TTL, Backing

README = Path(__file__).parents[2] / "README.md"
USER, PASSWORD = "firsttoken", "s3cret"

FOR_COMFORT = {"+info", "+select", "+client|setinfo", "+ping", "+auth", "+unsubscribe"}
"""What redis-py asks for by itself, or the bot can do without."""


def allowed() -> list[str]:
    """The words of the README's command, after the user's name."""
    found = re.search(rf"^ACL SETUSER {USER} (.*)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found[1].replace(">password", f">{PASSWORD}").split()


@pytest.fixture
def admin(server: str) -> Iterator[redis.Redis]:
    """The server, with that user; it is gone afterwards."""
    client = redis.Redis(unix_socket_path=server.removeprefix("unix://"))
    client.execute_command("ACL", "SETUSER", USER, "reset", *allowed())
    yield client
    client.execute_command("ACL", "DELUSER", USER)
    client.close()


@pytest.fixture
def opened(server: str, admin: redis.Redis) -> Backing:
    """The one backing that the tests below have: the server as that user reaches it."""
    return Backing("redis", f"{server}?username={USER}&password={PASSWORD}", [admin]).emptied()


def contract() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The tests of the contract, of waiting and of rate limits that run on every store, with their own fixtures."""
    for module in (test_contract, test_waiting, test_budgets):
        for name, test in vars(module).items():
            if name.startswith("test_"):
                yield f"{name}_as_that_user", test
            elif isinstance(test, type(opened)):
                yield name, test


globals().update(contract())


def test_keys_of_others_are_out_of_reach(server: str, admin: redis.Redis) -> None:
    """That user reads and writes nothing else on the server, and administers nothing."""
    admin.set("other", "secret")
    client = redis.Redis(unix_socket_path=server.removeprefix("unix://"), username=USER, password=PASSWORD)
    for command in (("GET", "other"), ("SET", "other", "x"), ("CONFIG", "GET", "*"), ("FLUSHALL",), ("KEYS", "*")):
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command)
    client.close()
    admin.delete("other")


async def test_nothing_in_the_list_is_superfluous(server: str, admin: redis.Redis) -> None:
    """Every command in it is one that the bot sends or that one of its scripts calls."""
    scripts = "".join(file.read_text() for file in (README.parent / "bot/store/scripts").glob("*.lua"))
    code = "".join(file.read_text() for file in (README.parent / "bot/store").glob("*.py"))
    sent = {f"+{name.lower()}" for name in re.findall(r"redis\.p?call\('([A-Z]+)'", scripts)}
    sent |= {f"+{name.lower()}" for name in re.findall(r"\"([A-Z]{3,})\"", code)} | {"+subscribe"}
    listed = {word for word in allowed() if word.startswith("+")}
    assert listed - FOR_COMFORT <= sent
    assert {f"+{name.lower()}" for name in re.findall(r"redis\.p?call\('([A-Z]+)'", scripts)} <= listed


async def test_without_info_it_works_and_says_what_it_could_not_see(server: str, admin: redis.Redis) -> None:
    """A managed server that tells nothing about itself is used all the same, with one warning."""
    admin.execute_command("ACL", "SETUSER", USER, "-info")
    store = RedisStore(f"{server}?username={USER}&password={PASSWORD}", history_ttl=HISTORY_TTL)
    (warning,) = await store.check()
    assert "does not permit INFO" in warning
    await store.close()


Ask = Callable[..., Message]
