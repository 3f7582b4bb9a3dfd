"""People who ask in many threads of both platforms at once, and go on while answers run."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.conversation import ThreadKey
from sandbox.app import Sandbox
from sandbox.journal import Shown

AHEAD = 0.1
"""By what share of all questions people may be ahead of the trouble: it must find answers being written."""

PATIENCE = 15.0
"""Seconds for which somebody waits to see an answer before going on."""


ENDS = ("end", "to ask again.", "in another way.", "(Stopped.)")
"""How a message ends that is an answer, or says that there is none."""

CHANGED, DELETED = 0.08, 0.05
"""Which share of the questions is put in other words a little later, and which is taken back."""


@dataclass(slots=True)
class Asked:
    """One question: its name, its message, its text, and when it was written (Unix s).

    Attributes:
        wording: the name of the edit it saw; empty for none.
        deleted_at: Unix s at which its author took it back; None for never.
    """

    name: str
    message: str
    at: float
    text: str = ""
    wording: str = ""
    deleted_at: float | None = None


@dataclass(slots=True)
class Room:
    """One conversation as its people see it."""

    name: str
    platform: str
    channel: str
    person: str
    direct: bool
    root: str = ""
    key: ThreadKey | None = None
    asked: list[Asked] = field(default_factory=list)


class People:
    """Everybody who asks.

    Args:
        box: where.
        seed: decides who asks what and when.
        rooms: conversations.
        questions: how many are asked in all of them together.
    """

    def __init__(self, box: Sandbox, seed: int, *, rooms: int, questions: int) -> None:
        self.box = box
        self.total = questions
        self.asked = 0
        self.done: Counter[str] = Counter()
        """What they did beside asking."""
        self._random = random.Random(f"people {seed}")  # noqa: S311
        self._numbers = itertools.count(1)
        self.rooms = self._furnish(rooms)
        self._progress = asyncio.Event()

    def _furnish(self, count: int) -> list[Room]:
        slack, discord = self.box.slack, self.box.discord
        space = slack.workspace
        persons = [user.id for user in space.users.values() if not user.is_bot]
        channels = [space.add_channel(f"s{n}", members=[*persons, space.bot.id]).id for n in range(8)]
        guests = [person.id for person in discord.users() if not person.bot]
        halls = [discord.add_channel(f"d{n}") for n in range(6)]
        rooms: list[Room] = []
        for n in range(count):
            if n % 4 == 0:  # a Slack workspace takes fifty edits a minute, whatever goes on in it
                rooms.append(Room(f"slack-{n}", "slack", self._random.choice(channels), persons[n % 3], direct=False))
            else:
                rooms.append(Room(f"discord-{n}", "discord", self._random.choice(halls), guests[n % 3], direct=False))
        for n, (person, guest) in enumerate(zip(persons[:2], guests[:2], strict=True)):
            rooms.append(Room(f"slack-dm-{n}", "slack", slack.direct(person), person, direct=True))
            rooms.append(Room(f"discord-dm-{n}", "discord", discord.dm(guest), guest, direct=True))
        return rooms

    async def greet(self) -> None:
        """Let everybody with a direct conversation on Discord ask there once, before there is any trouble.

        Discord lists a bot's direct conversations nowhere: what is written in one nobody knows of while no process
        runs, or only into the memory of one that dies, cannot be found again.
        """
        strangers = [room for room in self.rooms if room.platform == "discord" and room.direct]
        for room in strangers:
            await self._ask(room)
        await self._wait(lambda: all(self._ended(room) for room in strangers), 60.0)

    async def go_on(self, trouble: Callable[[], float]) -> None:
        """Ask everything; returns when the last question was asked. `trouble` tells what share of it has come."""
        shares = [self.total // len(self.rooms)] * len(self.rooms)
        for n in range(self.total - sum(shares)):
            shares[n] += 1
        async with asyncio.TaskGroup() as group:
            for room, share in zip(self.rooms, shares, strict=True):
                rest = share - len(room.asked)
                group.create_task(self._live(room, rest, trouble, random.Random(self._random.random())))  # noqa: S311

    async def until(self, share: float) -> None:
        """Wait until that share of the questions was asked."""
        while self.asked < share * self.total:
            self._progress.clear()
            await self._progress.wait()

    async def _live(self, room: Room, count: int, trouble: Callable[[], float], chance: random.Random) -> None:
        await asyncio.sleep(chance.uniform(0.0, 6.0))
        for n in range(count):
            await self._wait(lambda: self.asked <= (trouble() + AHEAD) * self.total, 600.0)
            await self._ask(room)
            if (change := chance.random()) < CHANGED + DELETED and self._settled(room):
                await asyncio.sleep(chance.choice((0.0, 0.3, 1.0, 3.0)))
                await self._change(room, room.asked[-1], delete=change < DELETED)
            if n + 1 == count:
                return
            if chance.random() < 0.3:
                await asyncio.sleep(chance.uniform(0.05, 2.5))
            else:
                await self._wait(lambda: self._ended(room))
                await asyncio.sleep(chance.uniform(0.0, 1.0))

    async def _ask(self, room: Room) -> None:
        name = f"q{next(self._numbers)}"
        await self._seen_there(room)
        text, at = f"Question [{name}]?", time.time()
        ask = self._ask_slack if room.platform == "slack" else self._ask_discord
        message, text = await ask(room, text)
        room.asked.append(Asked(name, message, at, text))
        self.asked += 1
        self._progress.set()

    def _by_replies(self, room: Room) -> bool:
        """Whether no thread could be opened: the answers then stand in the channel, as replies to their questions."""
        return room.platform == "discord" and not room.direct and room.root not in self.box.discord.world.channels

    def _settled(self, room: Room) -> bool:
        """Whether its answers surely stand in its thread: one to a message that is gone cannot be a reply to it."""
        return len(room.asked) > 1 and not self._by_replies(room) and not self._replies(room, with_deleted=True)

    async def _seen_there(self, room: Room) -> None:
        """Whoever does not name the bot goes on where it has spoken, or opened a thread to speak in."""
        if room.root and room.root not in self.box.discord.world.channels:
            await self._wait(lambda: self.bot_messages(room, with_deleted=True), 120.0)

    async def _change(self, room: Room, asked: Asked, *, delete: bool) -> None:
        """Put a question in other words, or take it back."""
        self.done["questions deleted" if delete else "questions edited"] += 1
        if delete:
            asked.deleted_at = time.time()
        else:
            asked.wording = f"e{asked.name[1:]}"
        channel, _, message = asked.message.rpartition(":")
        if room.platform == "slack":
            if delete:
                await self.box.slack.delete(channel, message)
            else:
                await self.box.slack.edit(channel, message, f"{asked.text} [{asked.wording}]")
            return
        channel = next(shown.channel for shown in self.box.journal.messages("discord") if shown.id == message)
        if delete:
            await self.box.discord.delete(channel, message)
        else:
            await self.box.discord.edit(channel, message, f"{asked.text} [{asked.wording}]")

    async def _ask_slack(self, room: Room, text: str) -> tuple[str, str]:
        """Ask; returns the message's id and its whole text."""
        slack = self.box.slack
        team = slack.workspace.team_id
        if room.direct:
            room.key = ThreadKey("slack", team, room.channel)
            return f"{room.channel}:{await slack.say(room.channel, room.person, text)}", text
        text = text if room.root else f"<@{slack.workspace.bot.id}> {text}"
        ts = await slack.say(room.channel, room.person, text, thread=room.root or None)
        room.root = room.root or ts
        room.key = ThreadKey("slack", team, f"{room.channel}:{room.root}")
        return f"{room.channel}:{ts}", text

    async def _ask_discord(self, room: Room, text: str) -> tuple[str, str]:
        """Ask; returns the message's id and its whole text."""
        discord = self.box.discord
        addressed = f"<@{discord.bot_id}> {text}"
        if room.direct:
            room.key = ThreadKey("discord", "@me", room.channel)
            return await discord.say(room.channel, room.person, text), text
        if not room.root:
            room.root = await discord.say(room.channel, room.person, addressed)
            room.key = ThreadKey("discord", discord.guild_id, room.root)
            return room.root, addressed
        if not self._by_replies(room):
            return await discord.say(room.root, room.person, text), text
        # Where no thread could be opened, a conversation goes on by replies to the bot's messages.
        last = self._replies(room)[-1:]
        reply_to = last[0].id if last else room.root
        return await discord.say(room.channel, room.person, addressed, reply_to=reply_to), addressed

    async def _wait(self, condition: Callable[[], object], patience: float = PATIENCE) -> None:
        """Look now and then, which is far cheaper here than at every entry of the journal."""
        until = time.monotonic() + patience
        while not condition() and time.monotonic() < until:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.2)

    def bot_messages(self, room: Room, *, with_deleted: bool = False) -> list[Shown]:
        """What the bot shows in a room, in the order of posting."""
        if room.platform == "slack":
            bot, thread = self.box.slack.workspace.bot.id, room.root or None
            return self.box.journal.messages(
                "slack", room.channel, thread=thread, author=bot, with_deleted=with_deleted
            )
        bot = self.box.discord.bot_id
        if room.direct:
            return self.box.journal.messages("discord", room.channel, author=bot, with_deleted=with_deleted)
        within = self.box.journal.messages("discord", room.root, author=bot, with_deleted=with_deleted)
        return sorted(within + self._replies(room, with_deleted=with_deleted), key=lambda shown: shown.versions[0][0])

    def _replies(self, room: Room, *, with_deleted: bool = False) -> list[Shown]:
        ours = {asked.message for asked in room.asked}
        shown = self.box.journal.messages(
            "discord", room.channel, author=self.box.discord.bot_id, with_deleted=with_deleted
        )
        return [message for message in shown if message.extra.get("reply_to") in ours]

    def _ended(self, room: Room) -> bool:
        messages = self.bot_messages(room)
        newest = room.asked[-1].at
        return room.asked[-1].deleted_at is not None or any(
            message.versions[-1][0] > newest and message.text.rstrip().endswith(ENDS) for message in messages
        )
