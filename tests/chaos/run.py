"""One run: a sandbox, a server and some bots; people who ask and trouble that comes; then the verdict."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis

from bot.conversation import ThreadKey, Turn
from bot.errors import StoreUnavailable
from bot.store.redis import RedisStore
from sandbox.app import Sandbox
from sandbox.journal import Journal, Shown
from sandbox.slack import SlackServer
from tests.chaos.answers import WORDING, Claude
from tests.chaos.checker import KINDS, Checker, Verdict
from tests.chaos.people import People, Room
from tests.chaos.processes import Bot, Server, claims, complaints, lines_about
from tests.chaos.trouble import Mischief

HISTORY_TTL = 30 * 24 * 3600.0

QUIET = 210.0
"""Seconds without another turn after which what is missing counts as lost."""


@dataclass
class Report:
    """What a run came to, or several together.

    Attributes:
        ends: how the turns ended (`StopReason`); a turn that failed said so to its readers.
        claims: how many turns took so many claims.
    """

    name: str
    questions: int = 0
    seconds: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    claims: Counter[int] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    verdict: Verdict = field(default_factory=Verdict)
    stories: dict[str, str] = field(default_factory=dict)

    @property
    def turns(self) -> int:
        """How many turns were stored."""
        return self.ends.total()

    def add(self, other: Report) -> None:
        """Take in another run's figures."""
        self.questions += other.questions
        self.seconds += other.seconds
        self.ends += other.ends
        self.claims += other.claims
        self.troubles += other.troubles
        self.verdict.found += other.verdict.found

    def lines(self) -> list[str]:
        """The report for people."""
        ends = ", ".join(f"{count} {name}" for name, count in self.ends.most_common())
        troubles = ", ".join(f"{count} {name}" for name, count in sorted(self.troubles.items()))
        claimed = ", ".join(f"{count} × {claims}" for claims, count in sorted(self.claims.items()))
        lines = [
            f"{self.name}: {self.questions} questions in {self.turns} turns ({ends}), {self.seconds:.0f} s",
            f"  trouble: {troubles}",
            f"  claims a turn: {claimed}",
            "  violations: " + ", ".join(f"{self.verdict.count(kind)} {kind}" for kind in KINDS),
        ]
        lines += [f"  {kind} in {room}: {sentence}" for kind, room, sentence in self.verdict.found]
        return lines


