"""What keeping turns costs: submits and turns a second, round trips and bytes a turn, and how fast turns change hands.

`python -m benchmarks.turns` starts a Valkey server of its own and real bot processes, prints a table and writes
`benchmarks/out/turns.json`. Everything runs on this machine: more processes than cores cannot show more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import redis
import uvloop

from bot.conversation import Author, Message, MessageRef, Place, StopReason, ThreadKey, Turn
from bot.pacing.pacer import Pacer
from bot.ports import Part, StoredAnswer
from bot.store.redis import RedisStore
from bot.turn.lease import HeldClaim
from bot.turn.run import TurnRun
from bot.turn.services import Policy, Services
from sandbox.app import Sandbox
from tests.chaos.processes import Bot, Server
from tests.turn.fakes import FakePlatform, ScriptedModel

OUT = Path(__file__).parent / "out" / "turns.json"
HISTORY_TTL = 30 * 24 * 3600.0
CONCURRENT = 64
LENGTHS = (1, 10, 100, 1000)
LEASE = 3.0

ANSWER = "An answer of a few sentences, as they are given all day. " * 8


def question(tenant: str, thread: str, number: int) -> Message:
    """The n-th question of a thread."""
    return Message(
        key=ThreadKey("slack", tenant, thread),
        installation=f"slack:{tenant}",
        id=f"{thread}:{number}",
        author=Author(f"U{number % 50}", "Ann"),
        text="A question as people ask it, about two lines long, with a reason why it is asked at all.",
        sent_at=float(number),
        place=Place("C1", thread),
    )


# --- the store alone ------------------------------------------------------------------------------------------


async def _together(count: int, work: Callable[[int], Any]) -> float:
    """Do `work(n)` for every n below `count`, `CONCURRENT` at a time; returns how many a second."""
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for number in numbers:
            await work(number)

    began = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(CONCURRENT)))
    return count / (time.perf_counter() - began)


async def _throughput(url: str, tenant: str, count: int) -> tuple[float, float]:
    """Submits and whole turns a second of one process: submit, claim, record, finish and commit."""
    store = RedisStore(url, history_ttl=HISTORY_TTL)
    tenants = [f"slack:{tenant}"]
    try:
        submits = await _together(count, lambda n: store.submit(question(f"{tenant}s", f"{n % 500}", n)))

        async def whole(number: int) -> None:
            await store.submit(question(tenant, f"{number}", number))
            while (claim := await store.claim(tenants, "w", 60.0)) is None:  # noqa: ASYNC110 - it is there in a moment
                await asyncio.sleep(0)
            await store.record(claim, place=claim.place, part=Part(1, 0, MessageRef("C1", f"{number}")), shown=1)
            await store.finish(claim, StoredAnswer(answer=ANSWER, stop=StopReason.END_TURN, attempt=1))
            turn = Turn(id=claim.turn_id, questions=claim.messages, answer=ANSWER, stop=StopReason.END_TURN)
            await store.commit(claim, turn)

        return submits, await _together(count, whole)
    finally:
        await store.close()


def _one_process(url: str, tenant: str, count: int, start: Any, results: Any) -> None:
    start.wait()
    results.put(uvloop.run(_throughput(url, tenant, count)))


def throughput(url: str, processes: int, count: int) -> dict[str, float]:
    """The sum over some processes that work at the same time."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(processes), context.Queue()
    workers = [
        context.Process(target=_one_process, args=(url, f"T{processes}x{n}", count // processes, start, results))
        for n in range(processes)
    ]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=300) for _ in workers]
    for worker in workers:
        worker.join()
    return {
        "processes": processes,
        "submits_per_second": round(sum(submits for submits, _ in found)),
        "turns_per_second": round(sum(turns for _, turns in found)),
    }


# --- one turn -------------------------------------------------------------------------------------------------


class Relay:
    """Passes on what a client and a server say, and counts it."""

    def __init__(self) -> None:
        self.port = 0
        self.reset()

    def reset(self) -> None:
        """Count from zero."""
        self.trips = self.sent = self.received = 0

    @asynccontextmanager
    async def between(self, port: int) -> AsyncIterator[None]:
        """Listen, and pass on to `port`."""
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            tasks.add(asyncio.create_task(self._pass(reader, far_writer, out=True)))
            tasks.add(asyncio.create_task(self._pass(far_reader, writer, out=False)))

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, out: bool) -> None:
        while data := await reader.read(1 << 24):
            if out:
                self.trips += data.startswith(b"*")
                self.sent += len(data)
            else:
                self.received += len(data)
            writer.write(data)
        writer.close()
        await writer.wait_closed()


