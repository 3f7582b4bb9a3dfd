"""The way to the server: one client, scripts by their digest, calls of one moment sent together, errors as sentences.

It speaks to redis-py's clients, which `bot.store.address` makes. It knows nothing of mailboxes.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from ssl import SSLCertVerificationError
from typing import Any, Final, NamedTuple

from redis import exceptions as redis_errors
from redis.asyncio import RedisCluster
from redis.asyncio.client import PubSub

from bot.errors import StoreUnavailable
from bot.store.address import Client, connect

DEADLINE: Final = 4.5
"""Seconds a call may take with all its retries: a lease of 15 s, renewed every 5, outlives a renewal that hangs."""

MAX_BATCH: Final = 16
"""Callers whose calls travel together: enough to share the cost of a write and a read, and few enough that a burst is
several pipelines. While the server does one, this process packs the next and reads the last: with all in one pipeline
each would wait for the other (measured with 64 callers: 2,000 turns a second then, 3,200 so)."""

Argument = bytes | str | int | float

FAILURES: Final = (redis_errors.RedisError, redis_errors.RedisClusterException, OSError, TimeoutError, RuntimeError)
"""What is raised when a server does not answer as it should; RuntimeError is uvloop's, of a connection that broke."""

_TO_SEND_AGAIN: Final = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ClusterDownError,
    redis_errors.MovedError,
    redis_errors.AskError,
    redis_errors.TryAgainError,
)


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script: its text and the SHA-1 digest the server knows it by."""

    text: bytes
    digest: bytes


@cache
def script(name: str) -> Script:
    """Load `scripts/<name>.lua`, with what all scripts share before it."""
    folder = files("bot.store") / "scripts"
    text = (folder / "common.lua").read_bytes() + (folder / f"{name}.lua").read_bytes()
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


class Run(NamedTuple):
    """A script to run; `key` decides on which node of a cluster."""

    script: Script
    key: bytes
    arguments: tuple[Argument, ...]

    def command(self, *, by_text: bool = False) -> tuple[Argument, ...]:
        """The command as the server takes it: by digest, or with the text where the server does not know it yet."""
        if by_text:
            return ("EVAL", self.script.text, 1, self.key, *self.arguments)
        return ("EVALSHA", self.script.digest, 1, self.key, *self.arguments)


Call = Run | tuple[Argument, ...]
"""A script, or a plain command."""


class Link:
    """One client, of a lone server or a cluster, shared by everybody in the process.

    Calls made in the same turn of the event loop travel together, `MAX_BATCH` callers a pipeline, which is what makes
    thousands of turns a second possible. A call is never cancelled in flight: when its caller is, the pipeline goes on
    without it.

    Args:
        target: an address as `bot.store.address` reads it; or a client.
    """

    def __init__(self, target: str | Client) -> None:
        if isinstance(target, str):
            self._client, self.name, self._others = connect(target)
        else:
            self._client, self.name, self._others = target, "Redis", ()
        self._sent: set[bytes] = set()
        self._queue: list[tuple[Sequence[Call], asyncio.Future[list[Any]]]] = []
        self._batches: set[asyncio.Task[None]] = set()

    async def call(self, *calls: Call) -> list[Any]:
        """Send the calls, in their order, in one round trip (one a node on a cluster) and return their answers.

        Raises StoreUnavailable when any of them failed.
        """
        loop = asyncio.get_running_loop()
        answers: asyncio.Future[list[Any]] = loop.create_future()
        self._queue.append((calls, answers))
        if len(self._queue) == 1:
            loop.call_soon(self._flush)
        return await answers

    async def pubsub(self) -> PubSub:
        """Return a subscription on a connection of its own; on a cluster any node hears what all publish."""
        if isinstance(self._client, RedisCluster):
            await self._client.initialize()
            heed_cancellation()
            return self._client.pubsub(node=self._client.get_random_primary_node())
        return self._client.pubsub()

    def unavailable(self, error: BaseException) -> StoreUnavailable:
        """Say in one sentence what is wrong with the server, and where known the cure; without any password."""
        return StoreUnavailable(f"{self.name} {_complaint(error)}")

    async def infos(self) -> list[dict[str, Any]]:
        """What `INFO` says, a dictionary for each primary. Raises StoreUnavailable."""
        try:
            if isinstance(self._client, RedisCluster):
                found = await self._client.info(target_nodes=RedisCluster.PRIMARIES)
                infos = [found] if "redis_version" in found else list(found.values())
            else:
                infos = [await self._client.info()]
        except redis_errors.NoPermissionError:
            return []
        except FAILURES as error:
            raise self.unavailable(error) from None
        heed_cancellation()
        return infos

    async def close(self) -> None:
        """Let what is under way end, then close every connection."""
        while self._batches:
            await asyncio.wait(self._batches)
        for client in (self._client, *self._others):
            await client.aclose()

    def _flush(self) -> None:
        queue, self._queue = self._queue, []
        for start in range(0, len(queue), MAX_BATCH):
            batch = asyncio.get_running_loop().create_task(self._send(queue[start : start + MAX_BATCH]))
            self._batches.add(batch)
            batch.add_done_callback(self._batches.discard)

    async def _send(self, queue: list[tuple[Sequence[Call], asyncio.Future[list[Any]]]]) -> None:
        everything = [call for calls, _ in queue for call in calls]
        try:
            async with asyncio.timeout(DEADLINE):
                answers = await self._answers(everything)
        except Exception as error:  # noqa: BLE001 - handed to the callers, who raise it
            answers = [error] * len(everything)
        except BaseException:
            for _, waiting in queue:
                waiting.cancel()
            raise
        position = 0
        for calls, waiting in queue:
            mine = answers[position : position + len(calls)]
            position += len(calls)
            if waiting.done():
                continue
            failed = next((answer for answer in mine if isinstance(answer, BaseException)), None)
            if failed is None:
                waiting.set_result(mine)
            else:
                waiting.set_exception(self.unavailable(failed) if isinstance(failed, FAILURES) else failed)

    async def _answers(self, calls: list[Call]) -> list[Any]:
        # A script's first call goes by its text: what travels with it would else be done while the script is refused,
        # and stay done alone if this process died before the script was sent again.
        answers = await self._pipeline(
            call.command(by_text=call.script.digest not in self._sent) if isinstance(call, Run) else call
            for call in calls
        )
        self._sent.update(call.script.digest for call in calls if isinstance(call, Run))
        unknown = [i for i, answer in enumerate(answers) if isinstance(answer, redis_errors.NoScriptError)]
        if unknown:
            runs = [call for i in unknown if isinstance(call := calls[i], Run)]
            for i, answer in zip(unknown, await self._pipeline(run.command(by_text=True) for run in runs), strict=True):
                answers[i] = answer
        return answers

    async def _pipeline(self, commands: Iterable[tuple[Argument, ...]]) -> list[Any]:
        sent = list(commands)
        pipeline = self._client.pipeline(transaction=False)
        for command in sent:
            pipeline.execute_command(*command)
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        if isinstance(self._client, RedisCluster):
            # A cluster's pipeline neither looks for the slots anew nor retries; a single command does.
            again = [i for i, answer in enumerate(answers) if isinstance(answer, _TO_SEND_AGAIN)]
            single = (self._client.execute_command(*sent[i]) for i in again)
            for i, answer in zip(again, await asyncio.gather(*single, return_exceptions=True), strict=True):
                answers[i] = answer
        return answers


def heed_cancellation() -> None:
    """Raise CancelledError where the task has been told to end: after everything that it asked redis-py by itself.

    redis-py sends by `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that comes in the moment in
    which it has sent.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


_COMPLAINTS: Final = (
    # What the error is or says, and what that means. Of an error inside a script Redis 6 tells only the text.
    (redis_errors.BusyLoadingError, "LOADING", "is still loading its data."),
    (redis_errors.ReadOnlyError, "READONLY", "is read-only (a replica?): REDIS_URL must name the primary."),
    (
        redis_errors.OutOfMemoryError,
        "OOM ",
        "is full (maxmemory reached, nothing may be evicted): give it more memory.",
    ),
    (redis_errors.NoPermissionError, "NOPERM", "does not permit this user what the bot needs: see its ACL."),
    (redis_errors.AuthenticationError, "NOAUTH", "refuses the user name or password in REDIS_URL."),
    (redis_errors.MovedError, "MOVED", "is a cluster's node: write redis+cluster:// in REDIS_URL."),
    (redis_errors.ClusterDownError, "CLUSTERDOWN", "belongs to a cluster that is down."),
    (
        SSLCertVerificationError,
        "CERTIFICATE_VERIFY_FAILED",
        "shows a certificate that is not trusted: name its issuer's in REDIS_URL (?ssl_ca_certs=/path/of/ca.pem).",
    ),
    (redis_errors.MaxConnectionsError, "No connection available", "does not answer: every connection is waiting."),
)


def _complaint(error: BaseException) -> str:
    told = [error, error.__cause__]  # what went wrong in connecting is wrapped once more
    for kind, code, complaint in _COMPLAINTS:
        if code in str(error) or any(isinstance(it, kind) for it in told):
            return complaint
    if any(isinstance(it, redis_errors.TimeoutError | TimeoutError) for it in told):
        return "did not answer in time."
    if isinstance(error, redis_errors.ConnectionError | redis_errors.RedisClusterException | OSError | RuntimeError):
        return "cannot be reached."
    if "MISCONF" in str(error):
        return "cannot write to its disk and takes no changes: look at its free space."
    return f"refused a command: {error!s:.200}"
