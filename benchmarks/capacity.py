"""What one process of the bot can carry, and what a delta and a stream cost: `python -m benchmarks.capacity`.

Platforms, Claude and Redis run in processes of their own, so that only the bot is measured; everything goes over TLS or
loopback on uvloop. Beside the bot a reader written by hand reads the same streams: the limit of what Python can do.
Prints a table and writes `capacity.json` into benchmarks/out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop

from adapters.discord.rendering import TABLE_WIDTH
from adapters.slack.rendering import MARKDOWN as SLACK_DIALECT
from benchmarks.cases import prose
from benchmarks.delta import compare, held, settings_of
from benchmarks.feeder import RATE, certificate, feeding
from benchmarks.machine import OUT, LoopLag, machine, resident
from benchmarks.seen import percentile
from bot.app.app import App, claude
from bot.conversation import Delta, Finished
from bot.ports import Model, Request
from bot.text import Dialect, Layout
from bot.text.measure import utf16
from bot.text.tables import monospaced
from bot.turn.writer import Writer
from sandbox.claude.answers import compose

DISCORD_DIALECT = Dialect("discord", 2000, utf16, lambda markdown: monospaced(markdown, TABLE_WIDTH))
"""As the adapter of a logged-in bot has it."""
STEPS = (25, 50, 100, 150, 200, 300, 400, 600)
LAG_LIMIT = 0.05
"""Seconds of event loop lag (p99) up to which a process counts as carrying its streams."""
WARM_UP, WINDOW = 6.0, 6.0
"""Seconds from the first question until it is measured, and for how long."""


# --- the whole bot ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Load:
    """One process of the bot under so many streams: times in ms and us, memory in KB."""

    streams: int
    deltas_per_s: float
    wanted_per_s: float
    loop_lag_p50_ms: float
    loop_lag_p99_ms: float
    cpu_share: float
    cpu_us_per_delta: float
    edits_per_s: float
    rss_idle_kb: int
    rss_live_kb: int
    machine_load: float

    @property
    def sustained(self) -> bool:
        """Whether all deltas were read in time."""
        return self.loop_lag_p99_ms < 1000 * LAG_LIMIT and self.deltas_per_s > 0.97 * self.wanted_per_s


class Counting:
    """A Model that counts deltas."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.deltas = 0
        self.live = 0

    async def stream(self, request: Request) -> AsyncIterator[Delta | Finished]:
        """As the model's own."""
        self.live += 1
        async for event in self._model.stream(request):
            self.deltas += 1
            yield event
        self.live -= 1

    async def ask(self, request: Request) -> Finished:
        """As the model's own."""
        return await self._model.ask(request)