async def _cost(port: int, length: int) -> dict[str, float]:
    """Round trips and bytes of one whole one-part turn, from submit to commit, in a thread of `length` turns."""
    relay = Relay()
    async with relay.between(port):
        store = RedisStore(f"redis://127.0.0.1:{relay.port}/0", history_ttl=HISTORY_TTL)
        policy = Policy(system_prompt="Be brief.")
        runs = []
        for run in range(6):
            thread = f"{length}.{run}"
            for number in range(length - 1):
                asked = (question("cost", thread, number),)
                answer = "A short answer." if length > 500 else ANSWER
                await store.append(
                    asked[0].key, Turn(id=f"{number}", questions=asked, answer=answer, stop=StopReason.END_TURN)
                )
            platform = FakePlatform(limit=4000, latency=0.01)
            platform.installation = "slack:cost"
            model = ScriptedModel(
                [0.1, *(word for at in range(0, len(ANSWER), 40) for word in (ANSWER[at : at + 40], 0.01))]
            )
            services = Services(model=model, store=store, pacer=Pacer(), policy=policy, backoff=lambda _n, _after: 1.0)
            await store.claim(["slack:cost"], "w", 60.0)  # the look at what waits, once a second, is not the turn's
            relay.reset()
            await store.submit(question("cost", thread, length))
            claim = await store.claim(["slack:cost"], "w", 60.0)
            if claim is None:
                raise RuntimeError("nothing to claim")
            await TurnRun(services, platform, HeldClaim(store, claim, 60.0)).run()
            runs.append((relay.trips, relay.sent, relay.received))
        await store.close()
    trips, sent, received = (statistics.median(values) for values in zip(*runs[1:], strict=True))
    return {"thread_length": length, "round_trips": trips, "bytes_sent": sent, "bytes_received": received}


# --- changing hands -------------------------------------------------------------------------------------------


async def _takeover(box: Sandbox, server: Server, folder: Path, number: int, how: int) -> float:
    """Seconds from a signal to the worker of a running turn until another worker has claimed it."""
    environment = {
        **box.environment(),
        "REDIS_URL": server.url,
        "HTTP_PORT": "0",
        "LEASE_SECONDS": f"{LEASE:g}s",
        "DRAIN_SECONDS": "0s",
        "LOG_FORMAT": "json",
    }
    first, second = (Bot(f"{how}-{number}-{name}", folder, environment) for name in ("first", "second"))
    box.claude.answer("A long answer that is not whole when its worker goes. " * 40, rate=10.0)
    box.claude.answer("The whole answer.")
    try:
        with redis.Redis.from_url(server.url) as client:
            client.flushall()
        await first.start()
        slack = box.slack
        place = slack.workspace.channel("general").id
        person = slack.workspace.user("ada").id
        await slack.say(place, person, f"<@{slack.workspace.bot.id}> Well?")
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            holder, key = await _holder(client)
            await second.start()
            # At any time of the lease: it is renewed every third of it.
            await asyncio.sleep(random.uniform(0.5, 0.5 + LEASE / 3))
            began = time.monotonic()
            first.send(how)
            while client.hget(key, "worker") == holder or not client.hget(key, "token"):
                if not client.exists(key) or time.monotonic() - began > 30:
                    raise RuntimeError("the turn was not taken over")
                await asyncio.sleep(0.005)
            took = time.monotonic() - began
        await box.journal.until(lambda: any(m.text == "The whole answer." for m in box.journal.messages("slack")))
        return took
    finally:
        await first.close()
        await second.close()


async def _holder(client: redis.Redis) -> tuple[str, str]:
    """Who holds the one turn there is, once it is held and its lease was renewed."""
    while True:
        for key in client.scan_iter("*:flight:*", count=1000):
            if client.hget(key, "token") and client.hget(key, "parts"):
                return str(client.hget(key, "worker")), str(key)
        await asyncio.sleep(0.02)


async def _takeovers(server: Server, folder: Path, times: int) -> dict[str, dict[str, float]]:
    found = {}
    for name, how in (("SIGKILL", signal.SIGKILL), ("SIGTERM", signal.SIGTERM)):
        seconds = []
        for number in range(times):
            async with Sandbox(discord=False, page=False) as box:
                seconds.append(await _takeover(box, server, folder, number, how))
        found[name] = {"median": round(statistics.median(seconds), 2), "worst": round(max(seconds), 2)}
    return found


# --- all of it ------------------------------------------------------------------------------------------------


async def _measure(count: int, times: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="turns-") as folder:
        server = Server(Path(folder) / "store", fsync="everysec")
        await server.start()
        try:
            rates = [await asyncio.to_thread(throughput, server.url, processes, count) for processes in (1, 2, 4)]
            costs = [await _cost(server.port, length) for length in LENGTHS]
            return {
                "throughput": rates,
                "cost": costs,
                "lease_seconds": LEASE,
                "takeover_seconds": await _takeovers(server, Path(folder), times),
            }
        finally:
            await server.kill()


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns", description=__doc__)
    parser.add_argument("--count", type=int, default=8000, help="submits and turns of one measurement")
    parser.add_argument("--takeovers", type=int, default=5, help="how often a worker is killed, and terminated")
    given = parser.parse_args()
    found = uvloop.run(_measure(given.count, given.takeovers))
    print("processes  submits/s  whole turns/s")
    for row in found["throughput"]:
        print(f"{row['processes']:9}  {row['submits_per_second']:9}  {row['turns_per_second']:13}")
    print("\nthread length  round trips  bytes sent  bytes received")
    for row in found["cost"]:
        print(
            f"{row['thread_length']:13}  {row['round_trips']:11g}  {row['bytes_sent']:10g}  {row['bytes_received']:14g}"
        )
    print(f"\nseconds from a signal to the next claim, lease {LEASE:g} s")
    for name, row in found["takeover_seconds"].items():
        print(f"  {name}: median {row['median']}, worst {row['worst']}")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