class Chaos:
    """One run.

    Args:
        seed: decides everything that is drawn.
        folder: where the server's data and the logs go.
        questions: asked in all.
        kills: SIGKILLs; other troubles come in proportion.
        rooms: conversations beside four direct ones.
        workers: bot processes.
        apart: half of them take messages in and the others answer; else each does both.
    """

    def __init__(
        self, seed: int, folder: Path, *, questions: int, kills: int, rooms: int, workers: int, apart: bool = False
    ) -> None:
        self._seed = seed
        self._folder = folder
        self._questions = questions
        self._kills = kills
        self._count = rooms
        self._workers = workers
        self._apart = apart
        self._journal = Journal()
        self._claude = Claude(seed)
        self._server = Server(folder / "store")

    async def run(self) -> Report:
        """Run it, and look at what came of it."""
        began = time.monotonic()
        report = Report(f"seed {self._seed}")
        slack = SlackServer(self._journal, retry_delays=(0.0, 0.5, 1.0, *[2.0] * 60), latency=0.1)
        async with Sandbox(self._journal, slack=slack, page=False) as box:
            box.claude.handle(self._claude)
            box.discord.latency = 0.1
            people = People(box, self._seed, rooms=self._count, questions=self._questions)
            await self._server.start()
            chance = random.Random(f"bots {self._seed}")  # noqa: S311
            bots = [Bot(f"bot{n}", self._folder, self._environment(box), role=role) for n, role in self._roles()]
            store = RedisStore(self._server.url, history_ttl=HISTORY_TTL)
            try:
                await asyncio.gather(*(bot.start(**_whims(chance)) for bot in bots))
                await people.greet()
                mischief = Mischief(
                    box, people, bots, self._server, seed=self._seed, kills=self._kills, environment=_whims
                )
                async with asyncio.TaskGroup() as group:
                    group.create_task(people.go_on(lambda: mischief.progress))
                    group.create_task(mischief.go_on())
                box.slack.faults.clear()
                box.discord.faults.clear()
                await self._until_answered(store, people)
                await self._stop(bots, report)
                report.troubles = mischief.done + people.done
                await self._judge(store, people, report, mischief, [bot.log for bot in bots])
            finally:
                for bot in bots:
                    await bot.close()
                await store.close()
                await self._server.kill()
        report.seconds = time.monotonic() - began
        return report

    def _roles(self) -> list[tuple[int, str]]:
        """The processes by number, and what each does: apart, every other one takes messages in for the rest."""
        return [(n, ("intake", "worker")[n % 2] if self._apart else "all") for n in range(self._workers)]

    def _environment(self, box: Sandbox) -> Mapping[str, str]:
        return {
            **box.environment(),
            "REDIS_URL": self._server.url,
            "HTTP_PORT": "0",
            "LEASE_SECONDS": "3s",
            "LOG_FORMAT": "json",
            "NOTIFY_AFTER": "0",
        }

    async def _until_answered(self, store: RedisStore, people: People) -> None:
        """Wait until every question is in a turn, or nothing happens any more."""
        missing, since = len(people.rooms) * 1_000_000, time.monotonic()
        while missing and time.monotonic() - since < QUIET:
            left = 0
            for room in people.rooms:
                found = {question.id for turn in await self._turns(store, room) for question in turn.questions}
                left += sum(asked.message not in found and asked.deleted_at is None for asked in room.asked)
            if left < missing:
                missing, since = left, time.monotonic()
            await asyncio.sleep(0.5)

    async def _turns(self, store: RedisStore, room: Room) -> list[Turn]:
        """What the store holds of a room; a reply nobody could place began a conversation of its own."""
        if room.key is None:
            return []
        keys = {str(room.key): room.key}
        if room.platform == "discord" and not room.direct:
            keys |= {asked.message: ThreadKey("discord", room.key.tenant, asked.message) for asked in room.asked}
        while True:
            try:
                found = [turn for key in dict.fromkeys(keys.values()) for turn in await store.load(key)]
            except StoreUnavailable:
                await asyncio.sleep(0.2)
            else:
                return sorted(found, key=lambda turn: turn.finished_at) if len(keys) > 1 else found

    async def _stop(self, bots: list[Bot], report: Report) -> None:
        """Stop everything in order: what sleeps has its say first."""
        await asyncio.sleep(1.0)
        for bot in bots:
            bot.send(signal.SIGTERM)
        for bot in bots:
            try:
                await bot.ended()
            except TimeoutError:
                report.verdict.add("process", bot.name, "does not end on SIGTERM")
            wrong = [status for status in bot.exits if status not in (0, -signal.SIGKILL)]
            if wrong:
                report.verdict.add("process", bot.name, f"ended with {wrong}")

    async def _judge(
        self, store: RedisStore, people: People, report: Report, mischief: Mischief, logs: list[Path]
    ) -> None:
        acknowledged: dict[str, float] = {}
        for entry in self._journal.of("slack", "ack"):
            event = people.box.slack.events.deliveries[entry["id"]].body["event"]
            for name in WORDING.findall(event.get("message", {}).get("text", "")):
                acknowledged.setdefault(name, entry.at)
            acknowledged.setdefault(f"{event.get('channel')}:{event.get('ts')}", entry.at)
        checker = Checker(self._claude, acknowledged)
        checker.verdict = report.verdict
        parts = [part for room in people.rooms for part in _conversations(room, await self._turns(store, room))]
        for room, turns in parts:
            shown = people.bot_messages(room, with_deleted=True)
            report.questions += len(room.asked)
            report.ends.update(turn.stop.value for turn in turns)
            known = len(report.verdict.found)
            checker.look(room, turns, shown)
            if len(report.verdict.found) > known:
                report.stories[room.name] = self._story(room, turns, shown, logs, mischief)
        self._leftovers(report)
        report.claims = claims(logs)
        for log in logs:
            for line in complaints(log):
                report.verdict.add("process", log.stem, line)

    def _leftovers(self, report: Report) -> None:
        """After everything no mailbox holds anything, and no key stays for ever."""
        with redis.Redis.from_url(self._server.url) as client:
            for key in client.scan_iter(count=1000):
                kind = key.split(b"}:")[-1].split(b":")[0]
                if kind in (b"flight", b"mail", b"body", b"ready", b"later"):
                    report.verdict.add("lost", key.decode(), "is left in the store")
                elif client.pttl(key) == -1:
                    report.verdict.add("stored", key.decode(), "has no expiry")

    def _story(self, room: Room, turns: list[Turn], shown: list[Shown], logs: list[Path], mischief: Mischief) -> str:
        """Everything about one room, for whoever looks for the cause."""
        zero = self._journal.entries[0].at
        lines = [f"=== {room.name}  {room.key}"]
        events = [(asked.at, f"asked {asked.name} ({asked.message}) {asked.wording}") for asked in room.asked]
        events += [(asked.deleted_at, f"deleted {asked.name}") for asked in room.asked if asked.deleted_at is not None]
        names = {asked.name for asked in room.asked}
        for said in self._claude.said.values():
            if names.intersection(said.questions):
                events.append((said.at, f"Claude is asked {said.questions} {set(said.wordings)} as r{said.number}"))
        for message in shown:
            events += [(at, f"{message.id} shows {text[-110:]!r}") for at, text in message.versions]
            if message.deleted_at is not None:
                events.append((message.deleted_at, f"{message.id} deleted"))
        events += [(at, f"    !! {what}") for at, what in mischief.diary]
        lines += [f"{at - zero:9.3f}  {what}" for at, what in sorted(events)]
        for turn in turns:
            asked = [message.id for message in turn.questions]
            lines.append(
                f"turn {turn.id} at {turn.finished_at - zero:.3f}: {asked} {turn.stop.value} {turn.answer[-60:]!r}"
            )
        words = [str(room.key), *(turn.id for turn in turns)]
        return "\n".join([*lines, *lines_about(logs, *words)])


def _conversations(room: Room, turns: list[Turn]) -> Iterator[tuple[Room, list[Turn]]]:
    """A room, and each conversation that a reply nobody could place began: it has an order of its own."""
    rest = list(room.asked)
    for n, key in enumerate(dict.fromkeys(message.key for turn in turns for message in turn.questions)):
        if key != room.key:
            its = [turn for turn in turns if turn.questions[0].key == key]
            ids = {message.id for turn in its for message in turn.questions}
            asked = [one for one in rest if one.message in ids]
            rest = [one for one in rest if one.message not in ids]
            part = dataclasses.replace(room, name=f"{room.name}~{n}", key=key, root=key.thread, asked=asked)
            yield part, its
    yield dataclasses.replace(room, asked=rest), [turn for turn in turns if turn.questions[0].key == room.key]


def _whims(chance: random.Random) -> dict[str, str]:
    """What differs from one life of a process to the next."""
    return {"DRAIN_SECONDS": chance.choice(("0s", "1s", "4s")), "ON_INTERRUPT": chance.choice(("keep", "discard"))}
