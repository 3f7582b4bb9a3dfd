"""What a server's own report says about whether it keeps what it is given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def advice(name: str, infos: Iterable[dict[str, Any]]) -> list[str]:
    """Return one sentence a finding, empty when all is well.

    Args:
        name: what to call the server.
        infos: the answers to `INFO`, one a primary; none when the server does not permit the question.
    """
    findings: dict[str, None] = {}
    asked = False
    for info in infos:
        asked = True
        findings.update(dict.fromkeys(_findings(name, info)))
    if not asked:
        return [f"{name} does not permit INFO: whether it keeps what it is given could not be checked."]
    return list(findings)


def _findings(name: str, info: dict[str, Any]) -> Iterable[str]:
    if not int(info.get("aof_enabled", 1)):
        yield f"{name} keeps no append-only file: accepted messages are lost when it is killed; set appendonly yes."
    if info.get("aof_last_write_status", "ok") != "ok" or info.get("aof_last_bgrewrite_status", "ok") != "ok":
        yield f"{name} could not write its append-only file the last time: look at its log and its free space."
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield f"{name} evicts keys when memory is short ({policy}): set maxmemory-policy noeviction."
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if limit and used > 0.9 * limit:
        yield f"{name} uses {used / limit:.0%} of its maxmemory: give it more, or shorten HISTORY_TTL."
    if info.get("role") == "slave":
        yield f"{name} is a replica: REDIS_URL must name the primary."
    version = str(info.get("redis_version", "7"))
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < (6, 2):
        yield f"{name} runs version {version}: 6.2 is the oldest that was tried."