async def _carry(streams: int, environment: dict[str, str], link: Connection, data_dir: str) -> Load:
    settings = settings_of(environment, data_dir, round(RATE * (WARM_UP + WINDOW + 60.0)), streams)
    model = Counting(claude(settings))
    app = App(settings, model=model)
    running = asyncio.create_task(app.run())
    ready = asyncio.create_task(app.ready.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    gc.collect()
    idle = resident()
    link.send(streams)
    await asyncio.sleep(WARM_UP)
    edits = _edits_counter()
    began, cpu, deltas, written = time.monotonic(), time.process_time(), model.deltas, edits()
    async with LoopLag() as lag:
        await asyncio.sleep(WINDOW)
    seconds, used, read_ = time.monotonic() - began, time.process_time() - cpu, model.deltas - deltas
    gc.collect()
    return Load(
        streams=streams,
        deltas_per_s=read_ / seconds,
        wanted_per_s=streams * RATE,
        loop_lag_p50_ms=1000 * percentile(lag.samples, 50),
        loop_lag_p99_ms=1000 * percentile(lag.samples, 99),
        cpu_share=used / seconds,
        cpu_us_per_delta=1e6 * used / max(1, read_),
        edits_per_s=(edits() - written) / seconds,
        rss_idle_kb=idle,
        rss_live_kb=resident(),
        machine_load=os.getloadavg()[0],
    )


def _edits_counter() -> Callable[[], int]:
    """Count the edits of this process's turns, as their own tallies have them."""
    writers = [each for each in gc.get_objects() if isinstance(each, Writer)]
    return lambda: sum(writer.tally.edits for writer in writers)


def carry(link: Connection, streams: int, environment: dict[str, str], feeder: Connection, data_dir: str) -> None:
    """Run one process of the bot, send back what it carried, and leave without ending its answers."""

    async def carry_and_leave() -> None:
        link.send(await _carry(streams, environment, feeder, data_dir))
        os._exit(0)

    uvloop.run(carry_and_leave())


def under_load(streams: int, cert: Path, key: Path) -> Load:
    """Measure one process of the bot under so many streams."""
    context = get_context("spawn")
    with feeding(cert, key) as (environment, feeder), tempfile.TemporaryDirectory() as data_dir:
        here, there = context.Pipe()
        process = context.Process(target=carry, args=(there, streams, environment, feeder, data_dir))
        process.start()
        try:
            if not here.poll(90.0):
                raise TimeoutError(f"no figures for {streams} streams")
            load: Load = here.recv()
        finally:
            process.kill()
            process.join()
    return load


# --- rendering ----------------------------------------------------------------------------------------------------


def rendering(dialect: Dialect, text: str, deltas: int, every: int) -> float:
    """Seconds of CPU to lay out a growing text of so many deltas, shown after every `every` of them."""
    size = max(1, len(text) // deltas)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    began = time.process_time()
    layout = Layout(dialect)
    for number, piece in enumerate(pieces, 1):
        layout.feed(piece)
        if number % every == 0:
            layout.pages()
    layout.pages(final=True)
    return time.process_time() - began


def markdown(chars: int) -> str:
    """That much Markdown as Claude writes it: headings, lists, code, tables."""
    parts: list[str] = []
    while sum(map(len, parts)) < chars:
        parts.append(compose(f"very long, with code, a table and a list {len(parts)}", len(parts)))
    return "\n\n".join(parts)[:chars]


@dataclass(frozen=True, slots=True)
class Rendering:
    """CPU seconds for a text and for twice as much (medians), and their ratio."""

    dialect: str
    chars: int
    deltas: int
    seconds: float
    seconds_twice: float
    ratio: float


def renderings(rounds: int, chars: int = 100_000, deltas: int = 25_000, every: int = 30) -> list[Rendering]:
    """Measure every dialect, prose and Markdown, shown once a second of 30 deltas."""
    result = []
    texts = {"prose": "".join(prose(2 * chars + 50, 2 * deltas, seed=3)), "Markdown": markdown(2 * chars)}
    for dialect in (SLACK_DIALECT, DISCORD_DIALECT):
        for kind, text in texts.items():
            once, twice = [], []
            for _ in range(rounds):
                once.append(rendering(dialect, text[:chars], deltas, every))
                twice.append(rendering(dialect, text[: 2 * chars], 2 * deltas, every))
            one, two = statistics.median(once), statistics.median(twice)
            ratio = statistics.median(b / a for a, b in zip(once, twice, strict=True))
            result.append(Rendering(f"{dialect.name}, {kind}", chars, deltas, one, two, ratio))
    return result


# --- all of it ----------------------------------------------------------------------------------------------------


def climb(steps: Sequence[int], cert: Path, key: Path) -> list[Load]:
    """Put more and more streams on one process until it no longer carries them."""
    loads = []
    for streams in steps:
        load = under_load(streams, cert, key)
        loads.append(load)
        print(
            f"{load.streams:4} streams: {load.deltas_per_s:6.0f} of {load.wanted_per_s:6.0f} deltas/s, loop lag "
            f"{load.loop_lag_p50_ms:5.1f}/{load.loop_lag_p99_ms:6.1f} ms (p50/p99), CPU {load.cpu_share:4.0%}, "
            f"{load.cpu_us_per_delta:5.0f} us a delta, {load.edits_per_s:4.1f} edits/s, "
            f"RSS {load.rss_idle_kb / 1024:.0f} to {load.rss_live_kb / 1024:.0f} MB, load {load.machine_load:.1f}"
        )
        if not load.sustained:
            break
    return loads


def memory_per_stream(loads: Sequence[Load]) -> float:
    """KB of a live stream: the slope from the lightest to the heaviest load, free of what is paid once."""
    light, heavy = loads[0], loads[-1]
    if heavy.streams == light.streams:
        return (light.rss_live_kb - light.rss_idle_kb) / light.streams
    grown = (heavy.rss_live_kb - heavy.rss_idle_kb) - (light.rss_live_kb - light.rss_idle_kb)
    return grown / (heavy.streams - light.streams)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer steps and rounds")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"before": machine()}
    with tempfile.TemporaryDirectory() as directory:
        cert, key = certificate(Path(directory))
        os.environ["SSL_CERT_FILE"] = str(cert)
        print("The whole bot, half of its streams on Slack and half in Discord threads:")
        loads = climb(STEPS[1:4:2] if options.quick else STEPS, cert, key)
        sustained = max((load.streams for load in loads if load.sustained), default=0)
        per_stream = memory_per_stream([load for load in loads if load.sustained] or loads)
        print(f"sustained: {sustained} streams; {per_stream:.0f} KB a live stream")
        with feeding(cert, key) as (environment, _):
            compared = compare(environment, 50, 150 if options.quick else 210, 2 if options.quick else 5)
            memory = {reader: held(environment, reader) for reader in ("ours", "by hand, json")}
    print(
        "\nThe way of a delta, 50 streams (receive, decrypt, parse, accumulate, schedule), CPU in us, median of rounds:"
    )
    medians = {name: statistics.median(values) for name, values in compared.items()}
    for name, value in medians.items():
        print(f"{name:16} {value:6.1f}   ours is {medians['ours'] / value:.2f} x")
    print("Memory of a stream of 12 s: " + ", ".join(f"{name} {kb:.0f} KB" for name, kb in memory.items()))
    print("\nRendering, shown every 30 deltas, CPU in s:")
    rendered = renderings(1 if options.quick else 3)
    for each in rendered:
        print(f"{each.dialect:28} {each.seconds:6.2f}, twice the text {each.seconds_twice:6.2f}: {each.ratio:.2f} x")
    report |= {
        "after": machine(),
        "loads": [asdict(load) for load in loads],
        "sustained_streams": sustained,
        "kb_per_stream": per_stream,
        "us_per_delta": compared,
        "kb_per_stream_read": memory,
        "rendering": [asdict(each) for each in rendered],
    }
    (options.out / "capacity.json").write_text(json.dumps(report, indent=1))
    print(f"\n{report['after']['cpu']}, {report['after']['cores']} cores; load {report['before']['load']} before, "
          f"{report['after']['load']} after")  # fmt: skip


if __name__ == "__main__":
    main()
