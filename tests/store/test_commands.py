"""The scripts ask nothing of a server that Redis 6.2, the oldest supported, does not do."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

SINCE = {
    # command: the version it came with, by its documentation; all are older than 6.2
    "DEL": "1.0",
    "EXISTS": "1.0",
    "GET": "1.0",
    "HDEL": "2.0",
    "HEXISTS": "2.0",
    "HGET": "2.0",
    "HGETALL": "2.0",
    "HINCRBY": "2.0",
    "HKEYS": "2.0",
    "HLEN": "2.0",
    "HMGET": "2.0",
    "HSETNX": "2.0",
    "HSET": "2.0",  # several fields since 4.0
    "INCR": "1.0",
    "LLEN": "1.0",
    "LPOP": "1.0",  # a count only since 6.2
    "LRANGE": "1.0",
    "PEXPIRE": "2.6",  # NX, XX, GT, LT only since 7.0
    "PTTL": "2.6",
    "PUBLISH": "2.0",
    "RPOP": "1.0",
    "RPUSH": "1.0",
    "SET": "1.0",  # GET since 6.2, together with NX only since 7.0
    "TIME": "2.6",
    "ZADD": "1.2",
    "ZCARD": "1.2",
    "ZCOUNT": "2.0",
    "ZRANGE": "1.2",  # REV, BYSCORE, LIMIT since 6.2
    "ZRANGEBYSCORE": "1.0",
    "ZREM": "1.2",
    "ZREMRANGEBYRANK": "2.0",
    "ZREMRANGEBYSCORE": "1.2",
    "ZSCORE": "1.2",
}

SCRIPTS = {
    path.name: re.sub(r"--[^\n]*", "", path.read_text())
    for path in (files("bot.store") / "scripts").iterdir()
    if path.name.endswith(".lua")
}


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_every_command_is_an_old_one(name: str) -> None:
    """Each call names its command literally, and the command was there in 6.2."""
    text = SCRIPTS[name]
    calls = re.findall(r"redis\.p?call\(([^,)]*)", text)
    assert [call for call in calls if not re.fullmatch(r"'[A-Z]+'", call)] == []
    assert {call.strip("'") for call in calls} <= SINCE.keys()


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_no_option_is_a_new_one(name: str) -> None:
    """An expiry has no condition, a SET asks for no old value with one, and nothing is called but commands."""
    text = SCRIPTS[name]
    assert re.findall(r"'P?EXPIRE(?:AT)?'[^)]*'(?:NX|XX|GT|LT)'", text) == []
    assert re.findall(r"'SET'[^)]*'GET'", text) == []
    assert set(re.findall(r"redis\.(\w+)", text)) <= {"call", "pcall"}
